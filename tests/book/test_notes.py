"""Every item of the field notes has its answer, by cells that are there and check."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import namedcells
import pytest
from nbformat import NotebookNode

from booktools import coverage, notebooks
from booktools.coverage import Coverage, Notes
from booktools.notebooks import Chapter


@pytest.fixture
def notes(root: Path) -> Notes:
    """Return the notes and their answers."""
    return coverage.read(root)


def test_no_item_is_missing(notes: Notes) -> None:
    """Each has one answer, in the notes' order, and no answer is to nothing."""
    assert list(notes.answers) == notes.names
    assert len(set(notes.names)) == len(notes.names) > 0


def test_every_answer_is_shown_and_checked(root: Path, notes: Notes) -> None:
    """By cells of the chapter that it names; what checks is a check."""
    chapters = {chapter.name: chapter for chapter in notebooks.load_all(root)}

    wrong = [
        line
        for name, answer in notes.answers.items()
        for line in namedcells.broken(name, asdict(answer), chapters[answer.chapter])
    ]

    assert wrong == []


def test_the_page_has_every_item_once(root: Path, notes: Notes) -> None:
    """With a link to its section and the cells that check it."""
    page = coverage.tables(notes, notebooks.load_all(root))

    rows = [line for line in page.splitlines() if line.startswith("| ")]
    said = [words for items in notes.items.values() for words in items.values()]
    heads = len(notes.items)
    assert [row.split(" | ")[0][2:] for row in rows if "](chapters/" in row] == said
    assert len(rows) == len(said) + heads


def test_a_row_leads_to_the_section_of_its_cell(
    make: Callable[..., Chapter], good: list[NotebookNode]
) -> None:
    """By its heading, as the web book makes an anchor of it."""
    chapter = make(good)
    cell = next(c.id for c in chapter.cells("code") if c.id == "run-apply")
    answer = Coverage(chapter.name, (cell,), ("run-check",))
    asked = Notes({"Run": {"run": "run it"}}, {"run": answer})

    page = coverage.tables(asked, [chapter])

    heading = coverage.section(chapter, cell)
    anchor = heading.lower().replace(" ", "-")
    assert f"[{heading}](chapters/{chapter.name}.ipynb#{anchor})" in page
    assert page.endswith("| run-check |")
