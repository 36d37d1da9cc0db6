"""The book's folder, and notebooks made for one test."""

from pathlib import Path

import nbformat.v4 as v4
import pytest

from booktools.notebooks import Chapter, dump

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def root():
    """Return the project's folder."""
    return ROOT


@pytest.fixture
def good():
    """Return a chapter's cells that break no rule, to be broken by a test."""
    return good_cells()


def code(cell_id, source, *tags, text="✔ yes\n"):
    """Return an executed code cell that printed a text."""
    outputs = [v4.new_output("stream", name="stdout", text=text)] if text else []
    metadata = {"tags": list(tags)} if tags else {}
    return v4.new_code_cell(source, id=cell_id, outputs=outputs, metadata=metadata)


def good_cells():
    """Return the cells of a small chapter that keeps every rule."""
    check = ("lab-check", "nbval-check-output")
    box = "In this chapter\n\nYou will learn\n\n- **run**: A Pod runs\n"
    return [
        v4.new_markdown_cell("# Run a Pod\n\nOne promise.", id="title"),
        v4.new_markdown_cell(box, id="box"),
        code("setup", "from k8slab import check, lab", text=""),
        v4.new_markdown_cell("## A Pod runs\n\nYou ask for it.", id="run"),
        code("run-apply", "%kubectl apply -f ../manifests/x/pod.yaml"),
        code("run-check", 'check.that("it runs", True)', *check),
        v4.new_markdown_cell("## Clean up", id="tidy"),
        code("cleanup", "ns.remove()", "lab-cleanup", "nbval-check-output"),
    ]


@pytest.fixture
def make(tmp_path):
    """Return a maker of chapters in a temporary folder."""

    def made(cells, *, lab=None, name="sample", count=True):
        at = 0
        for cell in cells:
            if cell.cell_type == "code" and count:
                at += 1
                cell.execution_count = at
        settings = {"needs": ["cluster"], "minutes": 5, "timeout": 60}
        notebook = v4.new_notebook(metadata={"lab": lab or settings})
        notebook.cells = cells  # not by new_notebook, which mends bad ids
        path = tmp_path / f"{name}.ipynb"
        path.write_text(dump(notebook), encoding="utf-8")
        return Chapter(path, notebook)

    return made
