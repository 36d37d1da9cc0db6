"""Walk backwards through a chapter in JupyterLab, as readers do who come and go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import kernels
import yaml
from jupyterlabs import (
    PROMPT,
    RUN_ALL_S,
    STORED,
    Chapter,
    Server,
    idle,
    opened,
    renewed,
    saved,
)
from kernels import Stop
from paths import ROOT
from playwright.sync_api import Page, expect

from booktools.notebooks import chapter_paths, load, tags

_CHAPTERS = [kernels.chapter(path.stem) for path in chapter_paths(ROOT)]
NAMES = [each.name for each in _CHAPTERS]
ON_A_LAB = [each.name for each in _CHAPTERS if "machines" not in each.settings["needs"]]
# All above the cell that a walk restarts at; a chapter's walk takes thrice that.
LIMIT_S = 20


def drawn(names: Sequence[str]) -> tuple[int, list[Stop]]:
    """Draw a cell that checks something for each chapter, and the chapters' order.

    Args:
        names: The chapters.

    Returns:
        The seed, and the cells.
    """
    return kernels.drawn(names, limit_s=LIMIT_S, fits=_is_check)


def walk(
    page: Page, server: Server, stop: Stop, picture: Callable[..., object]
) -> None:
    """Restart at a cell, run it again, answer wrong then right, close the tab.

    Args:
        page: An empty page.
        server: Whose copy of the chapter is walked.
        stop: The chapter and its cell.
        picture: Keeps a picture of the page: ``picture(page, name)``.
    """
    name = f"chapters/{stop.chapter}.ipynb"
    renewed(page, server, name)
    opened(page, server, name)
    chapter = Chapter(page, server.book / name)
    _restart_in_the_middle(chapter, stop, picture)
    for _ in range(2):
        assert "✔" in chapter.run(stop.cell)
    for start, grade, solution in _exercises(stop.chapter):
        _answer(chapter, start, grade, solution)
    # A solution is folded when the page opens, and its outputs are not there.
    drawn = {
        each: count
        for each in chapter.ids
        if not each.startswith("solution-")
        and (count := chapter.cell(each).locator("figure").count())
    }

    saved(page)
    opened(page, server, name)  # as after the tab was closed: the kernel went on
    assert "Solved" in chapter.run(grade)
    for each, count in drawn.items():
        expect(chapter.cell(each).locator("figure")).to_have_count(count)
    expect(chapter.cell(stop.cell).locator(STORED)).to_have_count(0)
    expect(chapter.cell("cleanup").locator(STORED)).to_have_count(1)
    if "cluster.scratch" in _cells(stop.chapter)["setup"].source:
        assert "removed what an earlier run left" in chapter.run("setup")
    for cell, each in _cells(stop.chapter).items():
        if "lab-cleanup" in tags(each):  # its add-ons would be the next chapter's, too
            chapter.run(cell)
    saved(page)
    assert errors(server.book / name) == []


def _restart_in_the_middle(
    chapter: Chapter, stop: Stop, picture: Callable[..., object]
) -> None:
    """Come to a cell whose names the restarted kernel does not know."""
    page = chapter.page
    # What the file holds is not the reader's, and looks so.
    expect(chapter.cell(stop.cell).locator(STORED)).to_have_count(1)
    expect(chapter.cell(stop.cell).locator(PROMPT)).to_have_text("[ ]:")
    chapter.run("setup")
    expect(chapter.cell("setup").locator(STORED)).to_have_count(0)

    chapter.restart()
    advice = chapter.run(stop.cell)
    picture(page, f"jupyterlab-restarted-{stop.chapter}", full=False)
    assert "Run > Run All Above Selected Cell" in advice
    assert "in the book's own run" in advice
    chapter.select(stop.cell)
    chapter.menu("notebook:run-all-above")
    page.wait_for_selector(f'{PROMPT}:has-text("[*]")')
    idle(page, RUN_ALL_S)


def _answer(chapter: Chapter, start: Sequence[str], grade: str, solution: Any) -> None:
    """Do nothing about an exercise, get a hint, and solve it."""
    for cell in start:
        chapter.run(cell)
    wrong = chapter.run(grade)
    assert "✘" in wrong
    assert "hint: " in wrong
    for cell in solution:
        chapter.run(cell)
    solved = chapter.run(grade)
    assert "✘" not in solved
    assert "Solved: compare with the solution." in solved


def _exercises(name: str) -> list[tuple[list[str], str, list[str]]]:
    """Return, for each exercise, the cells that begin, grade and solve it."""
    known = yaml.safe_load(
        (ROOT / "tests" / "cluster" / "graders" / f"{name}.yaml").read_text("utf-8")
    )
    ids = kernels.cell_ids(kernels.chapter(name))
    return [
        (
            [*proof["before"], f"exercise-{exercise}-start"],
            f"exercise-{exercise}-grade",
            [each for each in ids if each.startswith(f"solution-{exercise}")],
        )
        for exercise, proof in known.items()
    ]


def _cells(name: str) -> dict[str, Any]:
    return {cell.id: cell for cell in kernels.chapter(name).cells("code")}


def _is_check(stop: Stop) -> bool:
    """Say whether a cell tests a claim that is true, before the exercises."""
    cell = _cells(stop.chapter)[stop.cell]
    fit = "lab-check" in tags(cell) and "check.that" in cell.source
    return fit and not {"lab-solution", "lab-cleanup"} & tags(cell)


def errors(file: Path) -> list[str]:
    """Return the cells of a saved chapter whose output is an error."""
    return [
        cell["id"]
        for cell in load(file).cells("code")
        for output in cell.outputs
        if output["output_type"] == "error"
    ]
