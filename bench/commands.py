"""Measure the commands that find little to do, and how long imports take."""

from __future__ import annotations

from collections.abc import Callable

from .host import load
from .labs import LAB, k8slab, python, say
from .report import Section
from .samples import Samples, heading

_CHAPTER = "from k8slab import check, lab, probe, show, wait"


def measure_lab(runs: int) -> Section:
    """Measure what is done to a lab that is up: again ``up``, ``stop``, ``start``."""
    section = Section("A second `k8slab up`, `stop` and `start`")
    section.say(
        "Of one lab, one after the other; each is a whole command.",
        "`start` ends when all nodes are Ready and CoreDNS answers on every worker.",
    )
    again, stop, start = [], [], []
    for number in range(1, runs + 1):
        say(f"second up, stop, start {number} of {runs}")
        again.append(k8slab("up", "--name", LAB).seconds)
        stop.append(k8slab("stop", "--name", LAB).seconds)
        start.append(k8slab("start", "--name", LAB).seconds)
    both = [a + b for a, b in zip(stop, start, strict=True)]
    taken = {
        "second `k8slab up`": again,
        "`k8slab stop`": stop,
        "`k8slab start`": start,
        "`stop` and `start` together": both,
    }
    section.table(
        heading("command", "s"),
        [Samples(label, tuple(values)).row() for label, values in taken.items()],
    )
    return section


def measure_idle(runs: int) -> Section:
    """Measure imports, and a build of a bundle that did not change."""
    say(f"imports and an unchanged bundle, {runs} of each")
    section = Section("Imports and an unchanged bundle")
    section.say(f"Load when it began: {load():.1f}.")
    taken: dict[str, Callable[[], float]] = {
        "`k8slab bundle build`": lambda: k8slab("bundle", "build").seconds,
        "`python -c 'import k8slab'`": lambda: _import("import k8slab"),
        f"`python -c '{_CHAPTER}'`": lambda: _import(_CHAPTER),
        "`python -c pass`": lambda: _import("pass"),
    }
    section.table(
        heading("command", "s"),
        [
            Samples(label, tuple(take() for _ in range(runs))).row()
            for label, take in taken.items()
        ],
    )
    return section


def _import(statement: str) -> float:
    return python("-c", statement).seconds
