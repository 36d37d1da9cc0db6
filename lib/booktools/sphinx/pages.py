"""Fill the pages that are made from the chapters and from the library."""

from __future__ import annotations

from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx

from .. import coverage, glossary, pages
from ..notebooks import chapter_paths, contents, load
from . import reference


def fill(app: Sphinx, page: str, source: list[str]) -> None:
    """Replace the markers of a page by what they name."""
    if not pages.is_made(source[0]):
        return
    root = Path(app.srcdir)
    paths = chapter_paths(root)
    for path in (*paths, *coverage.files(root)):
        app.env.note_dependency(str(path))
    chapters = [load(path) for path in paths]
    files = [f"{name}.md" for name in contents(root / "_toc.yml")]
    parts = pages.parts(chapters, files)
    parts |= {
        "chapters": lambda: pages.cards(chapters),
        "reference": reference.markdown,
    }
    source[0] = pages.filled(source[0], chapters, parts)


def name_terms(app: Sphinx, doctree: nodes.document) -> None:
    """Let links lead to the terms of a glossary, by the anchors that chapters use."""
    places = app.env.metadata[app.env.docname].setdefault("myst_slugs", {})
    for term in doctree.findall(nodes.term):
        for place in term["ids"]:
            places[glossary.anchor(term.astext())] = (term.line, place, term.astext())
