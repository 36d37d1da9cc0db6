"""Say how a reader gets back to a cell after the kernel was restarted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..core.env import Environment
from .source import names, python

MENU = "Run > Run All Above Selected Cell"
_SETUP = "setup"
"""The id of the cell that every chapter begins with."""


@dataclass(frozen=True)
class Place:
    """Where in a chapter a kernel is.

    Attributes:
        cells: The chapter's cells; none when it is not known.
        cell: The id of the one that runs; empty when it is not known.
        run: What the book's own run noted.
        of_the_book: Whether it is a chapter, and no notebook of the reader's own.
    """

    cells: list[dict[str, Any]] = field(default_factory=list)
    cell: str = ""
    run: dict[str, Any] = field(default_factory=dict)
    of_the_book: bool = False

    @classmethod
    def of(cls, shell: Any) -> Place:
        """Return where a notebook's shell is, by what JupyterLab tells it."""
        try:
            text = Path(Environment.read().notebook).read_text(encoding="utf-8")
            book = json.loads(text)
            run = book["metadata"].get("lab", {}).get("run", {})
            cells = book["cells"]
            known = any(each.get("id") == _SETUP for each in cells)
            return cls(cells, _cell_id(shell), run, known)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return cls()  # no chapter: what is advised has no numbers, then

    @property
    def advice(self) -> str:
        """What to do when the cells above did not run in this kernel."""
        return f"select this cell, {MENU}{self._duration}; then run it again"

    def sets(self, name: str) -> bool:
        """Whether a cell above this one gives a name its value."""
        read = map(python, self._above())
        return any(name in names(code) for code in read if code)

    @property
    def _duration(self) -> str:
        above = self.run.get("above", {}).get(self.cell)
        if above is not None:
            return f" (it took {_words(above)} in the book's own run)"
        if whole := self.run.get("seconds"):
            return f" (the whole chapter took {_words(whole)} in the book's own run)"
        return ""

    def _above(self) -> Iterator[str]:
        for cell in self.cells:
            if self.cell and cell.get("id") == self.cell:
                return
            if cell["cell_type"] == "code":
                yield "".join(cell["source"])


def _cell_id(shell: Any) -> str:
    """Return the id of the cell that runs, which JupyterLab sends along."""
    parent: dict[str, Any] = getattr(shell, "get_parent", dict)()
    return str(parent.get("metadata", {}).get("cellId") or "")


def _words(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
