"""What an install step is told: the lab it works in, and the machine it works on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ..bundle.versions import Versions
from ..machines.machine import AddressPlan, Machine
from ..run import Completed, Runner

REGISTRY = "registry.lab"
DEPOT = "depot.lab"


class Shell(Runner, Protocol):
    """A machine over SSH, as the install steps need it."""

    def script(self, text: str, *, timeout: float = 60) -> Completed:
        """Run a shell script given on standard input."""
        ...

    def put(self, path: str, data: str | bytes, *, mode: int = 0o644) -> bool:
        """Write a file atomically; return whether that changed it."""
        ...

    def read(self, path: str) -> str:
        """Return a file's text."""
        ...


@dataclass(frozen=True)
class Site:
    """One lab, as the install steps see it.

    Attributes:
        plan: The lab's addresses.
        machines: All machines, the depot among them.
        versions: What to install.
        ca: The certificate of the lab's own authority, in PEM.
        apt_key: The public key that signs the depot's packages.
    """

    plan: AddressPlan
    machines: Sequence[Machine]
    versions: Versions
    ca: str
    apt_key: bytes

    @property
    def nodes(self) -> tuple[Machine, ...]:
        """The machines that become nodes: all but the depot."""
        return tuple(m for m in self.machines if m.pods is not None)

    @property
    def workers(self) -> tuple[Machine, ...]:
        """The nodes beside the master."""
        return tuple(m for m in self.nodes if not m.is_master)

    @property
    def master(self) -> Machine:
        """The machine of the control plane."""
        return next(m for m in self.machines if m.is_master)

    @property
    def depot(self) -> Machine:
        """The machine that serves packages and images."""
        return next(m for m in self.machines if m.pods is None)


def installed(shell: Shell, names: Sequence[str]) -> dict[str, str]:
    """Return the installed version of each Debian package that is installed."""
    asked = shell.run(
        [
            "dpkg-query",
            "--show",
            "--showformat=${Package} ${Version} ${Status}\\n",
            *list(names),
        ],
        check=False,
    )
    rows = (line.split() for line in asked.stdout.splitlines())
    return {row[0]: row[1] for row in rows if row[-1:] == ["installed"]}


def install_packages(shell: Shell, wanted: dict[str, str]) -> bool:
    """Install Debian packages whose version begins as wanted; return what changed.

    Args:
        shell: The machine.
        wanted: The beginning of the version, by package.
    """
    have = installed(shell, list(wanted))
    missing = [
        f"{name}={version}*"
        for name, version in wanted.items()
        if not have.get(name, "").startswith(version)
    ]
    if not missing:
        return False
    shell.run(["apt-get", "update", "--quiet"], timeout=120)
    shell.run(
        [
            "env",
            "DEBIAN_FRONTEND=noninteractive",
            "apt-get",
            "install",
            "--yes",
            "--quiet",
            "--no-install-recommends",
            "--allow-downgrades",
            *missing,
        ],
        timeout=300,
    )
    return True
