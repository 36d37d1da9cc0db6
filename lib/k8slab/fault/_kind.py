"""State what a fault is: what it needs, breaks, shows, and how it is repaired."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from ..errors import BadInput
from ..kube.cluster import Cluster
from ..lab_record import WORKER, LabRecord
from ..ssh.shell import Shell

NAMESPACE, MACHINE, CLUSTER = "a namespace", "a worker", "the control plane"


@dataclass(frozen=True)
class Seen:
    """What one look saw.

    Attributes:
        ok: Whether it is what was looked for.
        words: The state in words.
    """

    ok: bool
    words: str

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        return self.words


@dataclass(frozen=True)
class Place:
    """Where a fault acts.

    Attributes:
        cluster: The lab's cluster.
        name: The namespace's or the machine's name; empty for the whole cluster.
        saved: What was read before the change, for the repair.
    """

    cluster: Cluster
    name: str = ""
    saved: Mapping[str, Any] = field(default_factory=dict)

    @property
    def shell(self) -> Shell:
        """The machine; the master for the whole cluster."""
        return self.cluster.on(self.name or self.cluster.machines[0])

    @property
    def master(self) -> Shell:
        """The machine of the control plane."""
        return self.cluster.on(self.cluster.machines[0])

    @property
    def workers(self) -> list[str]:
        """The names of the workers."""
        nodes = self.cluster.record.nodes
        return [machine.name for machine in nodes if machine.role == WORKER]


class Fault(ABC):
    """One way in which things break, with its way back.

    Nothing but `inject` and `prepare` makes anything worse, and `undo` may be called
    at any time, any number of times, from another process, too.

    Attributes:
        name: What `fault.inject` calls it.
        needs: `NAMESPACE`, `MACHINE` or `CLUSTER`: what kind of place it acts on.
        outside: Whether it also changes what is in no namespace.
        addon: The add-on that it breaks, for which it has to be enabled.
        symptom: What is noticed first, in one sentence.
        cause: What is wrong, in one sentence.
        cure: How it is repaired, in one sentence.
        symptom_s: Seconds until the symptom must have appeared.
        health_s: Seconds until a repair must have worked.
    """

    name: ClassVar[str]
    needs: ClassVar[str]
    outside: ClassVar[bool] = False
    addon: ClassVar[str] = ""
    symptom: ClassVar[str]
    cause: ClassVar[str]
    cure: ClassVar[str]
    symptom_s: ClassVar[float] = 60.0
    health_s: ClassVar[float] = 90.0

    def check_lab(self, record: LabRecord) -> None:
        """Refuse an adopted cluster where the fault acts on more than a namespace.

        Raises:
            NoMachines: It is one, and the fault does.
        """
        if record.is_adopted and (self.needs != NAMESPACE or self.outside):
            raise record.no_machines(
                f"for the fault {self.name}, which acts on more than a chapter's "
                "namespace"
            )

    def check(self, at: Place) -> None:
        """Refuse a place that does not have what the fault needs.

        Raises:
            BadInput: It does not; nothing was changed.
        """
        if self.needs == MACHINE and at.name not in at.workers:
            raise BadInput(
                f"the fault {self.name} acts on a worker",
                wanted="one of " + ", ".join(at.workers),
                seen=at.name or "none",
            )
        if self.needs == NAMESPACE and not at.name:
            raise BadInput(
                f"the fault {self.name} acts in a namespace",
                wanted="a namespace of the lab, as cluster.scratch returns one",
                seen="none",
            )

    def save(self, at: Place) -> dict[str, Any]:
        """Return what the repair needs to know, as JSON has it; change nothing."""
        return {}

    def prepare(self, at: Place) -> None:  # noqa: B027 - most break what is there
        """Make what is going to break, where it is not there anyway."""

    @abstractmethod
    def inject(self, at: Place) -> None:
        """Break it."""

    @abstractmethod
    def shows(self, at: Place) -> Seen:
        """Look whether the symptom is there."""

    @abstractmethod
    def repair(self, at: Place) -> None:
        """Do what the cure says; nothing where it is healthy."""

    @abstractmethod
    def healthy(self, at: Place) -> Seen:
        """Look whether all works, however it was repaired."""

    def undo(self, at: Place) -> None:
        """Leave things as they were before `prepare`; needs no earlier repair."""
        self.repair(at)

    def undone(self, at: Place) -> Seen:
        """Look whether `undo` has had its effect."""
        return self.healthy(at)
