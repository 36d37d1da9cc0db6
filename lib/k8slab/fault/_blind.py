"""Draw a fault by a seed, keep its name hidden, and judge the reader's repair."""

from __future__ import annotations

import random
from collections.abc import Collection
from contextlib import suppress

from .. import check
from ..core import given
from ..core.poll import until
from ..errors import BadInput, NotBegun, NotReady
from ..kube import current
from ..kube.cluster import Cluster
from ..kube.namespace import Namespace
from ._catalogue import every, find
from ._injection import Injection
from ._kind import CLUSTER, NAMESPACE, Fault, Place, Seen

SETTLE_S = 10.0
"""Seconds that a repair may need to take effect before it is judged."""


class Hidden:
    """A fault that was injected and whose name is kept until it is repaired.

    Args:
        injection: What was injected.

    Attributes:
        found: The fault, once it was judged and is repaired; until then None.
    """

    def __init__(self, injection: Injection) -> None:
        self._injection = injection
        self.found: Fault | None = None

    def __repr__(self) -> str:
        return f"Hidden({self.found.name!r})" if self.found else "Hidden(a fault)"

    def close(self) -> None:
        """Leave things as they were before the draw, repaired or not."""
        self._injection.undo()

    def _settled(self) -> Seen:
        """Return the health, once a repair has had a moment to take effect."""
        with suppress(NotReady):
            return until(
                lambda: self._injection.health,
                what="not healthy",
                want="healthy",
                timeout=SETTLE_S,
            )
        return self._injection.health

    def _judge(self) -> check.Verdict:
        fault = self._injection.fault
        undone = not self.found and self._injection.is_undone
        # What is judged is gone then, so a look would see no health any more.
        is_gone = self.found or undone
        health = Seen(True, "repaired") if is_gone else self._settled()

        def is_well() -> bool:
            if undone:
                raise NotBegun("a first cell or a clean-up undid the fault meanwhile")
            return health.ok

        verdict = check.exercise(
            "find and repair the fault",
            (
                "what was healthy before is healthy again",
                is_well,
                "look from the outside first: nodes, Pods, their Events",
                fault.symptom,
                f"{fault.symptom} The last look saw: {health.words}",
            ),
        )
        if verdict:
            self.found = fault
            self.close()
            print(f"  it was {fault.name}: {fault.cause}")
            print(f"  the book's cure: {fault.cure}")
        return verdict


def draw(
    seed: int | str,
    *,
    among: Collection[str] | None = None,
    namespace: Namespace | str = "",
    cluster: Cluster | None = None,
) -> Hidden:
    """Inject one of several faults that the lab can have, and tell nobody which.

    Returns once its symptom is there. It stays until it is judged as repaired, or
    until the next ``lab.connect()``.

    Args:
        seed: Decides which one, and on which worker; the same seed, the same fault.
        among: The names to draw from; None draws from those of workloads where a
            namespace is given, and otherwise from those of machines and the cluster,
            without those of add-ons.
        namespace: Where a workload may be broken.
        cluster: The lab; that of the session when None.

    Raises:
        BadInput: There is nothing to draw from, or nothing that this lab can have.
        InUse: Another session that is alive has broken the same, or the same worker in
            another way.
        NotReady: The lab was not healthy, or the symptom does not appear.
    """
    given.of_kind(
        seed, int | str, "a seed decides the draw", wanted="a number, or a text"
    )
    given.of_kind(
        namespace, Namespace | str, "that is no namespace", wanted=given.NAMESPACE
    )
    lab = cluster or current.current()
    place = namespace if isinstance(namespace, str) else namespace.name
    faults = _among(among, place)
    if not faults:
        raise BadInput("there is no fault to draw from", wanted="one or more names")
    chance = random.Random(seed)  # noqa: S311 - a game
    injection = _possible(chance, faults, Place(lab, place))
    injection.begin()
    return Hidden(injection)


def _among(among: Collection[str] | None, place: str) -> list[Fault]:
    """Return the faults to draw from."""
    if isinstance(among, str):
        among = [among]
    given.of_kind(
        among,
        Collection | None,
        "among takes the names of faults",
        wanted='several, as ["image-pull", "crash-loop"]',
    )
    return (
        sorted(map(find, among), key=lambda each: each.name)
        if among is not None
        else [
            each
            for each in every()
            if (each.needs == NAMESPACE) == bool(place) and not each.addon
        ]
    )


def _possible(chance: random.Random, faults: list[Fault], at: Place) -> Injection:
    """Draw until there is a fault that this lab can have; nothing is broken yet.

    Raises:
        BadInput: It can have none of them.
    """
    while True:
        fault = chance.choice(faults)
        try:
            fault.check_lab(at.cluster.record)
            injection = Injection(fault, _somewhere(chance, fault, at))
            injection.admit()
        except BadInput:
            faults.remove(fault)
            if not faults:
                raise
        else:
            return injection


def _somewhere(chance: random.Random, fault: Fault, at: Place) -> Place:
    """Draw the worker that a fault acts on, where it acts on one."""
    if fault.needs == NAMESPACE:
        return at
    worker = chance.choice(at.workers) if at.workers else ""
    return Place(at.cluster, "" if fault.needs == CLUSTER else worker)


def judge(hidden: Hidden) -> check.Verdict:
    """Say whether all is healthy again, by whatever means; only then name the cause.

    Prints a line and, while it is not, one more hint with each try. Once it is,
    nothing of the fault is left.

    Raises:
        NotReady: It is healthy, and something else of the fault does not go away.
        BadInput: That is no fault that was drawn.
    """
    wanted = "what fault.draw returned"
    given.of_kind(hidden, Hidden, "that was not drawn", wanted=wanted)
    return hidden._judge()
