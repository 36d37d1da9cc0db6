"""Mark the cells of a chapter on its page: an address each, and what a fold holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

from ..notebooks import load, tags

# What a folded cell is called, by its tag; the first that fits.
_FOLDS = {
    "lab-solution": ("Show the solution", "Hide the solution"),
    "lab-check": ("Show the check", "Hide the check"),
}
_FOLD = ("Show the code and its output", "Hide the code and its output")


def mark(app: Sphinx, doctree: nodes.document) -> None:
    """Give each code cell its id as an anchor, and each fold its name."""
    path = Path(app.env.doc2path(app.env.docname))
    if path.suffix != ".ipynb":
        return
    cells = load(path).notebook.cells
    for node in doctree.findall(nodes.container):
        if node.get("nb_element") == "cell_code":
            _mark(node, cells[node["cell_index"]])


def anchor(cell_id: str) -> str:
    """Return the anchor of a cell on its page."""
    return f"cell-{cell_id}"


def language(source: str) -> str:
    """Return the language in which a cell is coloured: a shell's, or IPython's."""
    return "bash" if source.startswith("%") else "ipython3"


def _mark(node: nodes.Element, cell: Any) -> None:
    node["ids"].append(anchor(cell.id))
    for source in node.findall(nodes.literal_block):
        if "cell_input" in source.parent["classes"]:
            source["language"] = language(cell.source)
    if node.get("hide_mode") == "all":
        found = next((_FOLDS[each] for each in _FOLDS if each in tags(cell)), _FOLD)
        node["prompt_show"], node["prompt_hide"] = found
