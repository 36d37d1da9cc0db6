"""Read chapters in the order of the book, and write them in one form."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import yaml

from k8slab.errors import BadInput

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
_KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
_INDENT = 1


@dataclass(frozen=True)
class Chapter:
    """A notebook of the book.

    Attributes:
        path: Its file.
        notebook: Its content, as nbformat reads it.
    """

    path: Path
    notebook: Any

    @property
    def name(self) -> str:
        """The file's name without its ending, as manifests and figures use it."""
        return self.path.stem

    @property
    def settings(self) -> dict[str, Any]:
        """The notebook's ``lab`` metadata: needs, minutes, timeout, run."""
        found = self.notebook.metadata.get("lab", {})
        return dict(found) if isinstance(found, dict) else {}

    @property
    def title(self) -> str:
        """Its heading; its name when there is none."""
        for cell in self.cells("markdown"):
            first, _, _ = cell.source.partition("\n")
            if first.startswith("# "):
                return str(first.removeprefix("# ")).strip()
        return self.name

    def cells(self, kind: str) -> Iterator[Any]:
        """Yield the cells of one kind, ``code`` or ``markdown``, in order."""
        return (cell for cell in self.notebook.cells if cell.cell_type == kind)


def tags(cell: Any) -> frozenset[str]:
    """Return a cell's tags."""
    return frozenset(cell.metadata.get("tags", []))


def contents(toc: Path) -> list[str]:
    """Return every file that ``_toc.yml`` names, root first, in reading order."""

    def files(node: Any) -> Iterator[str]:
        if isinstance(node, list):
            for item in node:
                yield from files(item)
        elif isinstance(node, dict):
            for key in ("root", "file"):
                if isinstance(node.get(key), str):
                    yield node[key]
            for key in ("parts", "chapters", "sections"):
                yield from files(node.get(key, []))

    return list(files(yaml.safe_load(toc.read_text(encoding="utf-8"))))


def chapter_paths(root: Path) -> list[Path]:
    """Return the chapters of a book in reading order, whether they exist or not.

    Args:
        root: The book's folder, which holds ``_toc.yml``.
    """
    names = contents(root / "_toc.yml")
    return [root / f"{name}.ipynb" for name in names if name.startswith("chapters/")]


def load(path: Path) -> Chapter:
    """Read a chapter.

    Raises:
        BadInput: There is no such file, or it is not a notebook.
    """
    try:
        notebook = nbformat.read(path, as_version=4)
    except FileNotFoundError as error:
        raise BadInput("there is no such chapter", where=str(path)) from error
    except (nbformat.reader.NotJSONError, nbformat.ValidationError) as error:
        seen = str(error).splitlines()[0][:200]
        raise BadInput("this is not a notebook", where=str(path), seen=seen) from error
    return Chapter(path, notebook)


def load_all(root: Path) -> list[Chapter]:
    """Read the chapters of a book in reading order.

    Raises:
        BadInput: A chapter that ``_toc.yml`` names is missing or unreadable.
    """
    return [load(path) for path in chapter_paths(root)]


def dump(notebook: Any) -> str:
    """Return a notebook in its one normal form.

    Keys are sorted, ids kept, streams joined, widget views dropped where another
    form of the same output exists, and everything an editor adds is removed. What the
    web book folds, JupyterLab folds, too.
    """
    cells = [_cell(cell) for cell in notebook.cells]
    metadata: dict[str, Any] = {
        "kernelspec": _KERNEL,
        "language_info": {"name": "python"},
    }
    if "lab" in notebook.metadata:
        metadata["lab"] = notebook.metadata["lab"]
    body = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    text = json.dumps(body, sort_keys=True, indent=_INDENT, ensure_ascii=False)
    return text + "\n"


def _cell(cell: Any) -> dict[str, Any]:
    kept = {
        key: cell.metadata[key] for key in ("lab", "tags") if cell.metadata.get(key)
    }
    plain: dict[str, Any] = {
        "cell_type": cell.cell_type,
        "id": cell.id,
        "metadata": kept,
        "source": cell.source.rstrip().splitlines(keepends=True),
    }
    if "hide-cell" in tags(cell):
        kept["jupyter"] = {"outputs_hidden": True, "source_hidden": True}
    elif "hide-input" in tags(cell):
        kept["jupyter"] = {"source_hidden": True}
    if cell.cell_type == "code":
        plain["execution_count"] = cell.execution_count
        plain["outputs"] = _outputs(cell.outputs)
    elif cell.get("attachments"):
        plain["attachments"] = cell.attachments
    return plain


def _outputs(outputs: list[Any]) -> list[dict[str, Any]]:
    """Join the parts of a stream: how it was cut into messages is chance."""
    joined: list[dict[str, Any]] = []
    for output in outputs:
        item = json.loads(json.dumps(output))
        last = joined[-1] if joined else {}
        if item["output_type"] == "stream" and item["name"] == last.get("name"):
            last["text"] += item["text"]
            continue
        data = item.get("data", {})
        if set(data) - {WIDGET_VIEW, "text/plain"}:
            data.pop(WIDGET_VIEW, None)
        joined.append(item)
    for item in joined:
        if "text" in item:
            item["text"] = item["text"].splitlines(keepends=True)
        for kind, value in item.get("data", {}).items():
            if isinstance(value, str):
                item["data"][kind] = value.splitlines(keepends=True)
    return joined
