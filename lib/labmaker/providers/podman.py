"""Machines by podman, which has no daemon."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from ..plan import AddressPlan
from .base import About
from .client import local
from .containers import LABEL, PROXIES, Containers

_SETTINGS = ("/etc/containers/storage.conf", "/usr/share/containers/storage.conf")
_OWN_SETTINGS = "CONTAINERS_STORAGE_CONF"
_ELSEWHERE = (
    *("CONTAINER_HOST", "CONTAINER_CONNECTION"),
    *("PODMAN_USERNS", "BUILDAH_FORMAT"),
)
"""Variables that make podman a client of a service, which has other options; and those
that change what all containers and images are."""
_IMAGES = Path("/var/lib/containers/storage")

# Its own default runtime cannot lay out cgroups on every computer.
CLIENT = local("podman", "--runtime", "runc", without=_ELSEWHERE)
"""What every command of podman begins with, also where images are built."""
POLICY = f"--signature-policy={Path(__file__).with_name('policy.json')}"
"""Takes what we built ourselves, where this computer's own policy rejects images that
nobody signed: podman calls them of an unknown format then."""


class Podman(Containers):
    """The machines of one lab, as containers of podman; see `Containers`."""

    name = "podman"
    commands: ClassVar[Mapping[str, str]] = {"podman": "podman", "runc": "runc"}
    engine = "podman"

    _client = CLIENT
    # systemd=false: on cgroup v1, podman would mount the host's own systemd
    # hierarchy into every machine, and stopping one would end the others'.
    _machine = (
        # Neither the reader's variables nor those that podman's settings give all.
        "--http-proxy=false",
        "--env-host=false",
        *(f"--unsetenv={name}" for name in PROXIES),
        "--systemd=false",
        "--dns=none",
        "--no-hosts",
        "--tmpfs=/tmp",
        "--tmpfs=/run",
        "--tmpfs=/run/lock",
    )
    _bridge = "{{.NetworkInterface}}"
    _load = (POLICY,)
    _remove = ("--force", "--time=0")
    _remove_network = ("--force",)

    def packages(self) -> tuple[str, ...]:
        """Return the Debian packages; netavark is no command, yet makes networks."""
        return ("netavark", *sorted(self.commands.values()))

    def _look(self) -> About:
        version = self._ask("version", "--format={{.Client.Version}}").strip()
        # Its lists can be read.
        self._ask("ps", "--quiet", "--last=1")
        self._ask("network", "ls", "--quiet")
        return About(version, self._images())

    def _images(self) -> Path:
        """Return what podman's settings say: 'podman info' takes ten times as long."""
        own = os.environ.get(_OWN_SETTINGS)
        for file in _SETTINGS if own is None else (own,):
            with suppress(OSError, KeyError, TypeError, tomllib.TOMLDecodeError):
                said = tomllib.loads(self._host.read_text(file))
                return Path(said["storage"]["graphroot"])
        return _IMAGES

    def _network(self, plan: AddressPlan) -> tuple[str, ...]:
        return ("--disable-dns",)

    def _labelled(self, *listing: str) -> Sequence[str]:
        rows = json.loads(self._run(*listing, "--format=json") or "[]")
        # Containers spell it "Labels", networks "labels".
        return [(row.get("Labels") or row["labels"])[LABEL] for row in rows]
