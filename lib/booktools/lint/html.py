"""Look at the built pages: what they load, say about themselves, and give away."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

from . import secrets
from .checks import Violation

# The attribute by which each element makes a browser load something.
_LOADS = {
    "script": "src",
    "link": "href",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "object": "data",
}
_OUTSIDE = re.compile(r"(?i)^(?:https?:)?//")
_QUIET_LINKS = {"canonical", "license", "author"}
_SCRIPT_LOADS = re.compile(
    r"""(?ix)(?:import|from)\s*\(?\s*['"](?:https?:)?//[^'"]+
    | url\(\s*['"]?(?:https?:)?//[^'")]+"""
)
# What no page has: it would fetch code from elsewhere, or start a kernel.
_UNWANTED = {
    "thebe": "THEBE_JS_URL",
    "MathJax": "tex-mml-chtml",
    "RequireJS": "require.min.js",
}
_REDIRECT = re.compile(r"(?i)<meta[^>]+http-equiv=.?refresh")


class _Look(HTMLParser):
    """Collect what a page loads from elsewhere, and what it says about itself."""

    def __init__(self) -> None:
        super().__init__()
        self.outside: list[str] = []
        self.language = ""
        self.description = ""
        self.title = ""
        self.mute: list[str] = []
        self._in = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at one element."""
        found = dict(attrs)
        address = found.get(_LOADS.get(tag, "")) or ""
        if _OUTSIDE.match(address) and not (
            tag == "link" and found.get("rel") in _QUIET_LINKS
        ):
            self.outside.append(f"{tag} {address}")
        if tag == "html":
            self.language = found.get("lang") or ""
        if tag == "meta" and found.get("name") == "description":
            self.description = found.get("content") or ""
        if tag == "img" and not found.get("alt"):
            self.mute.append(f"img {found.get('src')}")
        named = found.get("aria-label") or found.get("aria-labelledby")
        if tag == "svg" and found.get("role") == "img" and not named:
            self.mute.append(f"svg {found.get('id', '')}")
        self._in = "title" if tag == "title" and not self.title else self._in

    def handle_data(self, data: str) -> None:
        """Keep the page's title."""
        if self._in == "title":
            self.title += data

    def handle_endtag(self, tag: str) -> None:
        """Leave the page's title."""
        self._in = ""


def outside_loads(html: str) -> list[str]:
    """Return what a page makes a browser load from outside, as ``element address``."""
    return _look(html).outside + _SCRIPT_LOADS.findall(html)


def in_site(folder: Path) -> list[Violation]:
    """Return what is wrong with the pages of a site, and with its styles.

    They load from outside, show a secret, name no language, title or description, or
    have a picture without words.
    """
    found: list[Violation] = []
    for page in sorted(folder.rglob("*.html")):
        if "_static" in page.parts:
            continue
        html = page.read_text(encoding="utf-8")
        name = page.relative_to(folder).as_posix()
        found += [
            Violation(name, "", rule, seen, wanted) for rule, seen, wanted in _bad(html)
        ]
    for style in sorted(folder.rglob("*.css")):
        for load in _SCRIPT_LOADS.findall(style.read_text(encoding="utf-8")):
            name = style.relative_to(folder).as_posix()
            found.append(Violation(name, "", "outside", load, "a file of the site"))
    return found


def _bad(html: str) -> Iterator[tuple[str, str, str]]:
    """Yield what is wrong with one page: the rule, what is seen and what is wanted."""
    for load in outside_loads(html):
        yield "outside", load, "a file of the site"
    for leak in secrets.leaks(html):
        yield "secrets", leak.kind, "no secret"
    for name, sign in _UNWANTED.items():
        if sign in html:
            yield "outside", name, f"no {name} on a page"
    if _REDIRECT.search(html):
        return  # nobody reads it
    look = _look(html)
    for each in look.mute:
        yield "words", each, "words for who cannot see it"
    for name in ("language", "title", "description"):
        if not getattr(look, name).strip():
            yield "head", f"no {name}", f"a {name}"


def _look(html: str) -> _Look:
    look = _Look()
    look.feed(html)
    look.close()
    return look
