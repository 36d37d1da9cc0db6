"""Machines by docker, whose daemon runs on this computer."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

from ..computer import SYS_RESOURCE, holds
from ..plan import AddressPlan
from .base import About
from .client import local
from .containers import LABEL, PROXIES, Containers

# Older ones give --privileged all capabilities there are, newer ones all they hold.
_GIVES_WHAT_IT_HOLDS = 23
_HOST = "DOCKER_HOST"
_ROOT = "DockerRootDir"
_FACTS = {"ServerVersion", "DefaultRuntime", _ROOT}
_ELSEWHERE = (
    *(_HOST, "DOCKER_CONTEXT", "DOCKER_TLS", "DOCKER_TLS_VERIFY"),
    *("DOCKER_CONTENT_TRUST", "DOCKER_DEFAULT_PLATFORM", "DOCKER_API_VERSION"),
)
"""Variables by which docker works on another computer, and speaks as it does to one;
and those by which it takes only images of a registry, or of another processor."""
_HOSTNAME = "/proc/sys/kernel/hostname"
_OWN = "unix://"
_SOCKET = f"{_OWN}/var/run/docker.sock"
_IN_CONTAINERD = "io.containerd.snapshotter.v1"
"""The kind of store that keeps images and machines outside of docker's own folder."""
_CONTAINERD_SETTINGS = "/etc/containerd/config.toml"
_CONTAINERD = Path("/var/lib/containerd")
_UNFIT = {
    "name=rootless": (
        "a daemon of another user than root, whose networks this computer does not see",
        f"unset {_HOST}, so that root's own daemon is asked, then repeat the command",
    ),
    # Machines could opt out, but not their files, whose owners stay other users: none
    # could be logged in to.
    "name=userns": (
        "the setting userns-remap, with which no file of a machine is root's",
        "remove userns-remap from /etc/docker/daemon.json, and restart docker: "
        "service docker restart",
    ),
}
"""What a daemon says of itself that can carry no machine, why not, and the cure."""


class Docker(Containers):
    """The machines of one lab, as containers of docker; see `Containers`."""

    name = "docker"
    commands: ClassVar[Mapping[str, str]] = {
        "docker": "docker.io",
        "dockerd": "docker.io",
    }
    engine = "dockerd"

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
    # Also where no systemd runs, as in a container and on WSL.
    _start = "start its daemon: service docker start; or "
    asks_first = ("DOCKER-USER",)

    @property
    def _client(self) -> tuple[str, ...]:
        """Name the daemon, so that no variable and no context of the reader's does.

        Another socket of this computer may be meant.
        """
        named = os.environ.get(_HOST, "")
        socket = named if named.startswith(_OWN) else _SOCKET
        return local("docker", f"--host={socket}", without=_ELSEWHERE)

    def _look(self) -> About:
        self._ask("network", "ls", "--quiet")  # its list can be read
        said = self._info()
        self._refuse_elsewhere(said)
        for option in said.get("SecurityOptions") or ():
            if why := _UNFIT.get(option.partition(",")[0]):
                raise self._unusable(*why)
        version, runtime = said["ServerVersion"], said["DefaultRuntime"]
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
        return About(version, self._images(said))

    def _refuse_elsewhere(self, said: Mapping[str, Any]) -> None:
        """Refuse a daemon of another computer behind the socket.

        This one's folders and bridges are not there, as in Docker Desktop's virtual
        machine, or on the host of a container that was given its socket.
        """
        there, here = said.get("Name"), ""
        with suppress(OSError):
            here = self._host.read_text(_HOSTNAME).strip()
        if there and here and there != here:
            socket = self._client[-1].partition("=")[2]
            raise self._unusable(
                f"the daemon behind {socket} runs on {there}, and this is {here}",
                f"have docker run on {here} itself, and unset {_HOST}; or take podman: "
                "apt-get install --yes podman runc, then export K8SLAB_PROVIDER=podman",
            )

    def _info(self) -> Mapping[str, Any]:
        """Return what the daemon says of itself; of a failing one that is little."""
        told = self._ask("info", "--format={{json .}}")
        said: dict[str, Any] = {}
        with suppress(ValueError):
            said = json.loads(told)
        if said.keys() >= _FACTS:
            return said
        cure = "see what is wrong with it: docker info"
        raise self._unusable(f"it says of itself: {told[:200]!r}", cure)

    def _images(self, said: Mapping[str, Any]) -> Path:
        """Return where images are: new installations leave them to containerd."""
        if _IN_CONTAINERD not in str(said.get("DriverStatus")):
            return Path(said[_ROOT])
        with suppress(OSError, KeyError, TypeError, tomllib.TOMLDecodeError):
            settings = tomllib.loads(self._host.read_text(_CONTAINERD_SETTINGS))
            return Path(settings["root"])
        return _CONTAINERD

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
