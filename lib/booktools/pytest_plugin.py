"""Run chapters as tests: order, lab, limits, skips and a check that nothing is left."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Generator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from queue import Empty
from typing import Any

import nbval.kernel
import pytest
from nbval.kernel import RunningKernel
from nbval.plugin import IPyNbCell, IPyNbFile, NbCellError

from k8slab.core.patience import stretched
from k8slab.errors import (
    BundleError,
    HostProblem,
    LabError,
    NoMachines,
    PhaseFailed,
)

from .gateway import NEEDS, SHARED, Gateway
from .notebooks import CHAPTER_LIMIT_S, chapter_paths, load, tags
from .report import ChapterState, Tally
from .transport import manager

CLEANUP_LIMIT_S = 120.0
_LOOK_S = 0.5
USAGE_ERROR = re.compile(r"(?m)^(?:\x1b\[[\d;]*m)*UsageError\b")
PRINTED = 2000
"""Characters of a failed cell's output that its report repeats."""
nbval.kernel.KernelManager = manager  # it has no setting for this


class NamedCell(IPyNbCell):  # type: ignore[misc]
    """A cell that reports name by its id, a place in the book.

    On an adopted cluster it may come to a line that needs a machine. What is before
    that line has run, the rest is skipped, and the reason is the error's own.
    """

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return the notebook, no line, and the heading of a failure."""
        return self.path, 0, f"{self.path.stem}: {self.name}"

    def runtest(self) -> None:
        """Run the cell; it fails at once when it kills its kernel.

        A magic that is unknown or misused fails it, too: a kernel tells that on
        standard error alone, and nbval takes it for a remark.
        """
        kernel = self.parent.kernel
        kernel.get_message = partial(_message, kernel)
        try:
            super().runtest()
        except DeadKernel as error:
            self.raise_cell_error(f"this cell {error}")
        except NbCellError:
            raised = [each for each in self.test_outputs if "ename" in each]
            if raised and raised[-1].ename == NoMachines.__name__:
                pytest.skip(raised[-1].evalue.partition("\n")[0])
            raise
        said = "".join(
            each.text
            for each in self.test_outputs or []
            if each.output_type == "stream" and each.name == "stderr"
        )
        if USAGE_ERROR.search(said):
            self.raise_cell_error("The cell uses a magic wrongly", said)

    def repr_failure(self, excinfo: Any) -> Any:
        """Return nbval's report, with what the cell had printed before it failed."""
        report = super().repr_failure(excinfo)
        printed = "".join(
            each.text
            for each in self.test_outputs or []
            if each.output_type == "stream"
        )
        return f"{report}\nPrinted:\n{printed[-PRINTED:]}" if printed else report


class DeadKernel(Exception):
    """A kernel ended while something was expected of it."""


def _message(kernel: Any, stream: str, timeout: float | None = None) -> Any:
    """Return a kernel's next message; nbval waits for one of a dead kernel, too."""
    until = math.inf if timeout is None else time.monotonic() + timeout
    while True:
        alive = kernel.is_alive()
        look = min(_LOOK_S, max(0.0, until - time.monotonic()))
        try:
            return RunningKernel.get_message(kernel, stream, look)
        except Empty as error:
            if not alive:
                raise DeadKernel("killed its kernel") from error
            if time.monotonic() >= until:
                raise


def _seconds(path: Path) -> float:
    """Return how long a chapter took in the book's own run."""
    return float(load(path).run.get("seconds", 0))


def _named(item: Any) -> NamedCell:
    """Return the same item under its cell's id."""
    made: NamedCell = NamedCell.from_parent(
        item.parent,
        name=item.cell.get("id") or item.name,
        cell_num=item.cell_num,
        cell=item.cell,
        options=item.options,
    )
    return made


