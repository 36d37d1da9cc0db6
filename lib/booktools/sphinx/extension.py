"""Make the web book of the chapters, as an extension of Sphinx."""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx

from . import cells, figures, html_meta, pages, provenance, reference, search


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("config-inited", html_meta.add_assets)
    app.connect("source-read", pages.fill)
    app.connect("doctree-read", pages.name_terms)
    app.connect("doctree-read", provenance.tell)
    app.connect("doctree-read", cells.mark)
    app.connect("doctree-read", reference.shorten)
    app.connect("doctree-resolved", figures.put_in)
    app.connect("html-page-context", html_meta.describe)
    app.connect("html-page-context", html_meta.drop_thebe, priority=900)
    app.connect("html-page-context", search.keep_text)
    return {"version": "2", "parallel_read_safe": True, "parallel_write_safe": True}
