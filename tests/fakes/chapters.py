"""Notebooks made for one test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat.v4 as v4
from nbformat import NotebookNode

from booktools.notebooks import Chapter, digest, dump

SETTINGS = {"needs": ["cluster"], "minutes": 2, "timeout": 60}


def code(cell_id: str, source: str, *tags: str, text: str = "✔ yes\n") -> NotebookNode:
    """Return an executed code cell that printed a text."""
    outputs = [v4.new_output("stream", name="stdout", text=text)] if text else []
    metadata = {"tags": list(tags)} if tags else {}
    cell: NotebookNode = v4.new_code_cell(
        source, id=cell_id, outputs=outputs, metadata=metadata
    )
    return cell


def good_cells() -> list[NotebookNode]:
    """Return the cells of a small chapter that keeps every rule."""
    check = ("lab-check", "nbval-check-output")
    box = (
        "In this chapter\n\n**You will learn that**:\n\n"
        "- a Pod runs\n- it has an address\n- it ends\n\n**Time**: 2 minutes.\n"
    )
    return [
        v4.new_markdown_cell("# Run a Pod\n\nOne promise.", id="title"),
        v4.new_markdown_cell(box, id="box"),
        code("setup", "from k8slab import check, lab", text=""),
        v4.new_markdown_cell("## A Pod runs\n\nYou ask for it.", id="run"),
        code("run-apply", "%kubectl apply -f ../manifests/x/pod.yaml"),
        code("run-check", 'check.that("it runs", True)', *check),
        v4.new_markdown_cell("## It has an address\n\nIts **address**.", id="at"),
        v4.new_markdown_cell("## It ends", id="ends"),
        v4.new_markdown_cell("## Clean up", id="tidy"),
        code("cleanup", "ns.remove()", "lab-cleanup", "nbval-check-output"),
        v4.new_markdown_cell("Next: [Another](another.ipynb).", id="next"),
    ]


def write(
    folder: Path,
    cells: list[NotebookNode],
    *,
    lab: dict[str, Any] | None = None,
    name: str = "sample",
    count: bool = True,
) -> Chapter:
    """Write a chapter, with the digest of a run.

    Args:
        folder: Where to.
        cells: Its cells, which may break rules.
        lab: Its settings; `SETTINGS` when None or empty.
        name: Its name.
        count: Whether the code cells get their execution counts.
    """
    if count:
        executed = (cell for cell in cells if cell.cell_type == "code")
        for at, cell in enumerate(executed, 1):
            cell.execution_count = at
    notebook = v4.new_notebook(metadata={"lab": lab or SETTINGS})
    notebook.cells = cells  # not by new_notebook, which mends bad ids
    run = notebook.metadata["lab"].setdefault("run", {})
    run.setdefault("digest", digest(notebook))
    path = folder / f"{name}.ipynb"
    path.write_text(dump(notebook), encoding="utf-8")
    return Chapter(path, notebook)
