"""Break something, and undo it on every way out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from ..core import poll
from ..core.hints import command
from ..core.patience import stretched
from ..core.poll import until
from ..core.signals import undisturbed
from ..errors import InUse, LabError, MachineUnreachable, NotReady
from ..kube.cluster import Cluster
from . import _journal
from ._catalogue import find
from ._journal import Entry, Note
from ._kind import MACHINE, NAMESPACE, Fault, Place, Seen
from ._looking import EVERY_S, LASTING, Look, attempt, look, wait, words


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
        where = self.at.name or self.at.cluster.lab
        named = f"Injection({self.fault.name!r}, {where})"
        if self._note is not None:
            return named
        return f"{named}, which breaks nothing now: with fault.inject(…): …, or begin()"

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

        What this session broke before and left broken, or an ended one did, is undone
        first, where the two cannot be told apart: the same fault in the same place, and
        any other one in the same namespace, whose workload they share.

        Raises:
            BadInput: The place does not have what the fault needs.
            InUse: Another session that is alive has broken the same, or the same
                worker in another way.
            NotReady: It was not healthy before, or the symptom does not appear; then
                it is undone.
        """
        fault = self.fault
        self.admit()
        if fault.needs != NAMESPACE:  # or what is broken already would be noted as well
            self._await_untouched()
        self.at = Place(self.at.cluster, self.at.name, fault.save(self.at))
        entry = Entry(fault.name, self.at.name, self.at.saved)
        try:
            # Another session may have been admitted at the same time, and what was
            # saved here may be what it broke.
            self._note = _journal.write(
                self.at.cluster.folder, entry, admit=self._refuse
            )
            fault.prepare(self.at)
            if fault.needs == NAMESPACE:
                self._await(fault.healthy, "before it is broken")
            fault.inject(self.at)
            if self._awaited:
                self.await_symptom()
        except BaseException:
            self.undo()
            raise

    def admit(self) -> None:
        """Undo what is in the way, and refuse a place that the fault cannot have.

        Raises:
            BadInput: The place does not have what the fault needs.
            InUse: Another session that is alive has broken the same, or the same
                worker in another way.
            NotReady: What is in the way does not get as it was.
        """
        undo(self.at.cluster, self._in_the_way())
        self._refuse(_journal.others(self.at.cluster.folder)[0])
        self.fault.check(self.at)

    def _refuse(self, held: Sequence[Path]) -> None:
        """Refuse a place where a fault of another living session is in the way.

        Args:
            held: The entries that other living sessions hold.

        Raises:
            InUse: One of them has broken the same, or the same worker in another way,
                which one is not said: it may have been drawn.
        """
        on_machine = self.fault.needs == MACHINE
        felt = [entry for entry in self._felt(held) if entry.where == self.at.name]
        if any(on_machine or entry.fault == self.fault.name for entry in felt):
            broken = "something on this machine" if on_machine else "this already"
            raise InUse(
                f"another session that is alive has broken {broken}",
                where=self.at.name or self.at.cluster.where,
                next="there: fault.heal(cluster), also where it is repaired; "
                "or end that session",
            )

    def _in_the_way(self) -> list[Note]:
        """Return what has to be undone before anything is broken here."""
        folder = self.at.cluster.folder
        mine = {note.path for note in _journal.mine(folder)}

        def lasts(note: Note) -> bool:
            """Say whether it is broken: one that was repaired may be in its block."""
            other = find(note.entry.fault)
            at = Place(self.at.cluster, note.entry.where, note.entry.saved)
            # Just broken, the shop may count as whole until its controllers notice.
            return bool(look(at, other.shows)) or not look(at, other.healthy)

        found = _journal.left(folder, self._is_same)
        return [note for note in found if note.path not in mine or lasts(note)]

    def _is_same(self, entry: Entry) -> bool:
        """Say whether a fault that was noted and this one cannot be told apart."""
        in_one_namespace = find(entry.fault).needs == self.fault.needs == NAMESPACE
        is_here = entry.where == self.at.name
        return is_here and (in_one_namespace or entry.fault == self.fault.name)

    def _felt(self, held: Sequence[Path]) -> list[Entry]:
        """Return which of the entries of other living sessions can be felt here.

        Namespaces have their own way to tell whose they are.
        """
        here = self.at.name
        found: list[Entry] = []
        if self.fault.needs == NAMESPACE:
            return found
        for path in held:
            with suppress(LabError, FileNotFoundError):  # undone, or of another version
                entry = _journal.read(self.at.cluster.folder, path)
                is_felt = not here or entry.where in ("", here)
                if is_felt and find(entry.fault).needs != NAMESPACE:
                    found.append(entry)
        return found

    def _await_untouched(self) -> None:
        """Wait until all works that is there anyway; nothing is changed.

        Raises:
            NotReady: It does not; the error says where another session broke something,
                and not what, for that one may have drawn it.
        """

        def well(at: Place) -> Seen:
            """Look with what is read now: an earlier state may be a broken one."""
            saved = self.fault.save(at)
            return self.fault.healthy(Place(at.cluster, at.name, saved))

        try:
            self._await(well, "before it is broken")
        except NotReady as error:
            held = _journal.others(self.at.cluster.folder)[0]
            if others := self._felt(held):
                places = {entry.where or "the control plane" for entry in others}
                error.next = (
                    "another session that is alive has broken something on "
                    f"{', '.join(sorted(places))}: repair it there, or end that session"
                )
            raise

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

    def await_health(self) -> Seen:
        """Wait until all works after a repair.

        Raises:
            NotReady: It does not before the fault's deadline.
        """
        return self._await(self.fault.healthy, "after its repair")

    def _await(self, healthy: Look, when: str) -> Seen:
        return wait(
            self.at,
            healthy,
            what=f"health {when}",
            want="healthy",
            timeout=self.fault.health_s,
        )

    def repair(self) -> Seen:
        """Do what the cure says, where it is still needed, and see it work.

        Where it was undone meanwhile, or is another session's to undo now, nothing is
        done, and what is returned is what one look sees.

        Raises:
            NotReady: Health does not return before the fault's deadline.
        """
        if self._note is None or not self._note.hold():
            return self.health
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


