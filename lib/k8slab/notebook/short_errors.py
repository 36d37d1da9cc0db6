"""Tell an error of a cell in a few lines, with the full trace one click away."""

from __future__ import annotations

import html
import sys
import traceback
from types import TracebackType
from typing import Any

from IPython.display import display

from ..errors import LabError, LabMissing, NotConnected
from ..kube import current
from .again import Place

_LINK = "cursor: pointer; display: list-item; text-decoration: underline"
"""What a reader sees at once to be something that can be clicked."""

_GONE = 404


def offer(shell: Any) -> None:
    """Let a notebook's shell tell errors this way."""
    shell.set_custom_exc((LabError, NameError, KeyboardInterrupt), _tell)

    def tb(line: str) -> None:
        """Show the full trace of the last error; as IPython's own, for ours too."""
        error = getattr(sys, "last_value", None)  # there was none yet
        teller, mode = shell.InteractiveTB, line.strip().capitalize()
        usual = teller.mode
        if not isinstance(error, LabError) or mode not in ("", *teller.valid_modes):
            own.tb(line)
            return
        try:
            teller.set_mode(mode or usual)
            kind, trace = type(error), sys.last_traceback
            lines = teller.structured_traceback(kind, error, trace)
            shell._showtraceback(kind, error, lines)
        finally:
            teller.set_mode(usual)

    own = shell.magics_manager.registry["ExecutionMagics"]
    shell.register_magic_function(tb, "line", "tb")


def _tell(
    shell: Any,
    kind: type[BaseException],
    error: BaseException,
    trace: TracebackType | None,
    tb_offset: int | None = None,
) -> None:
    # What %tb shows; IPython notes that for errors that it tells itself.
    sys.last_type, sys.last_value, sys.last_traceback = kind, error, trace
    if isinstance(error, LabError):
        if isinstance(error, NotConnected):
            error.next = Place.of(shell).advice
        elif not error.next and getattr(error, "status", 0) == _GONE:
            error.next = f"if a cell above makes it, {Place.of(shell).advice}"
        _fold(error)
        shell.showtraceback((kind, error, trace), tb_offset=tb_offset)
    elif isinstance(error, KeyboardInterrupt):
        _fold(error)
        lines = ["KeyboardInterrupt: you interrupted this cell; you can run it again"]
        shell._showtraceback(kind, error, lines)
    elif _did_not_run(place := Place.of(shell), error):
        words = f"{kind.__name__}: {error}\n  next:   {place.advice}"
        shell._showtraceback(kind, error, [words])
    else:
        shell.showtraceback((kind, error, trace), tb_offset=tb_offset)


def _fold(error: BaseException) -> None:
    """Show the full trace, folded."""
    lines = html.escape("".join(traceback.format_exception(error)))
    show: Any = display  # it has no types
    show(
        {
            "text/plain": "(the full trace: %tb)",
            "text/html": f'<details><summary style="{_LINK}">the full trace</summary>'
            f'<pre style="overflow-x: auto">{lines}</pre></details>',
        },
        raw=True,
    )


def _did_not_run(place: Place, error: BaseException) -> bool:
    """Return whether a name is missing because cells above were not run.

    In a chapter alone: of a reader's own notebook nobody knows.
    """
    if not place.of_the_book:
        return False
    try:
        current.machines()
    except LabMissing:
        return True  # this kernel has connected to no lab yet
    return place.sets(getattr(error, "name", None) or "")
