"""What an install step is told: the lab it works in, and the machine it works on."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

from k8slab.lab_record import LabRecord, MachineRecord, Ranges
from k8slab.ssh.shell import Shell

from ..apt import installed, once_free
from ..bundle import Bundle, Versions
from .profile import DEPOT_HOST, Profile, Sources

__all__ = ["DEPOT_HOST", "InstallContext", "install_packages"]


@dataclass(frozen=True)
class InstallContext:
    """One lab, as the install steps see it.

    Attributes:
        record: What the lab's folder says of it.
        versions: What to install.
        ca: The certificate of the lab's own authority, in PEM.
        apt_key: The public key that signs the depot's packages.
        profile: What follows from the machines.
        sources: Where packages and images come from.
        depot_on: The node that serves images; empty where a machine of its own, or
            somebody else, does.
        network: The manifest of another Pod network than ours; empty for ours.
    """

    record: LabRecord
    versions: Versions
    ca: str
    apt_key: bytes
    profile: Profile = field(default_factory=Profile)
    sources: Sources = field(default_factory=Sources)
    depot_on: str = ""
    network: str = ""

    @classmethod
    def of(cls, record: LabRecord, bundle: Bundle, ca: str) -> InstallContext:
        """Return what the steps are told of a lab that is made of a bundle."""
        key = (bundle.path("apt") / "key.gpg").read_bytes()
        return cls(record, bundle.versions, ca, key)

    @property
    def ranges(self) -> Ranges:
        """The lab's address ranges."""
        if self.record.ranges is None:
            raise self.record.no_machines("to install anything on")
        return self.record.ranges

    @property
    def nodes(self) -> tuple[MachineRecord, ...]:
        """The machines that become nodes: all but the depot."""
        return self.record.nodes

    @property
    def workers(self) -> tuple[MachineRecord, ...]:
        """The nodes beside the master."""
        return tuple(m for m in self.nodes if not m.is_master)

    @property
    def master(self) -> MachineRecord:
        """The machine of the control plane."""
        return next(m for m in self.nodes if m.is_master)

    @property
    def depot(self) -> MachineRecord:
        """The machine that serves packages and images."""
        if self.depot_on:
            return next(m for m in self.nodes if m.name == self.depot_on)
        apart = (m for m in self.record.machines if not m.is_node)
        return next(apart, self.master)


def install_packages(shell: Shell, wanted: dict[str, str]) -> bool:
    """Install Debian packages of a version, in any revision; return what changed.

    Args:
        shell: The machine.
        wanted: The version without its Debian revision, by package.
    """
    have = installed(partial(shell.run, check=False), list(wanted))
    missing = [
        f"{name}={version}-*"
        for name, version in wanted.items()
        if not have.get(name, "").startswith(f"{version}-")
    ]
    if not missing:
        return False
    update = ["apt-get", "update", "--quiet"]
    install = [
        "env",
        "DEBIAN_FRONTEND=noninteractive",
        "apt-get",
        "install",
        "--yes",
        "--quiet",
        "--no-install-recommends",
        "--allow-downgrades",
        *missing,
    ]
    for argv, timeout in ((update, 120.0), (install, 300.0)):
        run = partial(shell.run, argv, check=False, timeout=timeout)
        once_free(run, shell.where)
    return True
