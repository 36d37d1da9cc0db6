"""Chapters made for one test."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from fakes import chapters
from nbformat import NotebookNode

from booktools.notebooks import Chapter


@pytest.fixture
def good() -> list[NotebookNode]:
    """Return a chapter's cells that break no rule, to be broken by a test."""
    return chapters.good_cells()


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Chapter]:
    """Return a maker of chapters in a temporary folder."""
    return partial(chapters.write, tmp_path)
