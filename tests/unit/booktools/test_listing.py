"""What JupyterLab's file list shows of the book's folder."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from traitlets.config import Config

from booktools.jupyterlab import listing
from booktools.jupyterlab.saving import BookContentsManager

OWN = ("my-notes.ipynb", "ada.json", "team.html", "hosts.yaml")


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """Return a copy of the book in which a reader has files."""
    for name in (*listing.WORKSHOP, *OWN, "glossary.md", "chapters"):
        if "." in name:
            (tmp_path / name).touch()
        else:
            (tmp_path / name).mkdir()
    for name in ("_hints", "tests", "__pycache__"):
        (tmp_path / "chapters" / name).mkdir()
    (tmp_path / "chapters" / "README.md").touch()
    return tmp_path


def listed(book: Path, folder: str) -> set[str]:
    """Return the names that the file list shows of a folder."""
    config = Config({"ContentsManager": {"hide_globs": list(listing.GLOBS)}})
    manager = BookContentsManager(root_dir=str(book), config=config)
    model = asyncio.run(manager.get(folder))
    return {each["name"] for each in model["content"]}


def test_the_books_folder_shows_the_book_and_what_readers_made(book: Path) -> None:
    """What is unknown is the reader's; the workshop is left out."""
    assert listed(book, "") == {*OWN, "glossary.md", "chapters"}


def test_a_name_of_the_workshop_is_nothing_special_elsewhere(book: Path) -> None:
    """Of the chapters' folder, only what is behind them is left out."""
    assert listed(book, "chapters") == {"tests", "README.md"}


def test_a_folder_without_content_is_left_alone(book: Path) -> None:
    manager = BookContentsManager(root_dir=str(book))

    assert asyncio.run(manager.get("", content=False))["content"] is None
