"""Write the pages that are made from the chapters and from the library."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from k8slab import fault

from . import coverage, glossary, ways
from .notebooks import Chapter, without_code

# What a page says to get a part: one line with a comment that no reader sees.
_MARKER = re.compile(r"(?m)^<!-- made here: ([a-z]+) -->$")
_CARD = re.compile(r"(?m)^## +Runbook card\s*$")
_ROWS = re.compile(r"(?m)^\|.*\|[ \t]*$(?:\n^\|.*\|[ \t]*$)*")
_BOLD = re.compile(r"\*\*([^*\n]+)\*\*(:?)")  # with a colon it is a label


def is_made(text: str) -> bool:
    """Whether parts of a page are made, or added to, from the chapters."""
    return bool(_MARKER.search(text) or glossary.LIST.search(text))


def filled(
    text: str, chapters: list[Chapter], parts: Mapping[str, Callable[[], str]]
) -> str:
    """Return a page's Markdown with its markers replaced.

    Args:
        text: The page's Markdown.
        chapters: The chapters in reading order.
        parts: What makes a part, by the name in its marker.
    """
    text = _MARKER.sub(lambda found: parts[found[1]](), text)
    return with_places(text, chapters)


def parts(
    chapters: list[Chapter], files: Sequence[str]
) -> dict[str, Callable[[], str]]:
    """Return what makes the parts that are the same wherever a page is read.

    Args:
        chapters: The chapters in reading order.
        files: The pages that the book has beside them.
    """
    return {
        "chapters": lambda: titles(chapters),
        "ways": lambda: ways.lines(chapters, files),
        "runbook": lambda: runbook(chapters),
        "symptoms": lambda: symptoms(chapters),
        "notes": lambda: notes(chapters),
    }


def promise(chapter: Chapter) -> str:
    """Return the sentence below a chapter's title."""
    _, _, rest = str(chapter.notebook.cells[0].source).partition("\n")
    return rest.strip().split("\n\n")[0]


def titles(chapters: list[Chapter]) -> str:
    """Return a line for each chapter: its title, its promise and its time."""
    return "\n".join(
        f"- [{chapter.title}](chapters/{chapter.path.name}), "
        f"{chapter.settings.get('minutes', '?')} minutes. {promise(chapter)}"
        for chapter in chapters
    )


def cards(chapters: list[Chapter]) -> str:
    """Return a card for each chapter: its title, its promise and its time."""

    def card(chapter: Chapter) -> str:
        minutes = chapter.settings.get("minutes", "?")
        return (
            f"::::{{grid-item-card}} {chapter.title}\n:link: chapters/{chapter.name}\n"
            f":link-type: doc\n\n{promise(chapter)}\n\n"
            f":::{{card-footer}}\n{minutes} minutes\n:::\n::::\n"
        )

    inner = "\n".join(map(card, chapters))
    return f":::::{{grid}} 1 1 2 2\n:gutter: 3\n\n{inner}\n:::::"


def notes(chapters: list[Chapter]) -> str:
    """Return where the book answers each item of the notes that it grew from."""
    if not chapters:
        return ""
    root = chapters[0].path.parent.parent
    return coverage.tables(coverage.read(root), chapters)


def symptoms(chapters: list[Chapter]) -> str:
    """Return the faults that the library can produce, by what they act on.

    Each row links to the chapters that produce it. A fault's name is no code there:
    it would break anywhere in a narrow column, and so breaks at its hyphens.
    """
    found = []
    for needs, heading in (
        (fault.NAMESPACE, "A workload does not work"),
        (fault.MACHINE, "A machine does not work"),
        (fault.CLUSTER, "The cluster does not work"),
    ):
        rows = [
            f"| {_text(each.symptom)} | {_text(each.cause)} | {_text(each.cure)} | "
            f"{_met(each.name, chapters)} |"
            for each in map(fault.find, fault.names(needs))
        ]
        head = "| symptom | cause | cure | fault, and where |\n|---|---|---|---|"
        found.append("\n".join([f"## {heading}\n", head, *rows]))
    return "\n\n".join(found)


def _text(words: str) -> str:
    """Return words as a page shows them: of <unknown> it would show nothing."""
    return html.escape(words, quote=False)


def _met(name: str, chapters: list[Chapter]) -> str:
    """Return a fault's name, and links to the chapters whose cells produce it."""
    links = [
        f"[{chapter.title}](chapters/{chapter.path.name})"
        for chapter in chapters
        if any(f'fault.inject("{name}"' in c.source for c in chapter.cells("code"))
    ]
    return f"{name}: {', '.join(links)}" if links else name


def runbook(chapters: list[Chapter]) -> str:
    """Return the runbook cards of all chapters, each below a link to its chapter."""
    found = []
    for chapter in chapters:
        for table in card_tables(chapter):
            link = f"chapters/{chapter.path.name}#runbook-card"
            found.append(f"## {chapter.title}\n\n[To the chapter]({link})\n\n{table}")
    return "\n\n".join(found)


def card_tables(chapter: Chapter) -> Iterator[str]:
    """Yield the table below each ``## Runbook card`` of a chapter."""
    text = "\n\n".join(cell.source for cell in chapter.cells("markdown"))
    for part in _CARD.split(text)[1:]:
        section = re.split(r"(?m)^## ", part, maxsplit=1)[0]
        table = _ROWS.search(section)
        if table:
            yield table[0]


def with_places(text: str, chapters: list[Chapter]) -> str:
    """Return a glossary whose terms say which chapters define them.

    A chapter defines a term where it writes it in bold for the first time.
    """
    places: dict[str, list[str]] = {}
    for chapter in chapters:
        prose = "\n".join(cell.source for cell in chapter.cells("markdown"))
        bold = _BOLD.findall(without_code(prose))
        for word in {word for word, colon in bold if not colon}:
            link = f"[{chapter.title}](chapters/{chapter.path.name})"
            places.setdefault(word.casefold(), []).append(link)

    def with_place(entry: re.Match[str]) -> str:
        term = entry[1].strip().casefold()
        found = [*places.get(term, []), *places.get(f"{term}s", [])]
        links = list(dict.fromkeys(found))  # a chapter may say both
        body = entry[2].rstrip("\n")
        # Not "See": titles say what a reader does, and may begin with that word.
        name = "Chapter" if len(links) == 1 else "Chapters"
        where = f"\n  {name}: {', '.join(links)}." if links else ""
        return f"{entry[1]}\n{body}{where}\n"

    return glossary.LIST.sub(
        lambda found: glossary.ENTRY.sub(with_place, found[0]), text
    )
