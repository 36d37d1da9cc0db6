"""Name the steps of long work, time them and show them while they run."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import IO, Protocol

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from ..errors import (
    BadInput,
    BundleError,
    HostProblem,
    InUse,
    LabError,
    PhaseFailed,
)
from . import outside
from .hints import as_called

HEARTBEAT_S = 15.0
"""How often a phase that takes long is heard of in a log, in seconds."""


@dataclass
class Phase:
    """One step of long work.

    Attributes:
        name: What the step does.
        where: The machine or component it does it to.
        started_s: Seconds from the start of the work to the start of the step.
        seconds: How long it took; 0 while it runs.
        outcome: ``running``, ``changed``, ``unchanged`` or ``failed``.
        detail: One short remark, shown behind the name.
    """

    name: str
    where: str
    started_s: float
    seconds: float = 0.0
    outcome: str = "running"
    detail: str = ""

    def unchanged(self, detail: str = "") -> None:
        """Report that there was nothing to do."""
        self.outcome, self.detail = "unchanged", detail or self.detail

    def changed(self, detail: str = "") -> None:
        """Report that something was done; also what silence means."""
        self.outcome, self.detail = "changed", detail or self.detail


class Reporter(Protocol):
    """Shows phases; a terminal, a notebook and a log each have their own."""

    def started(self, phase: Phase) -> None:
        """Show that a phase began."""
        ...

    def moved(self, phase: Phase) -> None:
        """Show how far a phase is."""
        ...

    def finished(self, phase: Phase) -> None:
        """Show how a phase ended."""
        ...

    def close(self) -> None:
        """Leave the terminal as it was found."""
        ...


class Silent:
    """Show nothing."""

    def started(self, phase: Phase) -> None:
        """Show nothing."""

    def moved(self, phase: Phase) -> None:
        """Show nothing."""

    def finished(self, phase: Phase) -> None:
        """Show nothing."""

    def close(self) -> None:
        """Show nothing."""


class Plain:
    """Print one line for each finished phase, for logs and pipes.

    One that takes long has a line every now and then while it runs.

    Args:
        stream: Where to print; standard error by default.
        every_s: Seconds between the lines of a phase that runs.
    """

    def __init__(
        self, stream: IO[str] | None = None, *, every_s: float = HEARTBEAT_S
    ) -> None:
        self._stream = stream or sys.stderr
        self._every_s = every_s
        self._running: dict[int, threading.Event] = {}

    def started(self, phase: Phase) -> None:
        """Print nothing until it has taken a while."""
        ended = self._running[id(phase)] = threading.Event()
        began = time.monotonic()

        def beat() -> None:
            while not ended.wait(self._every_s):
                self._print("…", phase, time.monotonic() - began)

        threading.Thread(target=beat, daemon=True).start()

    def moved(self, phase: Phase) -> None:
        """Leave it to the next line."""

    def finished(self, phase: Phase) -> None:
        """Print the phase's line."""
        if ended := self._running.pop(id(phase), None):  # Ctrl-C may precede its start
            ended.set()
        self._print(_mark(phase), phase, phase.seconds)

    def _print(self, mark: str, phase: Phase, seconds: float) -> None:
        print(f"  {mark} {_label(phase, seconds)}", file=self._stream, flush=True)

    def close(self) -> None:
        """Leave nothing running."""
        for ended in self._running.values():
            ended.set()


class Live:
    """Show running phases with a spinner and their times, in a terminal.

    Args:
        console: The terminal; standard error by default.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            TimeElapsedColumn(),
            console=console or Console(stderr=True),
            transient=True,
        )
        self._tasks: dict[int, TaskID] = {}
        self._progress.start()

    def started(self, phase: Phase) -> None:
        """Add a line with a spinner."""
        label = f"{phase.where}: {phase.name}"
        self._tasks[id(phase)] = self._progress.add_task(label, total=None)

    def moved(self, phase: Phase) -> None:
        """Write it behind the phase's name."""
        label = f"{phase.where}: {phase.name} ({phase.detail})"
        if (task := self._tasks.get(id(phase))) is not None:
            self._progress.update(task, description=label)

    def finished(self, phase: Phase) -> None:
        """Replace the spinner by the phase's line."""
        task = self._tasks.pop(id(phase), None)
        if task is not None:  # a terminal that was closed had none begin
            self._progress.remove_task(task)
        self._progress.console.print(
            f"  {_mark(phase)} {_label(phase, phase.seconds)}",
            markup=False,
            highlight=False,
        )

    def close(self) -> None:
        """Stop drawing."""
        self._progress.stop()


