"""What ``x = %kubectl …`` gives: what the command printed, and how it ended."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import Any, NoReturn

from ..errors import BadInput
from . import _line


@dataclass(frozen=True, repr=False, eq=False)
class Result:
    """What a command printed, and how it ended.

    It equals a text, or another result, that says the same; blanks and ends of lines
    around it do not count.

    Attributes:
        command: The command, as it can be pasted into a terminal of JupyterLab, with
            its namespace; names in braces stay where a value may be a secret.
        text: What it printed, behind its filters; without its remarks.
        remarks: What it said beside that, as warnings.
        returncode: Its exit code.
        seconds: How long it took.
    """

    command: str
    text: str
    remarks: str
    returncode: int
    seconds: float
    _cell: int | None = None
    _typed: str = ""

    @property
    def ok(self) -> bool:
        """Whether the exit code is 0; ``diff`` gives 1 when there are differences."""
        return self.returncode == 0

    @property
    def lines(self) -> list[str]:
        """The lines of what it printed."""
        return _line.lines(self.text)

    @property
    def json(self) -> Any:
        """What it printed, read as JSON; ask for it with ``-o json``.

        Raises:
            BadInput: It is no JSON.
        """
        try:
            return json.loads(self.text)
        except ValueError as error:
            raise BadInput(
                "this is not JSON",
                where=self._typed or self.command,
                wanted="a command with -o json",
                seen=(self.lines or ["nothing"])[0],
            ) from error

    def __bool__(self) -> bool:
        """Refuse to be a condition: it may ask for the exit code, or for the text.

        Raises:
            BadInput: Always.
        """
        raise self._misused(
            "is neither true nor false",
            wanted="x.ok for its exit code; x.text or x.lines for what it printed",
            seen=f"exit code {self.returncode}, {len(self.lines)} lines",
        )

    def __iter__(self) -> NoReturn:
        """Refuse to be gone through, or looked into: by lines, or by characters?

        Raises:
            BadInput: Always.
        """
        raise self._misused(
            "is neither its lines nor its characters",
            wanted="x.lines to go through; 'word' in x.text to look for a word",
            seen=f"{len(self.lines)} lines",
        )

    def __eq__(self, other: object) -> bool:
        if isinstance(other, int | float):
            raise self._misused(
                "is text, and no text equals a number",
                wanted="int(x.text) for the number that it printed; x.returncode",
                seen=repr(other),
            )
        if not isinstance(other, str | Result):
            return NotImplemented
        return self.text.strip() == str(other).strip()

    def _misused(self, how: str, *, wanted: str, seen: str) -> BadInput:
        where = self._typed or self.command
        what = f"what a command printed {how}"
        return BadInput(what, where=where, wanted=wanted, seen=seen)

    def __hash__(self) -> int:
        return hash(self.text.strip())  # a set of texts finds it by what it says

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return self.text.rstrip("\n")

    def _ipython_display_(self) -> None:
        """Show nothing in the cell that ran it, where it was printed already."""
        if self._cell is None or self._cell != cell_number():
            print(self)


def cell_number() -> int | None:
    """Return the number of the cell that runs now; None outside of a notebook."""
    if "IPython" not in sys.modules:
        return None
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    return shell.execution_count if shell is not None else None
