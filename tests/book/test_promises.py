"""Each promise and pitfall is shown and checked by cells that are there."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import namedcells
import pytest
import yaml
from nbformat import NotebookNode

from booktools import notebooks
from booktools.notebooks import Chapter

FOLDER = "tests/book/promises"


def broken(promises: list[dict[str, Any]] | None, chapter: Chapter) -> list[str]:
    """Return what is wrong with a chapter's table of promises, a line each."""
    if not promises:
        return ["no promise at all"]
    return [
        line
        for row in promises
        for line in namedcells.broken(row["promise"], row, chapter)
    ]


def table(root: Path, chapter: Chapter) -> list[dict[str, Any]]:
    """Return a chapter's table of promises."""
    file = root / FOLDER / f"{chapter.name}.yaml"
    rows: list[dict[str, Any]] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return rows


def test_every_promise_is_shown_and_checked(root: Path) -> None:
    """By cells of the chapter that carry these ids."""
    chapters = notebooks.load_all(root)

    found = {c.name: broken(table(root, c), c) for c in chapters}

    assert found == {chapter.name: [] for chapter in chapters}


def test_every_table_belongs_to_a_chapter(root: Path) -> None:
    """And every chapter has one."""
    there = {file.stem for file in (root / FOLDER).glob("*.yaml")}

    assert there == {chapter.name for chapter in notebooks.load_all(root)}


@pytest.mark.parametrize(
    ("row", "seen"),
    [
        ({"shown": ["run-apply"], "checked": ["run-check"]}, []),
        (
            {"shown": ["run-away"], "checked": ["run-check"]},
            ["it runs: no cell run-away"],
        ),
        ({"shown": ["run-apply"], "checked": []}, ["it runs: nowhere checked"]),
        (
            {"shown": ["run-apply"], "checked": ["run-apply"]},
            ["it runs: run-apply checks nothing"],
        ),
    ],
)
def test_a_broken_promise_is_seen(
    make: Callable[..., Chapter],
    good: list[NotebookNode],
    row: dict[str, Any],
    seen: list[str],
) -> None:
    """A cell that is missing, a promise without a check, a check that is none."""
    chapter = make(good)

    assert broken([{"promise": "it runs", **row}], chapter) == seen


def test_a_table_without_promises_is_seen(
    make: Callable[..., Chapter], good: list[NotebookNode]
) -> None:
    """An empty file promises nothing, which is no chapter."""
    assert broken(None, make(good)) == ["no promise at all"]
