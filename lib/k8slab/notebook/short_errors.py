"""Tell an error of a cell in a few lines, with the full trace one click away."""

from __future__ import annotations

import html
import traceback
from types import TracebackType
from typing import Any

from IPython.display import display

from ..errors import LabError, LabMissing, NotConnected
from ..kube import current
from .again import Place


def offer(shell: Any) -> None:
    """Let a notebook's shell tell errors this way."""
    shell.set_custom_exc((LabError, NameError, KeyboardInterrupt), _tell)


def _tell(
    shell: Any,
    kind: type[BaseException],
    error: BaseException,
    trace: TracebackType | None,
    tb_offset: int | None = None,
) -> None:
    if isinstance(error, LabError):
        if isinstance(error, NotConnected):
            error.next = Place.of(shell).advice
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
            "text/html": "<details><summary>the full trace</summary>"
            f'<pre style="overflow-x: auto">{lines}</pre></details>',
        },
        raw=True,
    )


def _did_not_run(place: Place, error: BaseException) -> bool:
    """Return whether a name is missing because cells above were not run."""
    try:
        current.machines()
    except LabMissing:
        return True  # this kernel has connected to no lab yet
    return place.sets(getattr(error, "name", None) or "")
