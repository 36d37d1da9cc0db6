"""Make the head of each page say what it is, and load nothing from elsewhere."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config

ASSETS = Path(__file__).parent / "assets"
LONGEST = 160
_BOXES = (nodes.Admonition, nodes.table, nodes.figure, nodes.topic)


def add_assets(app: Sphinx, config: Config) -> None:
    """Add the book's own styles, script and mark."""
    config.html_static_path.append(str(ASSETS))
    config.html_favicon = str(ASSETS / "mark.svg")
    app.add_css_file("book.css", priority=900)
    app.add_js_file("book.js", loading_method="defer")


def describe(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any
) -> None:
    """Name the page's first words as its description."""
    words = description(doctree) if doctree is not None else ""
    title = context.get("title", page)
    about = html.escape(words or f"{title}: {app.config.html_title}")
    tag = f'<meta name="description" content="{about}" />'
    context["metatags"] = context.get("metatags", "") + tag


def description(doctree: nodes.document) -> str:
    """Return a page's first paragraph outside boxes, cut at a word."""
    for paragraph in doctree.findall(nodes.paragraph):
        parent = paragraph.parent
        while parent is not None and not isinstance(parent, _BOXES):
            parent = parent.parent
        if parent is None:
            words = " ".join(paragraph.astext().split())
            if len(words) <= LONGEST:
                return words
            return words[:LONGEST].rpartition(" ")[0] + " …"
    return ""


def drop_thebe(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any
) -> None:
    """Remove thebe, which jupyter-book puts on every page with an outside address."""
    context["script_files"] = [
        script
        for script in context.get("script_files", [])
        if "thebe" not in str(getattr(script, "filename", script)).lower()
        and "THEBE" not in str(getattr(script, "attributes", {}).get("body", ""))
    ]
