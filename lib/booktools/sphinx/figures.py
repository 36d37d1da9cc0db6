"""Put drawings into the page itself, where they follow the page's theme."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

from docutils import nodes
from sphinx.application import Sphinx

SVG = "http://www.w3.org/2000/svg"
# A drawing alone asks the system whether it is dark; on a page, the page decides.
_SYSTEM_DARK = re.compile(r"@media\s*\(\s*prefers-color-scheme:\s*dark\s*\)")
_PAGE_DARK = 'html[data-theme="dark"] &'
_NAMES = ("aria-labelledby", "aria-describedby")
Xml.register_namespace("", SVG)


def put_in(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Replace each drawing of a page by its SVG, with its alternative text."""
    if app.builder.format != "html":
        return
    keys: dict[str, int] = {}
    for image in list(doctree.findall(nodes.image)):
        path = Path(app.srcdir, image["uri"])
        if path.suffix != ".svg" or not path.is_file():
            continue
        keys[path.stem] = keys.get(path.stem, 0) + 1
        key = f"drawing-{path.stem}-{keys[path.stem]}"
        drawn = inline(path.read_text(encoding="utf-8"), key, image.get("alt", ""))
        image.replace_self(nodes.raw("", drawn, format="html"))


def inline(text: str, key: str, words: str = "") -> str:
    """Return a drawing as HTML that shares nothing with the rest of the page.

    Its ids get a prefix, its styles hold inside it only, and what it draws for a dark
    system is drawn for the dark theme of the page.

    Args:
        text: The drawing's file.
        key: An id that no other element of the page has.
        words: What the drawing says; its own description when there are none.
    """
    root = Xml.fromstring(text)  # noqa: S314 - a drawing of this repository
    own = [root.findtext(f"{{{SVG}}}{name}", "").strip() for name in ("title", "desc")]
    for child in list(root):
        if child.tag in (f"{{{SVG}}}title", f"{{{SVG}}}desc"):
            root.remove(child)
    ids = [each.get("id", "") for each in root.iter() if each.get("id")]
    for each in root.iter():
        _rename(each, ids, key)
        if each.tag == f"{{{SVG}}}style":
            each.text = _own_styles(each.text or "", ids, key)
    for name in (*_NAMES, "width", "height"):
        root.attrib.pop(name, None)
    width = float(root.get("viewBox", "0 0 760 0").split()[2])
    root.set("id", key)
    root.set("role", "img")
    root.set("aria-label", words or ". ".join(filter(None, own)))
    root.set("style", f"max-width: {width:g}px")
    for each in root.iter():
        each.tail = each.tail and (each.tail.strip() or "\n")
    drawn = Xml.tostring(root, encoding="unicode")
    return f'<div class="lab-drawing">{drawn.strip()}</div>'


def _rename(element: Any, ids: list[str], key: str) -> None:
    """Give an element's id, and what points at others, the drawing's prefix."""
    if element.get("id") in ids:
        element.set("id", f"{key}-{element.get('id')}")
    for name, value in element.attrib.items():
        if name in _NAMES:
            new = " ".join(f"{key}-{each}" for each in value.split())
        elif "#" in value and name != "id":
            new = _pointers(value, ids, key)
        else:
            continue
        element.set(name, new)


def _pointers(text: str, ids: list[str], key: str) -> str:
    """Return a text whose ``#id`` are the renamed ones."""
    for each in ids:
        text = re.sub(rf"#{re.escape(each)}(?![\w-])", f"#{key}-{each}", text)
    return text


def _own_styles(css: str, ids: list[str], key: str) -> str:
    """Return styles that hold inside the drawing only, by nesting."""
    css = _SYSTEM_DARK.sub(_PAGE_DARK, _pointers(css, ids, key))
    return f"\n#{key} {{{css}}}\n"
