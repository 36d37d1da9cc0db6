"""Break a lab on purpose, see the symptom, and have it repaired on every way out."""

from __future__ import annotations

from ..core import given
from ..errors import BadInput
from ..kube import current
from ..kube.cluster import Cluster
from ..kube.namespace import Namespace
from ..kube.objects import Node
from ..machine import Machine
from . import _journal
from ._blind import Hidden, draw, judge
from ._catalogue import every, find
from ._injection import Injection, undo
from ._kind import CLUSTER, MACHINE, NAMESPACE, Fault, Place, Seen

__all__ = [
    "CLUSTER",
    "MACHINE",
    "NAMESPACE",
    "Fault",
    "Hidden",
    "Injection",
    "Seen",
    "draw",
    "every",
    "find",
    "heal",
    "inject",
    "judge",
    "names",
    "standing",
]


def names(needs: str | None = None) -> tuple[str, ...]:
    """Return the names of all faults.

    None is about a wrong clock: machines that are containers have this computer's
    clock, so a change on one would change all of them, and this computer, too. What a
    wrong clock does to certificates, ``expired-certificate`` shows.

    Args:
        needs: Only those that act on this kind of place: `NAMESPACE`, `MACHINE` or
            `CLUSTER`.

    Raises:
        BadInput: No fault acts on such a place.
    """
    if needs not in (None, NAMESPACE, MACHINE, CLUSTER):
        raise BadInput(
            "no fault acts on such a place",
            wanted="fault.NAMESPACE, fault.MACHINE or fault.CLUSTER",
            seen=repr(needs),
        )
    return tuple(each.name for each in every() if needs in (None, each.needs))


def inject(
    name: str,
    where: Namespace | Machine | Node | str = "",
    *,
    cluster: Cluster | None = None,
    awaited: bool = True,
) -> Injection:
    """Break something for the length of a ``with`` block.

    At its start it is seen healthy, broken, and its symptom seen. At its end it is
    repaired where it still has to be, seen healthy, and left as it was before; after
    an error or an interrupt, too. What a killed kernel leaves broken, the next
    ``lab.connect()`` undoes.

    Args:
        name: The fault, one of `names`.
        where: The namespace or the worker it acts on, where it needs one.
        cluster: The lab; that of the session when None.
        awaited: Wait for the symptom.

    Raises:
        BadInput: There is no such fault, the place does not have what it needs, or it
            has what the fault would replace.
        InUse: Another session that is alive has broken the same, or the same worker in
            another way.
        NotReady: It was not healthy before, the symptom does not appear, or health
            does not return.

    Example:
        ``with fault.inject("kubelet-stopped", "node2"): ...``
    """
    found = find(name)
    kinds = Namespace | Machine | Node | str | None
    wanted = f"{found.needs}, or its name"
    given.of_kind(where, kinds, f"the fault {name} acts elsewhere", wanted=wanted)
    at_work = _lab(cluster or current.current())
    place = str(getattr(where, "name", where or ""))
    found.check_lab(at_work.record)
    at = Place(at_work, "" if found.needs == CLUSTER else place)
    return Injection(found, at, awaited=awaited)


def heal(cluster: Cluster, *, start_s: float = 0.0) -> list[str]:
    """Undo what this session and ended ones left broken, and return a line for each.

    What another session that is alive has broken is left alone.

    Args:
        cluster: The lab.
        start_s: Seconds allowed on top, as on machines that start.

    Raises:
        NotReady: Something does not get as it was; the next attempt tries again, also
            one in another session.
    """
    if not _journal.entries(_lab(cluster).folder):
        return []
    adopted = cluster.record.is_adopted  # faults act on nothing but its API
    if not adopted and not cluster.on(cluster.machines[0]).is_up():
        # The lab is stopped, which whoever asks for it is going to be told; and whoever
        # starts it is to undo them.
        for note in _journal.mine(cluster.folder):
            note.release()
        return []
    notes = _journal.left(cluster.folder)
    undo(cluster, notes, start_s=start_s)
    return [
        f"{note.entry.fault} on {note.entry.where or 'the cluster'}" for note in notes
    ]


def standing(cluster: Cluster) -> tuple[int, int]:
    """Return how many faults other living sessions hold, and how many nobody does."""
    held, free = _journal.others(_lab(cluster).folder)
    return len(held), len(free)


def _lab(cluster: Cluster) -> Cluster:
    """Return a lab's cluster; refuse what is none, as its name."""
    wanted = "the cluster, as lab.connect() returns it"
    given.of_kind(cluster, Cluster, "that is no cluster", wanted=wanted)
    return cluster
