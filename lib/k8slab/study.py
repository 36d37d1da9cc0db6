"""Remember what the reader has done, and show it beside what the book holds."""

from __future__ import annotations

import fcntl
import html
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .errors import LabError
from .showing.topology import Picture
from .surroundings import Surroundings

FILE = "progress.json"
_MARK = "✔ "
_GRADE = re.compile(r"exercise-(.+)-grade")


@dataclass
class Done:
    """What the reader has done of one chapter.

    Attributes:
        claims: The claims that were seen to be true.
        solved: The exercises that were solved.
        last: The day of the latest.
    """

    claims: list[str] = field(default_factory=list)
    solved: list[str] = field(default_factory=list)
    last: str = ""


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


def note(claim: str = "", *, solved: str = "") -> None:
    """Remember a claim that is true, or an exercise that is solved.

    Nothing is kept outside of JupyterLab, nor when tests run a chapter. A record that
    cannot be written is no reason to stop a chapter, and `progress` tells of it.
    """
    around = Surroundings.read()
    if not around.notebook or not around.recorded:
        return
    try:
        with _locked(around.home):
            record = read(around.home)
            done = record.setdefault(Path(around.notebook).stem, Done())
            for new, known in ((claim, done.claims), (solved, done.solved)):
                if new and new not in known:
                    known.append(new)
            done.last = datetime.now(UTC).date().isoformat()
            _write(around.home, record)
    except (OSError, LabError):
        return


def read(home: Path) -> dict[str, Done]:
    """Return what the reader has done, by chapter.

    Raises:
        LabError: The record is there and cannot be read.
    """
    path = home / FILE
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        return {name: Done(**done) for name, done in known.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, AttributeError) as error:
        raise LabError(
            "the record of your progress cannot be read",
            where=str(path),
            wanted="the JSON that this book wrote",
            seen=str(error),
            next="remove the file, and begin a new record",
        ) from error


def rows(root: Path | None = None, home: Path | None = None) -> list[Row]:
    """Return the chapters of the book in reading order, with what was done of each.

    Args:
        root: The book's folder.
        home: The folder of the record.
    """
    from .book.notebooks import load, chapter_paths  # noqa: I001 - slow to import

    root = root or Path(__file__).resolve().parents[2]
    record = read(home or Surroundings.read().home)
    found = []
    for path in chapter_paths(root):
        if path.exists():
            cells = load(path).notebook.cells
            found.append(_row(path.stem, cells, record.get(path.stem, Done())))
    return found


def progress(root: Path | None = None, home: Path | None = None) -> Picture:
    """Return what you have done so far, chapter by chapter.

    Args:
        root: The book's folder.
        home: The folder of the record.

    Raises:
        LabError: The record cannot be read.
    """
    return draw(rows(root, home))


def draw(chapters: list[Row]) -> Picture:
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
    return Picture(
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


@contextmanager
def _locked(home: Path) -> Iterator[None]:
    """Change the record alone: two notebooks may be open."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / f".{FILE}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _write(home: Path, record: dict[str, Done]) -> None:
    text = json.dumps({name: vars(done) for name, done in record.items()}, indent=1)
    draft = home / f".{FILE}.part"
    draft.write_text(text + "\n", encoding="utf-8")
    draft.replace(home / FILE)
