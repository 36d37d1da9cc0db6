"""Print what several machines say, one machine after the other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence


class Turns:
    """Hear the first machine while it works, the next ones once those before ended.

    Args:
        names: The machines, in their order.
        show: Prints a line.
    """

    def __init__(self, names: Sequence[str], show: Callable[[str], None]) -> None:
        self._waiting = list(names)
        self._lines: dict[str, list[str]] = {name: [] for name in names}
        self._ended: set[str] = set()
        self._show = show
        self._lock = threading.Lock()
        self._said = ""

    def line(self, name: str, text: str) -> None:
        """Print a machine's line when it is its turn, or keep it until then."""
        with self._lock:
            if self._waiting[:1] == [name]:
                self._print(name, text)
            else:
                self._lines[name].append(text)

    def end(self, name: str) -> None:
        """Let the next ones have their turn when this machine's has come to its end."""
        with self._lock:
            self._ended.add(name)
            while self._waiting and self._waiting[0] in self._ended:
                self._waiting.pop(0)
                for text in self._lines[self._waiting[0]] if self._waiting else []:
                    self._print(self._waiting[0], text)

    def _print(self, name: str, text: str) -> None:
        if self._said != name:
            self._show(f"--- {name}")
            self._said = name
        self._show(text)
