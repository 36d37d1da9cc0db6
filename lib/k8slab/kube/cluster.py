"""A lab's cluster as chapters use it: its API, its machines, its namespaces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..errors import (
    BadInput,
    InUse,
    NotConnected,
    Refused,
    UnknownMachine,
    WrongCluster,
)
from ..folder import LabFolder
from ..lab_record import REGISTRY, LabRecord, Ranges
from ..machine import Machine
from ..ssh.shell import Shell
from . import addons
from .api import ClusterApi
from .namespace import Namespace, scratch


class Cluster(ClusterApi):
    """One lab's cluster. Nothing is sent before it is first used.

    Args:
        record: What the lab's folder says of it.
        shells: The shell for each of the lab's machines, by name.
        folder: The lab's files.

    Attributes:
        record: What the lab's folder said of it when it was last read.

    Raises:
        LabMissing: The folder has lost the fingerprint.
    """

    def __init__(
        self, record: LabRecord, shells: Mapping[str, Shell], folder: LabFolder
    ) -> None:
        super().__init__(folder, adopted=record.is_adopted, prefix=record.prefix)
        self.record = record
        self._required: list[str] = []
        self._machines = {
            each.name: Machine(each, shells[each.name]) for each in record.nodes
        }

    def __repr__(self) -> str:
        return f"Cluster({self.lab!r}, machines={list(self._machines)})"

    @property
    def ranges(self) -> Ranges:
        """The lab's address ranges.

        Raises:
            NoMachines: The cluster was adopted, so nobody knows them.
        """
        if self.record.ranges is None:
            raise self.record.no_machines("whose address ranges are known")
        return self.record.ranges

    @property
    def machines(self) -> tuple[str, ...]:
        """The names of its machines, the master first.

        Raises:
            NoMachines: The cluster was adopted; whatever is done on every machine
                must not be done on none.
        """
        if self.record.is_adopted:
            raise self.record.no_machines("that can be reached")
        return tuple(self._machines)

    def machine(self, name: str) -> Machine:
        """Return a machine, to switch its power.

        Raises:
            UnknownMachine: The lab has no such machine.
            NoMachines: The cluster was adopted.

        Example:
            ``cluster.machine("node2").power_off()``
        """
        self.check_refusal()
        if self.record.is_adopted:
            raise self.record.no_machines(f"that can be reached, and no {name!r}")
        # By equality: a list has no hash, and what a command printed equals its text.
        if name not in tuple(self._machines):
            raise UnknownMachine(name, self.machines)
        return self._machines[name]

    def admit(self, machine: Machine) -> None:
        """Reach a machine that the lab's folder does not know, in this session."""
        self._machines[machine.name] = machine

    def dismiss(self, name: str) -> None:
        """Do not know an admitted machine any more; doing it twice is no mistake."""
        if name not in {each.name for each in self.record.nodes}:
            gone = self._machines.pop(name, None)
            if gone is not None:
                gone.shell.close()

    def address(self, machine: str) -> str:
        """Return a machine's address on the lab's network.

        Raises:
            UnknownMachine: The lab has no such machine.
            NoMachines: The cluster was adopted.
        """
        return self.on(machine).address

    def on(self, machine: str) -> Shell:
        """Return the shell that reaches a machine over SSH.

        Raises:
            UnknownMachine: The lab has no such machine.
            NoMachines: The cluster was adopted.

        Example:
            ``cluster.on("node1").run(["systemctl", "is-active", "kubelet"])``
        """
        return self.machine(machine).shell

    def scratch(self, name: str, *, take_over: bool = False) -> Namespace:
        """Return a fresh namespace for a chapter, and print what had to be removed.

        It becomes the default of ``%kubectl``, and is held by this process. While
        another one holds it, or when it does not come to be, this session reaches
        nothing of the lab: its next commands would act on another namespace.

        Args:
            name: The chapter's name.
            take_over: Take it from another process, with all that that one made.

        Raises:
            BadInput: That can be no namespace's name; nothing was begun.
            InUse: Another process that is alive holds it.
            Refused: A namespace of that name is not a chapter's.
            NotReady: What was there before does not go away.
        """
        before, self.refusal = self.refusal, None
        try:
            namespace, removed = scratch(self, name, take_over=take_over)
        except InUse as error:
            self.refusal = error
            self.close()
            raise
        except BaseException as error:  # also an interrupt
            misspelt = isinstance(error, BadInput) and not isinstance(error, Refused)
            if misspelt or isinstance(error, WrongCluster):
                self.refusal = before  # nothing was begun
                raise
            missing = f"the namespace {name} was not made"
            self.refusal = NotConnected(missing, where=self.where)
            self.close()
            raise
        print(removed)
        if self.record.prefix:
            print(f"images come from {self.record.prefix}, not {REGISTRY}")
        self.namespace = namespace.name
        return namespace

    def require(self, *names: str) -> None:
        """See that add-ons are enabled; those that are not are, with progress shown.

        Args:
            names: The add-ons, as ``k8slab addon list`` names them.

        Raises:
            LabError: One cannot be enabled from here; it says what to type.

        Example:
            ``cluster.require("metrics-server")``
        """
        self.check_refusal()
        _check_names(names)
        for name in names:
            self._required.append(name)
            # Another session may have changed them since this one connected.
            self.record = self._folder_record()
            if name not in self.record.addons:
                addons.change("enable", self.lab, name)
                self.record = self._folder_record()

    def disable(self, *names: str) -> None:
        """See that add-ons are not enabled; those that are go, with progress shown.

        So does one that an ended command left half done.

        Args:
            names: The add-ons, one that needs another before that.

        Raises:
            LabError: One cannot be removed, as something still uses it.

        Example:
            ``cluster.disable("metallb")``
        """
        self.check_refusal()
        _check_names(names)
        for name in names:
            self.record = self._folder_record()
            if name in (*self.record.addons, self.record.half_done):
                addons.change("disable", self.lab, name)
                self.record = self._folder_record()

    def release(self) -> None:
        """Remove the add-ons that `require` had to enable, the last one first.

        So are those that an earlier session of the chapter enabled and left, as when
        its kernel was killed. Those that were enabled before stay. Doing it twice is no
        mistake.

        Raises:
            LabError: One cannot be removed, as its volumes are in use.
        """
        self.check_refusal()
        for name, asked in reversed(self.folder.required().items()):
            if asked in self._required:
                addons.change("disable", self.lab, name)
                self.record = self._folder_record()

    def _folder_record(self) -> LabRecord:
        return self.folder.record() or self.record

    def close(self) -> None:
        """Close the connections to the API server and to the machines."""
        for machine in self._machines.values():
            machine.shell.close()
        super().close()


def _check_names(names: Sequence[object]) -> None:
    """Refuse what is no add-on's name: none is enabled that is called so."""
    for each in names:
        if not isinstance(each, str) or not each:
            raise BadInput(
                "an add-on is known by its name",
                wanted='a text, as "metrics-server"; several with commas between them',
                seen=repr(each),
                next="leave [ and ] out: the names stand in the parentheses",
            )
