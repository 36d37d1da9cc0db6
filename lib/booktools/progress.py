"""Show what the reader has done beside what the book holds."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from k8slab.core.env import Environment
from k8slab.core.rendered import Rendered
from k8slab.progress import Done, read

from .notebooks import chapter_paths, load

_MARK = "✔ "
_GRADE = re.compile(r"exercise-(.+)-grade")


@dataclass(frozen=True)
class Row:
    """A chapter of the book, and how far the reader is.

    Attributes:
        name: Its name.
        title: Its title.
        claims: How many claims it checks.
        seen: How many of them the reader has seen to be true.
        exercises: The names of its exercises.
        solved: Those that the reader has solved.
        last: The day on which the reader was there last; or empty.
    """

    name: str
    title: str
    claims: int
    seen: int
    exercises: tuple[str, ...]
    solved: tuple[str, ...]
    last: str

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.seen == self.claims and self.solved == self.exercises


def rows(root: Path | None = None, home: Path | None = None) -> list[Row]:
    """Return the chapters of the book in reading order, with what was done of each.

    Args:
        root: The book's folder.
        home: The folder of the record.
    """
    root = root or Path(__file__).resolve().parents[2]
    record = read(home or Environment.read().home)
    found = []
    for path in chapter_paths(root):
        if path.exists():
            cells = load(path).notebook.cells
            found.append(_row(path.stem, cells, record.get(path.stem, Done())))
    return found


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
        sign = "✔" if row.finished else "○" if not row.seen else "◐"
        tasks = f"{len(row.solved)} of {len(row.exercises)} exercises solved"
        said = f"{row.seen} of {row.claims} claims checked, {tasks}"
        lines.append(f"{sign} {row.title}: {said}")
        link = f"chapters/{row.name}.ipynb"
        parts.append(
            f'<tr><td>{sign}</td><td style="text-align: left">'
            f'<a href="{link}">{html.escape(row.title)}</a></td>'
            f'<td><progress max="{max(row.claims, 1)}" value="{row.seen}">'
            f"{row.seen}</progress></td>"
            f"<td>{row.seen} of {row.claims} claims</td>"
            f"<td>{tasks}</td><td>{row.last}</td></tr>"
        )
    return Rendered(
        "\n".join(lines) or "there is no chapter",
        f"<table><tbody>{''.join(parts)}</tbody></table>",
    )


def _row(name: str, cells: list[Any], done: Done) -> Row:
    claims, exercises, title = set(), [], name
    for cell in cells:
        if cell.cell_type == "markdown" and cell.source.startswith("# "):
            title = cell.source.splitlines()[0].removeprefix("# ")
        for output in cell.get("outputs", []):
            for line in output.get("text", "").splitlines():
                if line.startswith(_MARK):
                    claims.add(line.removeprefix(_MARK))
        grade = _GRADE.fullmatch(cell.id)
        if grade:
            exercises.append(grade[1])
    return Row(
        name,
        title,
        len(claims),
        len(claims & set(done.claims)),
        tuple(exercises),
        tuple(each for each in exercises if each in done.solved),
        done.last,
    )