def undo(cluster: Cluster, notes: Sequence[Note], *, start_s: float = 0.0) -> None:
    """Undo faults, in the order given, and erase the note of each that is undone.

    What cannot be undone because of another fault is tried again after that one. One
    whose note is gone, or is held by another session, is left alone.

    Args:
        cluster: The lab.
        notes: The faults.
        start_s: Seconds allowed on top, as on machines that start.

    Raises:
        NotReady: Something does not get as it was; its note stays, for whoever comes
            next, also in another session.
    """
    try:
        _undo(cluster, notes, start_s)
    except BaseException:
        for note in notes:
            note.release()
        raise


def _undo(cluster: Cluster, notes: Sequence[Note], start_s: float) -> None:
    works = [_Undoing(cluster, note) for note in notes]
    moved = time.monotonic()

    def rest() -> str:
        """Go on with all; what has stood in the way of each for a while is raised."""
        nonlocal moved
        said = [words for work in works if (words := work.look())]
        errors = [work.error for work in works if not work.over]
        lasting = [error for error in errors if isinstance(error, LASTING)]
        if not lasting or len(lasting) < len(errors):
            moved = time.monotonic()
        elif time.monotonic() - moved > stretched(poll.GRACE_S):
            raise lasting[0]
        return "; ".join(said)

    with undisturbed():
        for work in works:
            work.act()
    try:
        until(
            rest,
            what="not everything is as it was before",
            want=", ".join(f"{work.fault.name} undone" for work in works),
            done=lambda seen: seen == "",
            timeout=start_s + max((work.fault.health_s for work in works), default=0),
            where=cluster.where,
            every=EVERY_S,
            next=f"{command('heal', cluster.lab)} tries again; "
            f"to begin anew: {cluster.record.anew}",
        )
    except NotReady as error:
        errors = [work.error for work in works]
        silent = [each for each in errors if isinstance(each, MachineUnreachable)]
        if silent:  # a machine without power: trying again does not give it any
            again = f"then {command('heal', cluster.lab)}"
            error.next = "\n".join([silent[0].next, again])
        raise


class _Undoing:
    """One fault on its way back.

    Attributes:
        over: Whether all is as it was.
        error: What stood in the way at the last attempt, if that was an error.
    """

    def __init__(self, cluster: Cluster, note: Note) -> None:
        entry = note.entry
        self.fault = find(entry.fault)
        self._note = note
        self._at = Place(cluster, entry.where, entry.saved)
        self._acted = self.over = False
        self.error: LabError | None = None

    def act(self) -> str:
        """Do it, where it has not been done; return what stands in the way."""
        if not self._note.hold():  # what is there now is not what was noted
            self.over = True
            return ""
        self.error = None if self._acted else attempt(self._at, self.fault.undo)
        self._acted = self.error is None
        return "" if self.error is None else f"{self.fault.name}: {self.error.what}"

    def look(self) -> str:
        """Go on with it; return what is not as it was, or nothing."""
        if self.over:
            return ""
        problem = self.act()
        if problem or self.over:
            return problem
        seen = attempt(self._at, self.fault.undone)
        if isinstance(seen, LabError):
            self.error = seen
            return f"{self.fault.name}: {words(seen)}"
        if not seen:
            return f"{self.fault.name}: {seen.words}"
        self._note.erase()
        self.over = True
        return ""