class ChapterRun:
    """The pytest plugin that runs chapters against a lab of the tests' own.

    Args:
        root: The book's folder, which holds ``_toc.yml`` and ``chapters/``.
        lab: The lab's name.
        gateway: The way to labs.
        required: Whether an unmet need is a failure instead of a skip.
    """

    def __init__(
        self, root: Path, *, lab: str, gateway: Gateway, required: bool
    ) -> None:
        self.root = root
        self.lab = lab
        self.gateway = gateway
        self.required = required
        self.chapters: dict[Path, ChapterState] = {}
        self.tally = Tally()
        self._made = False
        self._ready = False
        self._unmet: str | None = None
        self._broken: LabError | None = None
        self._cell_limit_s = 0.0

    # Collection: names that say where, the book's order, and never nothing.

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Name each item after its cell's id."""
        report = yield
        if isinstance(collector, IPyNbFile) and report.passed:
            report.result = [_named(item) for item in report.result]
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(
        self, session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Put chapters in the book's order, behind all other tests.

        Workers of pytest-xdist begin with those that take longest, or one of these
        would be left for the end, where the other workers have nothing to do.
        """
        paths = chapter_paths(self.root)
        if hasattr(config, "workerinput"):
            paths.sort(key=_seconds, reverse=True)
        order = {path: at for at, path in enumerate(paths)}
        last = len(order)

        def place(item: pytest.Item) -> int:
            if not isinstance(item, IPyNbCell):
                return -1
            return order.get(item.path, last)

        items.sort(key=place)
        found = {item.path for item in items if isinstance(item, IPyNbCell)}
        asked = asks_for_chapters(config, self.root)
        if asked and not found and not session.testsfailed:
            folder = self.root / "chapters"
            nothing = f"no chapter was found below {folder}: nothing would be tested"
            if not hasattr(config, "workeroutput"):
                raise pytest.UsageError(nothing)
            self.tally.problem(nothing)  # of a worker, nobody would see the error

    # One cell after the other.

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Prepare the chapter at its first cell; decide whether a cell runs."""
        if not isinstance(item, IPyNbCell):
            return
        chapter = self.chapters.get(item.path)
        if chapter is None:
            chapter = self._begin(item)
        cleaning = "lab-cleanup" in tags(item.cell)
        reason = chapter.refused or chapter.broken
        if reason and (chapter.broken or self.required) and not chapter.failed:
            pytest.fail(reason, pytrace=False)
        if reason:
            pytest.skip(reason)
        if chapter.failed and not cleaning:
            pytest.skip(f"the cell {chapter.failed!r} before it failed")
        kernel = item.parent.kernel
        if chapter.failed and not (kernel and kernel.is_alive()):
            pytest.skip(f"the kernel is gone since the cell {chapter.failed!r}")
        needs = frozenset(item.cell.metadata.get("lab", {}).get("needs", ()))
        if lacking := ", ".join(sorted(needs - chapter.offered)):
            pytest.skip(f"it needs {lacking}, which the lab {self.lab!r} has not")
        self._limit(item, chapter, cleaning)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Look at the lab when a chapter's first cell fails, and count the outcomes."""
        report = yield
        if isinstance(item, IPyNbCell) and item.path in self.chapters:
            chapter = self.chapters[item.path]
            if report.failed and not chapter.failed:
                chapter.failed = item.name
                if SHARED & chapter.needs and chapter.before is not None:
                    seen = self.gateway.look(self.lab)
                    report.sections.append((f"the lab {self.lab!r} then", seen))
            if report.when == "call" or not report.passed:
                count = chapter.outcomes.get(report.outcome, 0)
                chapter.outcomes[report.outcome] = count + 1
        return report

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> Generator[None, None, None]:
        """Compare the lab with the snapshot when a chapter has ended."""
        yield
        if not isinstance(item, IPyNbCell):
            return
        if nextitem is not None and nextitem.path == item.path:
            return
        chapter = self.chapters.get(item.path)
        if chapter is None:
            return
        chapter.seconds = time.monotonic() - chapter.started
        if chapter.before is None:
            return
        try:
            after = self.gateway.snapshot(self.lab, chapter.needs)
        except LabError as error:
            pytest.fail(f"no snapshot after the chapter: {error}", pytrace=False)
        left = self.gateway.difference(chapter.before, after)
        if left:
            lines = "\n".join(f"  {line}" for line in left)
            pytest.fail(
                f"{chapter.name} left the lab different:\n{lines}", pytrace=False
            )

    # The end of it all.

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Take down the lab that this session brought up; never hide a failure."""
        if self._made:
            try:
                self.gateway.down(self.lab)
            except LabError as error:
                self.tally.problem(f"the lab {self.lab!r} was not taken down: {error}")
        for chapter in self.chapters.values():
            self.tally.ended(chapter)
        fine = (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
        if self.tally.problems and session.exitstatus in fine:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput["chapters"] = asdict(self.tally)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take over what a worker of pytest-xdist has to tell."""
        self.tally.add(getattr(node, "workeroutput", {}).get("chapters", {}))

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Report each chapter's time and counts."""
        if not self.tally.lines and not self.tally.problems:
            return
        terminalreporter.section("chapters")
        for line in self.tally.lines:
            terminalreporter.write_line(line)
        for problem in self.tally.problems:
            terminalreporter.write_line(problem, red=True)

    def _begin(self, item: Any) -> ChapterState:
        """Look at a chapter's needs, and bring up a lab when it is the first."""
        settings = item.parent.nb.metadata.get("lab", {})
        limit = stretched(float(settings.get("timeout", CHAPTER_LIMIT_S)))
        chapter = ChapterState(item.path.stem, limit, time.monotonic())
        self.chapters[item.path] = chapter
        if not self._cell_limit_s:
            self._cell_limit_s = stretched(float(item.config.option.nbval_cell_timeout))
        chapter.needs = needs = frozenset(settings.get("needs", []))
        chapter.offered = self.gateway.offers(self.lab)
        if strange := ", ".join(sorted(needs - NEEDS)):
            chapter.refused = f"{chapter.name} needs {strange}, which no lab offers"
        elif lacking := ", ".join(sorted(needs - chapter.offered)):
            what = f"{lacking}, which the lab {self.lab!r} has not"
            chapter.refused = f"{chapter.name} needs {what}"
        elif needs:
            if needs & SHARED:
                self._ensure_lab()
            elif self._unmet is None:
                self._ensure_computer()
            if self._unmet is not None:
                chapter.refused = f"{chapter.name} needs a lab: {self._unmet}"
            else:
                chapter.before, chapter.broken = self._snapshot(needs)
        chapter.started = time.monotonic()
        return chapter

    def _ensure_lab(self) -> None:
        """Bring a lab up once, and remember why not."""
        if self._ready or self._unmet is not None or self._broken is not None:
            return
        started = time.monotonic()
        try:
            there = self.gateway.find(self.lab) is not None
            self.gateway.up(self.lab)  # makes one that is there whole again
            self._made = not there
            self._ready = True
            if self._made:
                self.tally.brought_up(self.lab, time.monotonic() - started)
        except LabError as error:
            cause = error.cause if isinstance(error, PhaseFailed) else error
            if isinstance(cause, (HostProblem, BundleError)):
                self._unmet = str(error)
            else:
                self._broken = error

    def _ensure_computer(self) -> None:
        """See that a chapter can make a lab of its own, and remember why not."""
        try:
            self.gateway.carries()
        except (HostProblem, BundleError) as error:
            self._unmet = str(error)

    def _snapshot(self, needs: frozenset[str]) -> tuple[Any, str]:
        """Return the lab as it is before a chapter, or why it cannot be used."""
        if self._broken is not None and needs & SHARED:
            return None, f"the lab {self.lab!r} did not come up: {self._broken}"
        try:
            return self.gateway.snapshot(self.lab, needs), ""
        except LabError as error:
            return None, f"the lab {self.lab!r} does not work: {error}"

    def _limit(self, item: Any, chapter: ChapterState, cleaning: bool) -> None:
        """Give a cell what is left of its chapter's time, and at most its own."""
        left = chapter.limit_s - (time.monotonic() - chapter.started)
        if cleaning:
            left = stretched(CLEANUP_LIMIT_S)
            item.parent.timed_out = False  # or nbval expects the clean-up to fail
        elif left <= 0:
            chapter.failed = chapter.failed or item.name
            pytest.fail(
                f"{chapter.name} took longer than its {chapter.limit_s:g} s",
                pytrace=False,
            )
        item.config.option.nbval_cell_timeout = min(self._cell_limit_s, left)


def asks_for_chapters(config: pytest.Config, root: Path) -> bool:
    """Whether the command line names the chapters' folder or something in it."""
    folder = (root / "chapters").resolve()
    asked = [
        Path(config.invocation_params.dir, arg.split("::")[0]) for arg in config.args
    ]
    return any(folder in (p.resolve(), *p.resolve().parents) for p in asked)
