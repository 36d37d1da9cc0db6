"""Link the words that a chapter uses to the glossary, at the first use of each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from k8slab.core import files

from .notebooks import Chapter, dump, load

PAGE = "glossary.md"
# Terms that are plain words, too: which is meant, an author sees and a program does
# not. A chapter may link them by hand.
PLAIN = frozenset(
    {"check", "fault", "lab", "machine", "request", "status", "token", "watch"}
)
LEARN = re.compile(r"(?i)you will learn")
LIST = re.compile(r"(?ms)^```\{glossary\}\n(.*?)^```$")
"""A list of terms in a page."""
ENTRY = re.compile(r"(?m)^(\w[^\n]*)\n((?:  [^\n]+\n?)+)")
"""A term in such a list, with what it means."""
_BOLD = re.compile(r"\*\*([^*\n]+)\*\*")
# What is no prose, or may hold no link: fenced code, the borders and titles of boxes,
# headings, tables, what is next, code, pictures, links, bold words, and addresses.
_ASIDE = re.compile(
    r"(?ms)^(?P<fence>`{3,})(?!\{).*?^(?P=fence)[ \t]*$"
    r"|^:{3,}[^\n]*$|^:\w+:[^\n]*$|^`{3,}\{[^\n]*$|^#+ [^\n]*$|^\|[^\n]*$|^Next:[^\n]*$"
    r"|(?P<code>`+).+?(?P=code)|!?\[[^\]]*\]\([^)]*\)|\*\*[^*\n]+\*\*|\bhttps?://\S+"
)
_ITEMS = re.compile(r"(?m)^- [^\n]*$")


def terms(page: str) -> list[str]:
    """Return the terms of a glossary, in its order.

    Args:
        page: The glossary's Markdown.
    """
    return [term for found in LIST.findall(page) for term, _ in ENTRY.findall(found)]


def anchor(term: str) -> str:
    """Return the place of a term on the glossary's page.

    Example:
        >>> anchor("API server")
        'term-api-server'
    """
    return f"term-{re.sub(r'[^a-z0-9]+', '-', term.lower())}"


def as_sections(page: str) -> str:
    """Return a glossary for readers of plain Markdown: a heading for each term.

    Args:
        page: The glossary's Markdown.
    """

    def section(entry: re.Match[str]) -> str:
        body = re.sub(r"(?m)^  ", "", entry[2])
        return f"({anchor(entry[1])})=\n### {entry[1]}\n\n{body}"

    return LIST.sub(lambda found: ENTRY.sub(section, found[1]), page)


def linked(chapter: Chapter, root: Path) -> dict[str, str]:
    """Return the sources of a chapter's Markdown with its words linked, by cell id.

    A term is linked where the chapter first uses it in a sentence. One that the
    chapter explains itself, in bold, has no link, nor has one that is linked by hand.
    Done twice, it changes nothing.

    Args:
        chapter: The chapter.
        root: The book's folder, which holds the glossary.
    """
    known = terms((root / PAGE).read_text(encoding="utf-8"))
    cells = list(chapter.cells("markdown"))
    plain = {cell.id: _unlinked(cell.source, known) for cell in cells}
    prose = "\n".join(plain.values())
    own = {bold.casefold() for bold in _BOLD.findall(prose)}
    open_terms = {
        term: re.compile(_forms(term))
        for term in sorted(known, key=len, reverse=True)
        if term not in PLAIN
        and not own & {term.casefold(), f"{term}s".casefold(), f"{term}es".casefold()}
        and f"{PAGE}#{anchor(term)})" not in prose
    }
    # The title's sentence stands on cards that are links, in other folders.
    for cell in cells[1:]:
        plain[cell.id] = _with_links(plain[cell.id], open_terms)
    return plain


def _forms(term: str) -> str:
    """Return a pattern for a term: in the plural, too, and where a sentence begins."""
    first = term[0]
    begin = f"[{first.upper()}{first}]" if first.islower() else re.escape(first)
    words = begin + re.escape(term[1:]).replace(r"\ ", r"\s")
    return rf"(?<![\w/.-]){words}(?:es|s)?(?![\w/-]|\.\w)"


def _unlinked(source: str, known: list[str]) -> str:
    """Take back the links that `linked` made."""
    for term in known:
        if term not in PLAIN:
            link = rf"\[({_forms(term)})\]\(\.\./{PAGE}#{re.escape(anchor(term))}\)"
            source = re.sub(link, r"\1", source)
    return source


def _with_links(source: str, open_terms: dict[str, Any]) -> str:
    """Link each open term where a source first uses it; those are open no more."""
    aside = [found.span() for found in _ASIDE.finditer(source)]
    if LEARN.search(source):  # its items repeat headings, word by word
        aside += [found.span() for found in _ITEMS.finditer(source)]
    taken = [*aside]
    links = []
    for term, pattern in list(open_terms.items()):
        for found in pattern.finditer(source):
            if any(start < found.end() and found.start() < end for start, end in taken):
                continue
            taken.append(found.span())
            links.append((found.start(), found.end(), term))
            del open_terms[term]
            break
    for start, end, term in sorted(links, reverse=True):
        link = f"[{source[start:end]}](../{PAGE}#{anchor(term)})"
        source = source[:start] + link + source[end:]
    return source


def changes(chapter: Chapter, root: Path) -> Iterator[tuple[Any, str]]:
    """Yield the cells whose words are linked otherwise, with their right source."""
    right = linked(chapter, root)
    for cell in chapter.cells("markdown"):
        if cell.source != right[cell.id]:
            yield cell, right[cell.id]


def link(paths: Sequence[Path], root: Path) -> list[Path]:
    """Link the words of chapters, and write those that are different then.

    Args:
        paths: The chapters.
        root: The book's folder, which holds the glossary.

    Returns:
        The chapters that were written.

    Raises:
        BadInput: A chapter is missing or not a notebook.
    """
    written = []
    for chapter in map(load, paths):
        found = list(changes(chapter, root))
        for cell, source in found:
            cell.source = source
        if found:
            files.write(chapter.path, dump(chapter.notebook), mode=0o644)
            written.append(chapter.path)
    return written
