"""Chapters in JupyterLab, walked backwards; and the path of half an hour.

Each run draws a few chapters that act on a lab, and a cell of each to restart at; every
chapter's turn comes in tests/soak. ``SEED=...`` repeats a run.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import kernels
import pytest
import walks
from browsing import Seen
from jupyterlabs import (
    CODE,
    RUN_ALL_S,
    Chapter,
    Server,
    idle,
    opened,
    renewed,
    saved,
)
from kernels import Stop
from nbformat import NotebookNode
from paths import ROOT
from playwright.sync_api import Page, expect

from booktools.jupyterlab.opening import PAGE
from booktools.lint.rules import SECONDS_A_CELL, WORDS_A_MINUTE
from booktools.notebooks import load, tags, text_of

WALKED = 2
SEED, STOPS = walks.drawn(walks.ON_A_LAB)


@pytest.mark.parametrize("stop", STOPS[:WALKED], ids=str)
def test_a_chapter_is_walked_backwards(
    server: Server, page: Page, stop: Stop, screenshot: Callable[..., Path]
) -> None:
    """A restart in the middle, a cell again, wrong then right, a tab closed."""
    print(f"{kernels.SEED}={SEED:x}")
    walks.walk(page, server, stop, screenshot)


HALF_AN_HOUR = 30
_PATH = re.compile(r"(?ms)^## The 30-minute path$(.*?)^## ")
_LEG = re.compile(r"\(chapters/([\w-]+)\.ipynb\)\.\s+Run [^*]*\*([^*]+)\*")


def legs() -> list[tuple[str, str]]:
    """Return the chapters of the 30-minute path, and the section that ends each."""
    path = _PATH.search((ROOT / "onboarding.md").read_text(encoding="utf-8"))
    return _LEG.findall(path[1]) if path else []


def part(name: str, last: str) -> list[NotebookNode]:
    """Return the cells of a chapter from the top to the end of a section."""
    found: list[NotebookNode] = []
    is_last = False
    for cell in kernels.chapter(name).notebook.cells:
        titles = re.findall(r"(?m)^## +(.+?)\s*$", cell.source)
        if is_last and cell.cell_type == "markdown" and titles:
            return found
        is_last = is_last or last in titles
        found.append(cell)
    raise AssertionError(f"{name} has no section {last!r}")


def test_the_path_of_half_an_hour_is_read_and_run_in_that_time() -> None:
    """By what a reader needs for words and cells, with some minutes left to look."""
    minutes = 0.0
    for name, last in legs():
        cells = part(name, last)
        words = sum(len(c.source.split()) for c in cells if c.cell_type == "markdown")
        runs = sum(c.cell_type == "code" for c in cells)
        minutes += words / WORDS_A_MINUTE + runs * SECONDS_A_CELL / 60

    assert len(legs()) == 2
    assert 10 < minutes < HALF_AN_HOUR - 5


def test_the_path_of_half_an_hour_is_walked(
    server: Server, page: Page, seen: Seen, screenshot: Callable[..., Path]
) -> None:
    """Its cells alone, by Shift+Enter; each claim is true, and nothing is left."""
    opened(page, server, PAGE)
    page.locator(CODE).first.click()
    page.keyboard.press("Shift+Enter")
    expect(page.locator(CODE).first).to_contain_text("✔ your lab is up")
    for name, last in legs():
        file = server.book / "chapters" / f"{name}.ipynb"
        renewed(page, server, f"chapters/{name}.ipynb")
        opened(page, server, f"chapters/{name}.ipynb")
        chapter = Chapter(page, file)
        cells = part(name, last)
        page.locator(".jp-Cell").first.click()
        for _ in cells:  # text, too, is passed by Shift+Enter
            page.keyboard.press("Shift+Enter")
        idle(page, RUN_ALL_S)
        screenshot(page, f"jupyterlab-half-an-hour-{name}", full=False)
        assert "✔ the namespace is gone" in chapter.run("cleanup")
        saved(page)
        ran = {cell.id: text_of(cell.outputs) for cell in load(file).cells("code")}
        claims = [c for c in cells if "lab-check" in tags(c)]
        assert walks.errors(file) == []
        assert [c.id for c in claims if "✔" not in ran[c.id]] == []
        assert len(claims) >= 2
    assert seen.outside == []
