"""Write to standard output and standard error, whole and whatever their encoding."""

from __future__ import annotations

import codecs
import io
import os
import sys
from contextlib import suppress

from rich.console import Console
from rich.table import Table

from .hints import as_called

_PLAIN = {"✔": "+", "✘": "x", "·": "-", "…": "...", "—": "-", "→": "->"}
_HANDLER = "k8slab.plain"
_WIDEST = 10_000


def _plain(error: UnicodeError) -> tuple[str | bytes, int]:
    """Give a character that an encoding lacks a plain one's place."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(_PLAIN.get(each, "?") for each in lacking), error.end


def prepare() -> None:
    """Let standard output and standard error take every text; also where none is."""
    codecs.register_error(_HANDLER, _plain)
    for name in ("COLUMNS", "TERMINAL_WIDTH"):
        # Of a terminal of no known size; help and errors of usage would be empty, or
        # end in a traceback.
        if not os.environ.get(name, "").strip("0").isdecimal():
            os.environ.pop(name, None)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by whoever started this, as by >&-
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_HANDLER)


def say(text: str) -> None:
    """Tell the reader something on standard error, if anybody is there to read it."""
    with suppress(OSError):  # a closed terminal; what is being done goes on
        print(as_called(text), file=sys.stderr, flush=True)


def show(table: Table) -> None:
    """Print a table as wide as it is: what is cut off is shown nowhere else.

    Its cells are plain text, such as the address ``https://[fd00::1]:6443``.
    """
    wide = _console(_WIDEST).measure(table).maximum
    _console(wide).print(table)


def _console(width: int) -> Console:
    return Console(width=width, markup=False, emoji=False)
