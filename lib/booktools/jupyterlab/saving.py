"""Deliver and save chapters so that only what a reader did is a change."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import nbformat
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager

from ..notebooks import dump
from . import listing, reading, stored


class BookContentsManager(AsyncLargeFileManager):
    """The server's file manager, for a folder with chapters."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        # By path and outputs, as they were saved: the cells that the reader ran.
        self._own: dict[tuple[str, str], set[str]] = {}

    async def get(self, path: str, *args: Any, **options: Any) -> Any:
        """Return a file; of a chapter, with outputs that are told to be stored.

        A page that is made from the chapters is made, and is there to read only. Of
        the book's folder, the list leaves out what is the workshop's.
        """
        getting: Any = super()  # it has no types
        model = await getting.get(path, *args, **options)
        model = listing.without_workshop(model, path)
        if reading.is_page(model, Path(self.root_dir)):
            text = reading.page(model["content"], Path(self.root_dir))
            return {**model, "content": text, "writable": False}
        if not _is_chapter(model):
            return model
        # The file may have been written by others since: by git, to begin anew.
        own = self._own.get(_state(path, model["content"]), set())
        return {**model, "content": stored.marked(model["content"], own)}

    async def save(self, model: dict[str, Any], path: str = "") -> Any:
        """Save a file; of a chapter, nothing that JupyterLab adds by itself."""
        saving: Any = super()  # it has no types
        if _is_chapter(model):
            content, own = stored.restored(model["content"])
            model = in_book_form({**model, "content": content})
            self._own[_state(path, model["content"])] = own
        return await saving.save(model, path)


def in_book_form(model: dict[str, Any]) -> dict[str, Any]:
    """Return what is to be saved, a chapter in the form in which the book keeps it.

    JupyterLab notes the kernel's language and how cells look; of a chapter that was
    only opened, that would be a change for git. Which code cells are trusted goes
    along: Jupyter signs what it saves by that, and writes it into no file.

    Args:
        model: A file of Jupyter's contents API.
    """
    if not _is_chapter(model):
        return model
    plain: Any = nbformat  # it has no types
    content = plain.from_dict(model["content"])
    saved = plain.reads(dump(content), as_version=4)
    for old, new in zip(content.cells, saved.cells, strict=True):
        if old.cell_type == "code" and "trusted" in old.metadata:
            new.metadata.trusted = old.metadata.trusted
    return {**model, "content": saved}


def _state(path: str, content: Any) -> tuple[str, str]:
    """Return a chapter's path, and a digest of all its outputs and their numbers.

    All of them: one alone may be what the book's own run printed, word by word.
    """
    outputs = [
        (cell.get("id"), cell.execution_count, cell.outputs)
        for cell in content.cells
        if cell.cell_type == "code"
    ]
    text = json.dumps(outputs, sort_keys=True)
    return path.strip("/"), hashlib.sha256(text.encode()).hexdigest()


def _is_chapter(model: dict[str, Any]) -> bool:
    content = model.get("content")
    return model.get("type") == "notebook" and bool(
        content and "lab" in content.get("metadata", {})
    )
