"""Fill the book's pages for who reads them in JupyterLab, as the web book does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import glossary, pages
from ..notebooks import contents, readable

_REFERENCE = """The web book has the library here, function by function.
`make book` builds it; in a cell, `help(wait.pods)` shows the same words."""


def is_page(model: Mapping[str, Any], root: Path) -> bool:
    """Whether a file of Jupyter's contents API is a page that is made.

    Args:
        model: The file.
        root: The book's folder.
    """
    text, name = model.get("content"), Path(str(model["path"]).strip("/"))
    toc = root / "_toc.yml"
    if model["type"] != "file" or name.suffix != ".md" or not toc.exists():
        return False
    is_listed = str(name.with_suffix("")) in contents(toc)
    return is_listed and isinstance(text, str) and pages.is_made(text)


def page(text: str, root: Path) -> str:
    """Return a page's Markdown as it is read in JupyterLab.

    Args:
        text: The page as its file holds it.
        root: The book's folder.
    """
    chapters, _ = readable(root)  # the first page names the others
    files = [path.name for path in root.glob("*.md")]
    parts = pages.parts(chapters, files) | {"reference": lambda: _REFERENCE}
    return glossary.as_sections(pages.filled(text, chapters, parts))
