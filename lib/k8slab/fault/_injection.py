"""Break something, and undo it on every way out."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

from ..core.hints import command
from ..core.poll import until
from ..core.signals import undisturbed
from ..kube.cluster import Cluster
from . import _journal
from ._catalogue import find
from ._journal import Entry, Note
from ._kind import NAMESPACE, Fault, Place, Seen
from ._looking import EVERY_S, attempt, look, wait


class Injection:
    """A fault in a place, for the length of a ``with`` block; `inject` makes one.

    Args:
        fault: What breaks.
        at: Where.
        awaited: Whether to wait for the symptom.
    """

    def __init__(self, fault: Fault, at: Place, *, awaited: bool = True) -> None:
        self.fault = fault
        self.at = at
        self._awaited = awaited
        self._note: Note | None = None

    def __repr__(self) -> str:
        return f"Injection({self.fault.name!r}, {self.at.name or self.at.cluster.lab})"

    @property
    def symptom(self) -> Seen:
        """What a look for the symptom sees now."""
        return look(self.at, self.fault.shows)

    @property
    def health(self) -> Seen:
        """What a look for health sees now."""
        return look(self.at, self.fault.healthy)

    @property
    def is_undone(self) -> bool:
        """Whether nothing of it is left to be undone, by whomever it was."""
        return self._note is None or not self._note.path.exists()

    def begin(self) -> None:
        """See it healthy, note down how to undo it, break it, and see the symptom.

        What this session broke before and left broken is undone first, where the two
        cannot be told apart: the same fault in the same place, and any other one in
        the same namespace, whose workload they share.

        Raises:
            BadInput: The place does not have what the fault needs.
            NotReady: It was not healthy before, or the symptom does not appear; then
                it is undone.
        """
        fault = self.fault
        fault.check(self.at)
        undo(self.at.cluster, self._in_the_way())
        self.at = Place(self.at.cluster, self.at.name, fault.save(self.at))
        entry = Entry(fault.name, self.at.name, self.at.saved)
        try:
            self._note = _journal.write(self.at.cluster.journal, entry)
            fault.prepare(self.at)
            self.await_health("before it is broken")
            fault.inject(self.at)
            if self._awaited:
                self.await_symptom()
        except BaseException:
            self.undo()
            raise

    def _in_the_way(self) -> list[Note]:
        """Return what this session has to undo before it breaks anything here."""

        def is_it(note: Note) -> bool:
            other, where = find(note.entry.fault), note.entry.where
            both_here = other.needs == self.fault.needs == NAMESPACE
            if where != self.at.name or not (both_here or other is self.fault):
                return False
            at = Place(self.at.cluster, where, note.entry.saved)
            # Just broken, the shop may count as whole until its controllers notice.
            return bool(look(at, other.shows)) or not look(at, other.healthy)

        return [note for note in _journal.mine(self.at.cluster.journal) if is_it(note)]

    def await_symptom(self) -> Seen:
        """Wait until the symptom is there.

        Raises:
            NotReady: It does not appear before the fault's deadline.
        """
        return wait(
            self.at,
            self.fault.shows,
            what=f"the symptom of {self.fault.name}",
            want=self.fault.symptom,
            timeout=self.fault.symptom_s,
        )

    def await_health(self, when: str = "after its repair") -> Seen:
        """Wait until all works.

        Raises:
            NotReady: It does not before the fault's deadline.
        """
        return wait(
            self.at,
            self.fault.healthy,
            what=f"health {when}",
            want="healthy",
            timeout=self.fault.health_s,
        )

    def repair(self) -> Seen:
        """Do what the cure says, where it is still needed, and see it work.

        Raises:
            NotReady: Health does not return before the fault's deadline.
        """
        if not self.health:
            with undisturbed():
                self.fault.repair(self.at)
        return self.await_health()

    def undo(self) -> None:
        """Leave things as they were before; doing it twice is no mistake.

        Raises:
            NotReady: Something does not get as it was; the next ``lab.connect()``
                tries again.
        """
        if self._note is not None:
            undo(self.at.cluster, [self._note])
            self._note = None

    def __enter__(self) -> Injection:
        self.begin()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self.repair()
        finally:
            self.undo()


def undo(cluster: Cluster, notes: Sequence[Note]) -> None:
    """Undo faults, in the order given, and erase the note of each that is undone.

    What cannot be undone because of another fault is tried again after that one.

    Raises:
        NotReady: Something does not get as it was; its note stays.
    """
    works = [_Undoing(cluster, note) for note in notes]
    with undisturbed():
        for work in works:
            work.act()
    until(
        lambda: "; ".join(words for work in works if (words := work.look())),
        what="not everything is as it was before",
        want=", ".join(f"{work.fault.name} undone" for work in works),
        done=lambda seen: seen == "",
        timeout=max((work.fault.health_s for work in works), default=0),
        where=cluster.where,
        every=EVERY_S,
        next=f"{command('heal', cluster.lab)} tries again; "
        f"{command('reset', cluster.lab)} makes the lab anew",
    )


class _Undoing:
    """One fault on its way back."""

    def __init__(self, cluster: Cluster, note: Note) -> None:
        entry = note.entry
        self.fault = find(entry.fault)
        self._note = note
        self._at = Place(cluster, entry.where, entry.saved)
        self._acted = self._over = False

    def act(self) -> str:
        """Do it, where it has not been done; return what stands in the way."""
        error = None if self._acted else attempt(self._at, self.fault.undo)
        self._acted = error is None
        return "" if error is None else f"{self.fault.name}: {error.what}"

    def look(self) -> str:
        """Go on with it; return what is not as it was, or nothing."""
        if self._over:
            return ""
        problem = self.act()
        if problem:
            return problem
        seen = look(self._at, self.fault.undone)
        if not seen:
            return f"{self.fault.name}: {seen}"
        self._note.erase()
        self._over = True
        return ""
