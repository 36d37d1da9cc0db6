"""Know how chapters under test are getting on, and report it in a few lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass
class ChapterState:
    """What is known of one chapter while its cells run.

    Attributes:
        name: The chapter's name.
        limit_s: Seconds that all its cells together may take.
        started: When its first cell began, on the monotonic clock.
        refused: The need that is not met, or an empty string.
        broken: Why the lab it needs does not work, or an empty string.
        failed: The id of its first failed cell, or an empty string.
        needs: What it needs of a lab, or of this computer.
        offered: Which needs the lab meets; a chapter or cell of others is skipped.
        before: The snapshot taken before it, or None.
        seconds: How long it took; 0 while it runs.
        outcomes: How many cells ended in each way.
    """

    name: str
    limit_s: float
    started: float
    refused: str = ""
    broken: str = ""
    failed: str = ""
    needs: frozenset[str] = frozenset()
    offered: frozenset[str] = frozenset()
    before: Any = None
    seconds: float = 0.0
    outcomes: dict[str, int] = field(default_factory=dict)


@dataclass
class Tally:
    """What is reported of all chapters, by one process or collected from several.

    Attributes:
        lines: What was done, and how long it took.
        problems: What failed outside the chapters.
    """

    lines: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def brought_up(self, lab: str, seconds: float) -> None:
        """Report a lab that was made for the chapters."""
        self.lines.append(f"{seconds:7.1f} s  the lab {lab!r} was brought up")

    def ended(self, chapter: ChapterState) -> None:
        """Report a chapter."""
        counts = ", ".join(f"{n} {how}" for how, n in chapter.outcomes.items())
        self.lines.append(f"{chapter.seconds:7.1f} s  {chapter.name}: {counts}")
        if chapter.refused:
            self.lines.append(f"{'':11}{chapter.refused}")

    def problem(self, words: str) -> None:
        """Report what failed outside the chapters, once."""
        if words not in self.problems:
            self.problems.append(words)

    def add(self, told: Mapping[str, Sequence[str]]) -> None:
        """Add what another process has to report, as `dataclasses.asdict` gives it."""
        self.lines += told.get("lines", ())
        for words in told.get("problems", ()):
            self.problem(words)
