"""Save a chapter in the book's one form, so that only what a reader did is a change."""

from __future__ import annotations

from typing import Any

import nbformat
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager

from ..notebooks import dump


class BookContentsManager(AsyncLargeFileManager):
    """The server's file manager, for a folder with chapters."""

    async def save(self, model: dict[str, Any], path: str = "") -> Any:
        """Save a file; of a chapter, nothing that JupyterLab adds by itself."""
        saving: Any = super()  # it has no types
        return await saving.save(in_book_form(model), path)


def in_book_form(model: dict[str, Any]) -> dict[str, Any]:
    """Return what is to be saved, a chapter in the form in which the book keeps it.

    JupyterLab notes the kernel's language and how cells look; of a chapter that was
    only opened, that would be a change for git.

    Args:
        model: A file of Jupyter's contents API.
    """
    if model.get("type") != "notebook":
        return model
    content = model["content"]
    if "lab" not in content["metadata"]:
        return model
    plain: Any = nbformat  # it has no types
    saved = plain.reads(dump(plain.from_dict(content)), as_version=4)
    return {**model, "content": saved}
