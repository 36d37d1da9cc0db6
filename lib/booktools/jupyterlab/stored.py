"""Show outputs that were stored in a chapter otherwise than those of the reader's run.

What is delivered to JupyterLab says of each such output that it is stored, and has no
number in its prompt. What JupyterLab saves is taken back to what the file held.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import nbformat

from ..notebooks import named

_KEY = "k8slab"
_WORDS = "stored output; run the cell to see yours"
# JupyterLab applies the style of a notebook that it trusts; without it, the words tell.
_NOTE = f"""<style>
.jp-OutputArea:has(.k8slab-stored) > .jp-OutputArea-child {{ opacity: 0.62; }}
.jp-OutputArea:has(.k8slab-stored) {{ border-left: 2px dashed #8a8a8a; }}
</style><small class="k8slab-stored"><em>{_WORDS}</em></small>"""


def marked(content: Any, own: Collection[str]) -> Any:
    """Return a chapter as it is delivered.

    Args:
        content: The chapter as its file holds it.
        own: The ids of the cells whose outputs are the reader's of this session.
    """
    delivered = nbformat.from_dict(content)
    for cell in delivered.cells:
        if cell.cell_type != "code" or cell.get("id") in own:
            continue
        if cell.get("outputs"):
            cell.outputs = [_note(cell.execution_count), *cell.outputs]
            cell.execution_count = None
    return delivered


def restored(content: Any) -> tuple[Any, set[str]]:
    """Return a chapter as it is saved, and the cells with outputs of this session.

    Args:
        content: The chapter as JupyterLab sends it.
    """
    saved = named(nbformat.from_dict(content))
    own = set()
    for cell in saved.cells:
        if cell.cell_type != "code":
            continue
        outputs = cell.get("outputs")
        if outputs and _KEY in outputs[0].get("metadata", {}):
            note, *cell.outputs = outputs
            cell.execution_count = note.metadata[_KEY]["execution_count"]
        elif outputs:
            own.add(cell.id)
    return saved, own


def exported(content: Any, resources: Any) -> tuple[Any, Any]:
    """Return a chapter as nbconvert exports it, which gets it as it is delivered.

    Args:
        content: The chapter, or any other notebook.
        resources: What nbconvert hands on to its next step.
    """
    return restored(content)[0], resources


def _note(count: int | None) -> Any:
    make: Any = nbformat.v4  # it has no types
    data = {"text/plain": f"({_WORDS})", "text/html": _NOTE}
    facts = {_KEY: {"execution_count": count}}
    return make.new_output("display_data", data, metadata=facts)
