"""Look at the built pages: what they load, and what they would give away."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

from . import secrets
from .hygiene import Violation

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
    r"(?i)(?:import|from|url)\s*\(?\s*['\"](?:https?:)?//[^'\"]+"
)


class _Loads(HTMLParser):
    """Collect what a page makes a browser load from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.outside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at one element."""
        found = dict(attrs)
        address = found.get(_LOADS.get(tag, "")) or ""
        if tag == "link" and found.get("rel") in _QUIET_LINKS:
            return
        if _OUTSIDE.match(address):
            self.outside.append(f"{tag} {address}")


def outside_loads(html: str) -> list[str]:
    """Return what a page makes a browser load from outside, as ``element address``."""
    parser = _Loads()
    parser.feed(html)
    parser.close()
    return parser.outside + _SCRIPT_LOADS.findall(html)


def in_site(folder: Path) -> list[Violation]:
    """Return the pages that load from outside, show a secret, or name no language."""
    found: list[Violation] = []
    for page in sorted(folder.rglob("*.html")):
        if "_static" in page.parts:
            continue
        html = page.read_text(encoding="utf-8")
        name = page.relative_to(folder).as_posix()
        for load in outside_loads(html):
            found.append(Violation(name, "", "outside", load, "a file of the site"))
        for leak in secrets.leaks(html):
            found.append(Violation(name, "", "secrets", leak.kind, "no secret"))
        if "THEBE_JS_URL" in html:
            found.append(Violation(name, "", "outside", "thebe", "no kernel on a page"))
    return found
