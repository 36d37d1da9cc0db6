"""Write measurements down as Markdown."""

from __future__ import annotations

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
    blocks = [f"# {title}"]
    for section in sections:
        blocks += [f"## {section.title}", *section.blocks]
    file.parent.mkdir(parents=True, exist_ok=True)
    files.write(file, "\n\n".join(blocks) + "\n", mode=0o644)
