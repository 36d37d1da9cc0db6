"""Show what the reader has done beside what the book holds."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from k8slab.core.env import Environment
from k8slab.core.rendered import Rendered
from k8slab.progress import Done, labs, path, read

from .notebooks import ROOT, Chapter, chapter_paths, readable, tags

_MARK = "✔ "
_GRADE = re.compile(r"exercise-(.+)-grade")


@dataclass(frozen=True)
class Row:
    """A chapter of the book, and how far the reader is.

    Attributes:
        name: Its name.
        title: Its title.
        minutes: How long it takes, as its own box says.
        claims: How many claims the reader can check without opening a solution.
        seen: How many of them the reader has seen to be true.
        exercises: The names of its exercises.
        solved: Those that the reader has solved.
        last: The day on which the reader was there last; or empty.
    """

    name: str
    title: str
    minutes: int
    claims: int
    seen: int
    exercises: tuple[str, ...]
    solved: tuple[str, ...]
    last: str

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.seen == self.claims and self.solved == self.exercises

    @property
    def sign(self) -> str:
        """How far the reader is, in one character."""
        return "✔" if self.finished else "◐" if self.seen or self.solved else "○"


def rows(
    root: Path | None = None, home: Path | None = None, *, lab: str = ""
) -> list[Row]:
    """Return the chapters of the book in reading order, with what was done of each.

    One that cannot be read is left out; see `remarks`.

    Args:
        root: The book's folder.
        home: The folder of the record.
        lab: The reader's lab; the one that the environment means when empty.

    Raises:
        LabError: The record cannot be read.
    """
    env = Environment.read()
    record = read(path(home or env.home, lab or env.lab))
    chapters, _ = readable(root or ROOT)
    return [_row(each, record.get(each.name, Done())) for each in chapters]


def remarks(shown: Sequence[Row], lab: str, root: Path | None = None) -> list[str]:
    """Return what a reader should know of such rows: what they leave out, and why.

    Args:
        shown: What `rows` returned.
        lab: The reader's lab.
        root: The book's folder.
    """
    known = {row.name for row in shown}
    there = (each for each in chapter_paths(root or ROOT) if each.exists())
    said = [
        f"left out, as it cannot be read: chapters/{each.name}"
        for each in there
        if each.stem not in known
    ]
    home = Environment.read().home
    if not path(home, lab).exists():
        others = ", ".join(labs(home)) or "none"
        said.append(f"the lab {lab!r} has no record; labs with one: {others}")
    return said


def progress(root: Path | None = None, home: Path | None = None) -> Rendered:
    """Return what you have done so far, chapter by chapter.

    Args:
        root: The book's folder.
        home: The folder of the record.

    Raises:
        LabError: The record cannot be read.
    """
    return draw(rows(root, home))


def draw(chapters: list[Row]) -> Rendered:
    """Draw how far the reader is: a line, or a bar, for each chapter."""
    lines, parts = [], []
    for row in chapters:
        tasks = f"{len(row.solved)} of {len(row.exercises)} exercises solved"
        said = f"{row.seen} of {row.claims} claims checked, {tasks}"
        lines.append(f"{row.sign} {row.title}: {said}")
        link = f"chapters/{row.name}.ipynb"
        parts.append(
            f'<tr><td>{row.sign}</td><td style="text-align: left">'
            f'<a href="{link}">{html.escape(row.title)}</a></td>'
            f"<td>{row.minutes} min</td>"
            f'<td><progress max="{max(row.claims, 1)}" value="{row.seen}">'
            f"{row.seen}</progress></td>"
            f"<td>{row.seen} of {row.claims} claims</td>"
            f"<td>{tasks}</td><td>{row.last}</td></tr>"
        )
    return Rendered(
        "\n".join(lines) or "there is no chapter",
        f"<table><tbody>{''.join(parts)}</tbody></table>",
    )


def claims(chapter: Chapter) -> list[str]:
    """Return what a chapter's stored run claims, without what its solutions claim.

    A reader who solves an exercise another way has missed nothing.
    """
    found: dict[str, None] = {}
    for cell in chapter.cells("code"):
        if "lab-solution" in tags(cell) or cell.id.startswith("solution-"):
            continue
        for output in cell.get("outputs", []):
            for line in output.get("text", "").splitlines():
                if line.startswith(_MARK):
                    found[line.removeprefix(_MARK)] = None
    return list(found)


def _noted(chapter: Chapter) -> list[str]:
    """Return the claims that a chapter notes of a run; none of what is no list."""
    noted = chapter.run.get("claims")
    if not isinstance(noted, list) or not all(isinstance(each, str) for each in noted):
        return []
    return list(noted)


def _row(chapter: Chapter, done: Done) -> Row:
    # What the book's own run claimed: the outputs may be the reader's by now.
    known = set(_noted(chapter) or claims(chapter))
    grades = (_GRADE.fullmatch(cell.id) for cell in chapter.cells("code"))
    exercises = tuple(grade[1] for grade in grades if grade)
    return Row(
        name=chapter.name,
        title=chapter.title,
        minutes=chapter.minutes,
        claims=len(known),
        seen=len(known & set(done.claims)),
        exercises=exercises,
        solved=tuple(each for each in exercises if each in done.solved),
        last=done.last,
    )
