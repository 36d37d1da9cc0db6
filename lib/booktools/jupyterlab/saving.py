"""Deliver and save chapters so that only what a reader did is a change."""

from __future__ import annotations

from typing import Any

import nbformat
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager

from ..notebooks import dump
from . import stored


class BookContentsManager(AsyncLargeFileManager):
    """The server's file manager, for a folder with chapters."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._own: dict[str, set[str]] = {}  # by path, the cells of this session

    async def get(self, path: str, *args: Any, **options: Any) -> Any:
        """Return a file; of a chapter, with outputs that are told to be stored."""
        getting: Any = super()  # it has no types
        model = await getting.get(path, *args, **options)
        if not _is_chapter(model):
            return model
        own = self._own.get(path.strip("/"), set())
        return {**model, "content": stored.marked(model["content"], own)}

    async def save(self, model: dict[str, Any], path: str = "") -> Any:
        """Save a file; of a chapter, nothing that JupyterLab adds by itself."""
        saving: Any = super()  # it has no types
        if _is_chapter(model):
            content, own = stored.restored(model["content"])
            self._own.setdefault(path.strip("/"), set()).update(own)
            model = in_book_form({**model, "content": content})
        return await saving.save(model, path)


def in_book_form(model: dict[str, Any]) -> dict[str, Any]:
    """Return what is to be saved, a chapter in the form in which the book keeps it.

    JupyterLab notes the kernel's language and how cells look; of a chapter that was
    only opened, that would be a change for git. Which cells are trusted goes along:
    Jupyter signs what it saves by that, and writes it into no file.

    Args:
        model: A file of Jupyter's contents API.
    """
    if not _is_chapter(model):
        return model
    plain: Any = nbformat  # it has no types
    content = plain.from_dict(model["content"])
    saved = plain.reads(dump(content), as_version=4)
    for old, new in zip(content.cells, saved.cells, strict=True):
        if "trusted" in old.metadata:
            new.metadata.trusted = old.metadata.trusted
    return {**model, "content": saved}


def _is_chapter(model: dict[str, Any]) -> bool:
    content = model.get("content")
    return model.get("type") == "notebook" and bool(
        content and "lab" in content["metadata"]
    )
