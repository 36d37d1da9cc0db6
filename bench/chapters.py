"""Measure all chapters as tests: one after another, and by several workers at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

from k8slab.errors import LabError

from . import host
from .labs import LAB, python, removed, say
from .report import Section

WORKERS = (1, 3)
"""One, and as many as 'make test' has."""
Run = Callable[[int], tuple[float, Mapping[str, str]]]
_LIMIT_S = 3600.0


class OtherResult(LabError):
    """Workers side by side found something else than one worker alone."""


def measure(run: Run | None = None) -> Section:
    """Measure them by one worker, which the others are compared with, and by more.

    Args:
        run: Runs them all by so many workers; returns how long that took in seconds,
            and the outcome of each cell. Tests give their own.

    Raises:
        CommandFailed: A cell failed.
        OtherResult: Not the same cells passed each time.
    """
    section = Section("All chapters, by one worker and by several")
    section.say(
        "A worker has a lab of its own, which it brings up first and which is removed"
        " after the command; chapters share nothing but the computer.",
        "Each figure is one whole command, `pytest chapters` with so many workers.",
        f"Begun {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, at {host.commit()}.",
    )
    rows: list[list[str]] = []
    alone = 0.0
    found: Mapping[str, str] = {}
    for number in WORKERS:
        load = host.load()
        seconds, now = (run or _run)(number)
        alone, found = alone or seconds, found or now
        if other := sorted(now.items() ^ found.items()):
            raise OtherResult(
                f"{number} workers found something else than one",
                wanted="the same outcome of each cell",
                seen=", ".join(f"{name}: {outcome}" for name, outcome in other[:5]),
            )
        ratio = f"{seconds / alone:.2f}"
        rows.append([str(number), f"{seconds:.0f}", ratio, f"{load:.1f}"])
    section.table(["workers", "took (s)", "ratio", "load when it began"], rows)
    passed = sum(outcome == "passed" for outcome in found.values())
    section.say(f"Each time the same {passed} cells passed, of {len(found)}.")
    return section


def _run(workers: int) -> tuple[float, dict[str, str]]:
    """Return how long all chapters took in seconds, and the outcome of each cell."""
    say(f"all chapters, by {workers} at once")
    with TemporaryDirectory() as folder:
        report = Path(folder) / "chapters.xml"
        labs = [f"{LAB}-gw{number}" for number in range(workers)]
        with removed(*labs):
            timed = python(
                *("-m", "pytest", "chapters", "-n", str(workers)),
                *("--dist", "loadfile", "--no-loadscope-reorder"),
                f"--junitxml={report}",
                limit_s=_LIMIT_S,
            )
        cases = ElementTree.parse(report).iter("testcase")  # noqa: S314 - our own
        return timed.seconds, {_name(case): _outcome(case) for case in cases}


def _name(case: ElementTree.Element) -> str:
    return f"{case.get('classname')}::{case.get('name')}"


def _outcome(case: ElementTree.Element) -> str:
    return next((child.tag for child in case if child.tag != "properties"), "passed")
