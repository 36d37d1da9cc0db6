"""Show the phases of long work in a notebook's cell while they run."""

from __future__ import annotations

import html
import threading

from IPython.core.getipython import get_ipython

from ..core.phases import Phase, Reporter, Silent
from ..core.rendered import Rendered
from ..widgets.view import View

LIMIT_S = 3600.0
_MARKS = {"changed": "✔", "unchanged": "·", "failed": "✘", "running": "▸"}


class Phases(View):
    """A table of phases, those that run with a clock; a `Reporter`."""

    def __init__(self) -> None:
        super().__init__(timeout=LIMIT_S)
        self._rows: list[tuple[Phase, float]] = []
        self._open = False
        self._turn = threading.Lock()

    def started(self, phase: Phase) -> None:
        """Add a line; the first one opens the table."""
        with self._turn:
            self._rows.append((phase, self.seconds if self._open else 0.0))
            if not self._open:
                self._open = True
                self.__enter__()

    def moved(self, phase: Phase) -> None:
        """Show how far it is; the phase itself knows."""

    def finished(self, phase: Phase) -> None:
        """Show how it ended; the phase itself knows."""

    def close(self) -> None:
        """Leave the whole table behind."""
        if self._open:
            self._open = False
            self.__exit__(None, None, None)

    def draw(self) -> Rendered:
        """Draw all phases as they are now."""
        lines, parts = [], []
        for phase, began in list(self._rows):
            running = phase.outcome == "running"
            seconds = self.seconds - began if running else phase.seconds
            cells = (
                _MARKS[phase.outcome],
                f"{seconds:.1f} s",
                phase.where,
                phase.name,
                phase.detail,
            )
            lines.append(f"{cells[0]} {cells[1]:>8}  {cells[2]}: {cells[3]}")
            row = "".join(f"<td>{html.escape(cell)}</td>" for cell in cells)
            parts.append(f'<tr style="text-align: left">{row}</tr>')
        return Rendered("\n".join(lines), f"<table>{''.join(parts)}</table>")


def reporter() -> Reporter:
    """Return who shows phases when nobody was named: a table in a notebook."""
    return Phases() if get_ipython() is not None else Silent()
