"""Machines by docker, whose daemon runs on this computer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from ..computer import SYS_RESOURCE, holds
from ..plan import AddressPlan
from .base import About
from .containers import LABEL, PROXIES, Containers

# Older ones give --privileged all capabilities there are, newer ones all they hold.
_GIVES_WHAT_IT_HOLDS = 23


class Docker(Containers):
    """The machines of one lab, as containers of docker; see `Containers`."""

    name = "docker"
    commands: ClassVar[Mapping[str, str]] = {
        "docker": "docker.io",
        "dockerd": "docker.io",
    }

    _client = ("docker",)
    # dns: the daemon answers machines' look-ups, and would pass on what it does not
    # know; so it is told to ask the machine itself, where nobody listens.
    # exec: unlike others, docker forbids to run what lies in such a file system.
    # env: its client's settings may name proxies, and what is set here goes before.
    _machine = (
        *(f"--env={name}=" for name in PROXIES),
        "--dns=127.0.0.1",
        "--tmpfs=/tmp:exec",
        "--tmpfs=/run:exec",
        "--tmpfs=/run/lock",
    )
    # The files below the daemon's, which it would write anew at every start; and no
    # way out, which older ones give a machine on an internal network, too.
    _init = (
        "/bin/sh",
        "-ec",
        "umount /etc/hosts /etc/resolv.conf; ip route flush default; exec /sbin/init",
    )
    _bridge = '{{index .Options "com.docker.network.bridge.name"}}'
    _remove = ("--force",)
    asks_first = ("DOCKER-USER",)

    def _look(self) -> About:
        self._refuse_elsewhere("DOCKER_HOST")
        template = "--format={{.Name}} {{.Endpoints.docker.Host}}"
        name, _, host = self._ask("context", "inspect", template).strip().partition(" ")
        if not host.startswith("unix://"):
            raise self._unusable(
                f"the context {name}, by which docker works at {host}",
                "docker context use default, and unset DOCKER_CONTEXT",
            )
        self._ask("network", "ls", "--quiet")  # its list can be read
        said = self._ask(
            "info", "--format={{.ServerVersion}} {{.DefaultRuntime}} {{.DockerRootDir}}"
        )
        version, runtime, images = said.strip().split(maxsplit=2)
        major = version.partition(".")[0]
        if (
            major.isdigit()
            and int(major) < _GIVES_WHAT_IT_HOLDS
            and not holds(self._host, SYS_RESOURCE)
            and runtime == "runc"  # another one may see to it
        ):
            raise self._unusable(
                f"docker {version} gives machines the capability SYS_RESOURCE, "
                "which this computer lacks",
                f"install docker {_GIVES_WHAT_IT_HOLDS} or newer, "
                "or choose another provider: unset K8SLAB_PROVIDER",
            )
        return About(version, Path(images))

    def packages(self) -> tuple[str, ...]:
        """Return Debian's package, unless docker is there from elsewhere.

        The two cannot be installed beside each other.
        """
        lacking = self.lacking(self._host)
        return tuple(sorted({self.commands[command] for command in lacking}))

    def _network(self, plan: AddressPlan) -> tuple[str, ...]:
        return (f"--opt=com.docker.network.bridge.name=k8slab-{plan.slot}",)

    def _labelled(self, *listing: str) -> Sequence[str]:
        template = f'--format={{{{.Label "{LABEL}"}}}}'
        return self._run(*listing, template).split()