def reporter_for(stream: IO[str] | None = None) -> Reporter:
    """Return the reporter that suits a stream: live in a terminal, else plain.

    A terminal that cannot move its cursor would show nothing of what runs.
    """
    stream = stream or sys.stderr
    console = Console(file=stream, emoji=False)  # an address may hold :a:
    drawn = stream.isatty() and not console.is_dumb_terminal
    return Live(console) if drawn else Plain(stream)


class Ledger:
    """Keep the named and timed phases of one piece of work; safe across threads.

    Args:
        reporter: Who shows the phases while they run; nobody by default.

    Example:
        >>> ledger = Ledger()
        >>> with ledger.phase("count", "here") as phase:
        ...     phase.unchanged("already counted")
        >>> [(p.name, p.outcome) for p in ledger.phases]
        [('count', 'unchanged')]
    """

    def __init__(self, reporter: Reporter | None = None) -> None:
        self.phases: list[Phase] = []
        self._reporter = reporter or Silent()
        self._lock = threading.Lock()
        self._zero = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds since the work began."""
        return time.monotonic() - self._zero

    @contextmanager
    def phase(self, name: str, where: str = "lab") -> Iterator[Phase]:
        """Time a block as a phase, and show it.

        Args:
            name: What the block does.
            where: The machine or component it does it to.
        """
        phase = Phase(name, where, self.seconds)
        with self._lock:
            self.phases.append(phase)
            with suppress(OSError):  # a closed terminal; the work goes on, or is undone
                self._reporter.started(phase)
        try:
            yield phase
        except BaseException as error:
            phase.outcome = "failed"
            phase.detail = error.what if isinstance(error, LabError) else repr(error)
            raise
        finally:
            phase.seconds = self.seconds - phase.started_s
            if phase.outcome == "running":
                phase.outcome = "changed"
            with self._lock, suppress(OSError):
                self._reporter.finished(phase)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show a block's phases, and name in its error the one in which it happened.

        What was asked for, or what this computer lacks, has no phase to do with it.

        Raises:
            PhaseFailed: A phase failed. Of several the first to end is named: the
                others fail because of it.
            LabError: As the block raised it, where none failed.
        """
        try:
            with outside.told():
                yield
        except (BadInput, BundleError, HostProblem, InUse, PhaseFailed):
            raise
        except LabError as error:
            failed = [phase for phase in self.phases if phase.outcome == "failed"]
            if not failed:
                raise
            first = min(failed, key=lambda phase: phase.started_s + phase.seconds)
            raise PhaseFailed(f"{first.name} ({first.where})", error) from error
        finally:
            self.close()

    def tell(self, where: str, detail: str) -> None:
        """Say how far the running phase of a machine or component is.

        Args:
            where: The machine or component; nothing happens where none is running.
            detail: One short remark, such as "812 of 2310 packages".
        """
        with self._lock:
            for phase in reversed(self.phases):
                if phase.where == where and phase.outcome == "running":
                    phase.detail = detail
                    self._reporter.moved(phase)
                    return

    def close(self) -> None:
        """Stop showing phases."""
        with suppress(OSError):
            self._reporter.close()

    def table(self) -> Table:
        """Return the ledger as a table: phase, where, start, seconds, outcome."""
        table = Table(title=f"{self.total_s:.1f} s in all")
        for heading in ("phase", "where", "start (s)", "took (s)", "outcome"):
            right = heading.endswith("(s)")
            table.add_column(heading, justify="right" if right else "left")
        for phase in self.phases:
            table.add_row(
                phase.name,
                phase.where,
                f"{phase.started_s:.1f}",
                f"{phase.seconds:.1f}",
                phase.outcome + (f" ({phase.detail})" if phase.detail else ""),
            )
        return table

    @property
    def total_s(self) -> float:
        """Seconds from the start of the work to the end of its last phase."""
        return max((p.started_s + p.seconds for p in self.phases), default=0.0)

    def as_json(self) -> str:
        """Return the ledger as JSON: ``{"total_s": ..., "phases": [...]}``."""
        phases = [asdict(phase) for phase in self.phases]
        return json.dumps({"total_s": round(self.total_s, 3), "phases": phases})


def _mark(phase: Phase) -> str:
    return {"changed": "✔", "unchanged": "·", "failed": "✘"}.get(phase.outcome, " ")


def _label(phase: Phase, seconds: float) -> str:
    detail = f" ({as_called(phase.detail)})" if phase.detail else ""
    return f"{seconds:6.1f} s  {phase.where}: {phase.name}{detail}"
