"""Write measurements down as Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from k8slab.core import files


@dataclass
class Section:
    """One measurement's part of the report.

    Attributes:
        title: Its heading.
        blocks: Its paragraphs and tables, each in Markdown.
    """

    title: str
    blocks: list[str] = field(default_factory=list)

    def say(self, *sentences: str) -> None:
        """Add a paragraph, one sentence a line."""
        self.blocks.append("\n".join(sentences))

    def table(self, heading: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Add a table."""
        lines = [heading, ["---"] * len(heading), *rows]
        self.blocks.append("\n".join(f"| {' | '.join(line)} |" for line in lines))


def write(file: Path, title: str, sections: Sequence[Section]) -> None:
    """Write the report, all or nothing."""
    _write(file, [f"# {title}", *map(_markdown, sections)])


def is_one(file: Path) -> bool:
    """Say whether a file is a report that has an end."""
    return file.is_file() and "\n## " in file.read_text()


def merge(file: Path, sections: Sequence[Section]) -> None:
    """Put sections into a report that is there, behind or instead of its own.

    A section of the same title is replaced where it stands; others come before the
    last one, which is the report's end.
    """
    opening, *parts = re.split(r"(?m)^(?=## )", file.read_text())
    there = {part.partition("\n")[0]: part.strip() for part in parts}
    end = there.popitem()
    there |= {f"## {each.title}": _markdown(each) for each in sections}
    _write(file, [opening.strip(), *there.values(), end[1]])


def _markdown(section: Section) -> str:
    return "\n\n".join([f"## {section.title}", *section.blocks])


def _write(file: Path, blocks: Sequence[str]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    files.write(file, "\n\n".join(blocks) + "\n", mode=0o644)
