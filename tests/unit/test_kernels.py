"""A cell is run twice by the proofs unless its reader is told not to."""

from __future__ import annotations

from pathlib import Path

import pytest
from kernels import acts_once, looked_at, sections
from nbclient.exceptions import (
    CellExecutionError,
    CellTimeoutError,
    DeadKernelError,
)
from nbformat import v4

from booktools.gateway import LabGateway
from booktools.notebooks import Chapter


@pytest.mark.parametrize(
    ("cells", "once"),
    [
        ([v4.new_code_cell("%kubectl get pods")], False),
        ([v4.new_code_cell("# This cell acts once.\nx = 1")], True),
        ([v4.new_markdown_cell("This acts once."), v4.new_code_cell("1")], True),
        ([v4.new_code_cell("# This cell acts once."), v4.new_code_cell("1")], False),
        ([v4.new_markdown_cell("It reacts once."), v4.new_code_cell("1")], False),
        (
            [
                v4.new_markdown_cell("This acts once."),
                v4.new_code_cell("1"),
                v4.new_code_cell("2"),
            ],
            False,
        ),
    ],
)
def test_what_acts_once_is_said_beside_the_cell(
    cells: list[object], once: bool
) -> None:
    """In its own text or in that right above it, and for no other cell."""
    of = Chapter(Path("a.ipynb"), v4.new_notebook(cells=cells))

    assert acts_once(of, len(cells) - 1) is once


def test_sections_that_may_be_run_again_begin_at_headings() -> None:
    """Not above the first one, not one that acts once, and not the clean-up."""
    clean, once = v4.new_code_cell("clean()"), v4.new_code_cell("# This acts once.")
    clean.metadata["tags"] = ["lab-cleanup"]
    parts = {
        "# Title": [v4.new_code_cell("setup()")],
        "## One": [v4.new_code_cell("a")],
        "### More of it": [v4.new_code_cell("b")],
        "## Two": [once, v4.new_code_cell("c")],
        "Text": [v4.new_code_cell("d")],
        "Words\n\n## When it breaks\n\n### Three": [v4.new_code_cell("e")],
        "### Four": [v4.new_code_cell("f")],
        "## Clean up": [clean],
    }
    cells = [
        cell
        for text, codes in parts.items()
        for cell in (v4.new_markdown_cell(text), *codes)
    ]
    found = sections(Chapter(Path("a.ipynb"), v4.new_notebook(cells=cells)))

    sources = [[cell.source for cell in each] for each in found.values()]
    assert sources == [["a", "b"], ["e"], ["f"]]
    assert [*found] == [each[0].id for each in found.values()]


@pytest.mark.parametrize(
    "error",
    [
        CellExecutionError("trace", "NotReady", "no"),
        CellTimeoutError("late"),
        DeadKernelError("dead"),
    ],
)
def test_a_cell_that_fails_in_any_way_shows_its_cluster(
    error: Exception,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Above all one that waits for ever."""
    monkeypatch.setattr(LabGateway, "look", lambda self, lab: f"the Pods of {lab}")
    with pytest.raises(type(error)), looked_at("mine"):
        raise error

    assert capsys.readouterr().out == "the Pods of mine\n"
