"""Read chapters in the order of the book, and write them in one form."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import nbformat
import yaml

from k8slab.core.poll import until
from k8slab.errors import BadInput, NotReady

ROOT = Path(__file__).resolve().parents[2]
"""The repository, which holds the book."""
CHAPTER_LIMIT_S = 600.0
"""Seconds for all cells of a chapter that names no ``timeout``."""
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
_KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
_FORMAT, _MINOR = 4, 5
_WRITING_S = 5.0
_INDENT = 1
_UNREADABLE = (
    OSError,
    ValueError,  # no JSON, no UTF-8, or a format that is not known
    AttributeError,
    KeyError,
    TypeError,
    RecursionError,  # nested without end
    nbformat.ValidationError,
)
"""What nbformat raises for a file that is no notebook."""


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
    def minutes(self) -> int:
        """How long it takes, as it says itself; 0 when it does not say a number."""
        found = self.settings.get("minutes")
        return found if type(found) is int else 0

    @property
    def run(self) -> dict[str, Any]:
        """What it notes of the book's own run; empty when that is no object."""
        found = self.settings.get("run")
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
    """Read a chapter; cells that another tool wrote without ids get theirs.

    Raises:
        BadInput: There is no such file, or it is not a notebook.
    """
    read: Any = nbformat  # it has no types
    try:
        notebook = _whole(path)
        if notebook.nbformat == _FORMAT:
            named(notebook)  # nbformat would make ids of chance, and warn
        notebook = read.convert(notebook, _FORMAT)
        read.validate(notebook, relax_add_props=True)
    except FileNotFoundError as error:
        raise BadInput(
            "there is no such chapter",
            where=str(path),
            wanted="the path of a notebook: chapters/concepts.ipynb",
        ) from error
    except PermissionError as error:
        raise BadInput(
            "this chapter may not be read",
            where=str(path),
            seen=error.strerror or "",
            next=f"have its owner type: chmod a+r {shlex.quote(str(path.absolute()))}",
        ) from error
    except _UNREADABLE as error:
        seen = (str(error).splitlines() or [type(error).__name__])[0]
        raise BadInput(
            "this is not a notebook",
            where=str(path),
            seen=seen[:200],
            next=_back(path.absolute()),
        ) from error
    return Chapter(path, notebook)


def _whole(path: Path) -> Any:
    """Return what a file holds, and not the half that JupyterLab has written of it.

    Raises:
        ValueError: It is no notebook, and nobody is writing it.
    """
    read: Any = nbformat.reader  # it has no types
    try:
        return read.reads(path.read_text(encoding="utf-8"))
    except ValueError:
        with suppress(NotReady):
            until(
                lambda: not _aside(path).exists(),
                what=f"{path.name} is being written",
                want="all of it",
                timeout=_WRITING_S,
            )
        return read.reads(path.read_text(encoding="utf-8"))


def _aside(path: Path) -> Path:
    """Return where JupyterLab keeps a file as it was until the new one is whole.

    See ``atomic_writing`` in ``jupyter_server.services.contents.fileio``.
    """
    return path.with_name(f".~{path.name}")


def _back(path: Path) -> str:
    """Return the commands that bring back a notebook that cannot be read.

    JupyterLab's menu, which reverts to a checkpoint, does so for what it can open. Of
    a folder, or of a file that never was a notebook, nothing is brought back: that
    would undo all that was changed in it.
    """
    if path.suffix != ".ipynb" or not path.is_file():
        return "name notebooks: chapters/concepts.ipynb"
    checkpoint = path.parent / ".ipynb_checkpoints" / f"{path.stem}-checkpoint.ipynb"
    for kept in (_aside(path), checkpoint):
        with suppress(OSError, ValueError):
            json.loads(kept.read_text(encoding="utf-8"))
            copy = shlex.join(["cp", str(kept), str(path)])
            return f"{copy}, or without what you did in it: {_anew(path)}"
    return _anew(path)


def _anew(path: Path) -> str:
    """Return the command that brings a chapter back, from any folder.

    Of a merge that is not resolved, git gives only what it is told to take. A copy of
    the book that is not in git has its chapters from the repository.
    """
    place = path.resolve()
    if not any((parent / ".git").exists() for parent in place.parents):
        own = ROOT / "chapters" / path.name
        if not own.is_file() or own == place:
            return "copy it anew from where the book came from"
        return shlex.join(["cp", str(own), str(path)])
    folder, name = shlex.quote(str(path.parent)), shlex.quote(path.name)
    return f"git -C {folder} checkout HEAD -- {name}"


def readable(root: Path) -> tuple[list[Chapter], list[BadInput]]:
    """Read the chapters that are there, as far as they can be read.

    A chapter that a full disk or a merge has damaged keeps no other from its readers.

    Args:
        root: The book's folder.

    Returns:
        The chapters in reading order, and what is wrong with the others.
    """
    found, damaged = [], []
    for path in chapter_paths(root):
        if not path.exists():
            continue
        try:
            chapter = load(path)
            if not chapter.notebook.cells:
                anew = _anew(path.absolute())
                raise BadInput("this chapter is empty", where=str(path), next=anew)
            found.append(chapter)
        except BadInput as error:
            damaged.append(error)
    return found, damaged


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
    body = {
        "cells": cells,
        "metadata": metadata,
        "nbformat": _FORMAT,
        "nbformat_minor": _MINOR,
    }
    text = json.dumps(body, sort_keys=True, indent=_INDENT, ensure_ascii=False)
    return text + "\n"


def digest(notebook: Any) -> str:
    """Return a hash over the ids, sources and outputs of the code cells, in order.

    It ties what was printed to what was run: a run stores it, and a code cell that
    was edited since, or an output, has another one.
    """
    facts = [
        [cell.id, cell.source.rstrip(), _outputs(cell.outputs)]
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]
    text = json.dumps(facts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def named(notebook: Any) -> Any:
    """Give each cell that has no id of its own one, ``cell-N``; return the notebook.

    Notebooks of a format before 4.5 have none; by their places, cells get the same
    ones each time. Of two cells with one id, the first keeps it.
    """
    given = [cell.get("id") for cell in notebook.cells]
    known = {each for each in given if isinstance(each, str)}
    taken: set[str] = set()
    for place, cell in enumerate(notebook.cells, start=1):
        own = cell.get("id")
        if not isinstance(own, str) or not own or own in taken:
            free = (f"cell-{number}" for number in count(place))
            cell.id = next(name for name in free if name not in known | taken)
        taken.add(cell.id)
    notebook.nbformat_minor = max(notebook.get("nbformat_minor", 0), _MINOR)
    return notebook


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


def without_code(markdown: str) -> str:
    """Return Markdown without its fenced code; directives stay as they are."""
    return re.sub(r"(?ms)^(`{3,})(?!\{)[^\n]*\n.*?^\1\s*$", "", markdown)


def text_of(outputs: list[Any]) -> str:
    """Return all the text of stored outputs, whatever form it has."""
    parts: list[str] = []
    for output in outputs:
        parts.append(output.get("text", ""))
        parts += [v for v in output.get("data", {}).values() if isinstance(v, str)]
        parts += output.get("traceback", [])
    return "\n".join(parts)
