"""Follow the links between the built pages without a browser."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from .checks import Violation


@dataclass
class _Page(HTMLParser):
    """The links of one page, and the places in it that a link can name."""

    links: list[str] = field(default_factory=list)
    places: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at one element."""
        found = dict(attrs)
        if found.get("id"):
            self.places.append(str(found["id"]))
        if tag == "a" and found.get("name"):
            self.places.append(str(found["name"]))
        link = found.get("href") if tag in ("a", "link") else found.get("src")
        if link:
            self.links.append(link)


def broken(folder: Path) -> list[Violation]:
    """Return links to pages, files and places that are not there, and doubled ids.

    Args:
        folder: The built site.
    """
    pages = {path: _read(path) for path in sorted(folder.rglob("*.html"))}
    pages = {p: page for p, page in pages.items() if "_static" not in p.parts}
    found: list[Violation] = []
    for path, page in pages.items():
        name = path.relative_to(folder).as_posix()
        for place in sorted({p for p in page.places if page.places.count(p) > 1}):
            found.append(Violation(name, "", "ids", f"{place} twice", "once"))
        for link, wanted in _dead(path, page, pages):
            found.append(Violation(name, "", "links", link, wanted))
    return found


def _dead(
    path: Path, page: _Page, pages: dict[Path, _Page]
) -> Iterator[tuple[str, str]]:
    """Yield each link of a page that leads nowhere, with what it would need."""
    for link in page.links:
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        places = pages[target].places if target in pages else None
        if not target.is_file():
            yield link, "a file of the site"
        elif places is not None and unquote(parts.fragment) not in ("", *places):
            yield link, "a place on that page"


def _read(path: Path) -> _Page:
    page = _Page()
    page.feed(path.read_text(encoding="utf-8"))
    page.close()
    return page
