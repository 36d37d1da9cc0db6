"""Say where the book answers each item of the field notes that it grew from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from .notebooks import Chapter, without_code

FOLDER = "chapters/_notes"
_HEADING = re.compile(r"(?m)^#{1,3} +(.+?)\s*$")
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")


@dataclass(frozen=True)
class Coverage:
    """Where the book answers an item.

    Attributes:
        chapter: The chapter's name.
        shown: The ids of the cells that show it, the one to begin with first.
        checked: The ids of the cells that check it.
    """

    chapter: str
    shown: tuple[str, ...]
    checked: tuple[str, ...]


@dataclass(frozen=True)
class Notes:
    """The field notes, and where the book answers them.

    Attributes:
        items: For each subject its items: the name of each, and what it says.
        answers: The answer by the item's name.
    """

    items: Mapping[str, Mapping[str, str]]
    answers: Mapping[str, Coverage]

    @property
    def names(self) -> list[str]:
        """The names of all items, in their order."""
        return [name for items in self.items.values() for name in items]


def files(root: Path) -> tuple[Path, Path]:
    """Return the files that hold the notes' items and their answers."""
    return root / FOLDER / "items.yaml", root / FOLDER / "answers.yaml"


def read(root: Path) -> Notes:
    """Read the notes.

    Args:
        root: The book's folder.
    """
    items, answers = (
        yaml.safe_load(path.read_text(encoding="utf-8")) for path in files(root)
    )
    return Notes(items, {name: _answer(row) for name, row in answers.items()})


def _answer(row: Mapping[str, Any]) -> Coverage:
    return Coverage(row["chapter"], tuple(row["shown"]), tuple(row["checked"]))


def tables(notes: Notes, chapters: Sequence[Chapter]) -> str:
    """Return a table for each subject: what was asked, where, and what checks it.

    The names of cells are no code: that would break anywhere in a narrow column.
    """
    known = {chapter.name: chapter for chapter in chapters}
    found = []
    for subject, items in notes.items.items():
        rows = [
            f"| {said} | {_place(known.get(at.chapter), at)} | "
            f"{', '.join(at.checked)} |"
            for name, said in items.items()
            for at in [notes.answers[name]]
        ]
        head = "| the notes | the answer | the cells that check it |\n|---|---|---|"
        found.append("\n".join([f"## {subject}\n", head, *rows]))
    return "\n\n".join(found)


def _place(chapter: Chapter | None, at: Coverage) -> str:
    """Return a link to the section of an answer; of a chapter that is away, its name.

    A reader's copy may lack a chapter, or it cannot be read.
    """
    if chapter is None:
        return at.chapter
    heading = section(chapter, at.shown[0])
    link = f"chapters/{chapter.path.name}#{_anchor(heading)}"
    return f"{chapter.title}: [{heading}]({link})"


def _anchor(heading: str) -> str:
    """Return a heading's place on its page, as the web book names it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def section(chapter: Chapter, cell: str) -> str:
    """Return the nearest heading before a cell, without links and code marks."""
    heading = chapter.title
    for each in chapter.notebook.cells:
        if each.id == cell:
            break
        if each.cell_type == "markdown":
            found = _HEADING.findall(without_code(each.source))
            heading = found[-1] if found else heading
    return _LINK.sub(r"\1", heading).replace("`", "")
