"""A lab's cluster as chapters use it: its API, its machines, its namespaces."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..errors import InUse, UnknownMachine
from ..folder import LabRecord, Ranges
from ..machine import Machine
from ..ssh.shell import Shell
from .api import ClusterApi
from .namespace import Namespace, scratch
from .pinning import Fingerprint


class Cluster(ClusterApi):
    """One lab's cluster. Nothing is sent before it is first used.

    Args:
        record: What the lab's folder says of it.
        shells: The shell for each of the lab's machines, by name.
        kubeconfig: The lab's kubeconfig; its folder keeps what kubectl writes.
        fingerprint: The pinned fingerprint; every other cluster is refused.
        kubectl: The kubectl to run.
        journal: Where faults that have to be undone are noted down.

    Attributes:
        record: What the lab's folder says of it.
        journal: Where faults that have to be undone are noted down.
    """

    def __init__(
        self,
        record: LabRecord,
        shells: Mapping[str, Shell],
        *,
        kubeconfig: Path,
        fingerprint: Fingerprint,
        kubectl: Path,
        journal: Path,
    ) -> None:
        super().__init__(
            record.name,
            kubeconfig=kubeconfig,
            fingerprint=fingerprint,
            kubectl=kubectl,
        )
        self.record = record
        self.journal = journal
        self._machines = {
            each.name: Machine(each, shells[each.name]) for each in record.nodes
        }

    def __repr__(self) -> str:
        return f"Cluster({self.lab!r}, machines={list(self.machines)})"

    @property
    def ranges(self) -> Ranges:
        """The lab's address ranges."""
        return self.record.ranges

    @property
    def machines(self) -> tuple[str, ...]:
        """The names of its machines, the master first."""
        return tuple(self._machines)

    def machine(self, name: str) -> Machine:
        """Return a machine, to switch its power.

        Raises:
            UnknownMachine: The lab has no such machine.

        Example:
            ``cluster.machine("node2").power_off()``
        """
        self.check_refusal()
        if name not in self._machines:
            raise UnknownMachine(name, self.machines)
        return self._machines[name]

    def address(self, machine: str) -> str:
        """Return a machine's address on the lab's network.

        Raises:
            UnknownMachine: The lab has no such machine.
        """
        return self.on(machine).address

    def on(self, machine: str) -> Shell:
        """Return the shell that reaches a machine over SSH.

        Raises:
            UnknownMachine: The lab has no such machine.

        Example:
            ``cluster.on("node1").run(["systemctl", "is-active", "kubelet"])``
        """
        return self.machine(machine).shell

    def scratch(self, name: str, *, take_over: bool = False) -> Namespace:
        """Return a fresh namespace for a chapter, and print what had to be removed.

        It becomes the default of ``%kubectl``, and is held by this process. While
        another one holds it, this session reaches nothing of the lab.

        Args:
            name: The chapter's name.
            take_over: Take it from another process, with all that that one made.

        Raises:
            InUse: Another process that is alive holds it.
            Refused: A namespace of that name is not a chapter's.
            NotReady: What was there before does not go away.
        """
        self.refusal = None
        try:
            namespace, removed = scratch(self, name, take_over=take_over)
        except InUse as error:
            self.refusal = error
            self.close()
            raise
        print(removed)
        self.namespace = namespace.name
        return namespace

    def close(self) -> None:
        """Close the connections to the API server and to the machines."""
        for machine in self._machines.values():
            machine.shell.close()
        super().close()
