"""What commands share: their options, and how they say what was done."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from k8slab.core import terminal
from k8slab.core.hints import PROGRAM, command
from k8slab.core.phases import Ledger
from k8slab.core.terminal import say
from k8slab.errors import BadInput

__all__ = [
    "PASS_ON",
    "Name",
    "Timed",
    "Timings",
    "asking",
    "consent",
    "expanded",
    "say",
    "show",
    "typed_as",
]

Name = Annotated[
    str | None, typer.Option("--name", help="The lab; K8SLAB_LAB or 'default'.")
]
Timings = Annotated[
    str | None,
    typer.Option(help="Show each phase's time: 'table', or 'json'; alone: table."),
]
PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True}
"""The settings of a command that hands on what it does not know itself."""
_FORMS = (["table"], ["json"])
_ODD = re.compile(r"([^\w@%+=:,./-])")
_WRAPPER_BYTES = 4096
"""As many bytes of a script are read to see whether it only calls this program."""


class Timed(TyperCommand):
    """A command whose ``--timings`` may stand without a value, which means a table."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Give ``--timings`` the value that it lacks, then parse as usual."""
        given = list(args)
        for place, word in enumerate(args):
            if word == "--timings" and args[place + 1 : place + 2] not in _FORMS:
                given[place] = "--timings=table"
        return super().parse_args(ctx, given)


def asking() -> Callable[[str], bool] | None:
    """Return what asks the reader, and says whether the answer was yes.

    Returns:
        None where there is no terminal, and so nobody to ask.
    """
    if sys.stdin is None or not sys.stdin.isatty():  # closed, as by a service
        return None
    return lambda question: typer.confirm(question, err=True)


def consent(question: str, yes: bool, lab: str) -> None:
    """Go on only if the reader agreed, by ``--yes`` or on the terminal.

    Raises:
        BadInput: Nobody agreed; nothing was changed.
    """
    ask = asking()
    if yes or (ask is not None and ask(question)):
        return
    raise BadInput(
        "nobody agreed to change the machines; nothing was changed",
        where=f"lab {lab}",
        wanted="--yes" if ask is None else "yes",
        seen="no terminal to ask on" if ask is None else "no",
        next=f"agree to it: {command('down', lab, '--yes')}",
    )


def show(ledger: Ledger, timings: str | None) -> None:
    """Print how long each phase took, where ``--timings`` asks for it."""
    if timings == "json":
        print(ledger.as_json())
    elif timings is not None:
        terminal.show(ledger.table())


def expanded(path: Path | None) -> Path | None:
    """Return a path with the home directory that its ~ means.

    A shell leaves the one in ``--file=~/x`` alone.
    """
    return path and Path(os.path.expanduser(path))


def typed_as(program: str) -> str:
    """Return what the reader types to call this program again.

    Args:
        program: The first word that this process was started with.

    Returns:
        Its name alone where a shell finds this program by it, or where it was started
        in another way than by its file; else its file as it was typed.
    """
    there = Path(program)
    is_file = there.is_file() and os.access(there, os.X_OK)
    if there.name != PROGRAM or "/" not in program or not is_file:
        return PROGRAM
    found = shutil.which(PROGRAM)
    if found is not None and _leads_to(Path(found), there):
        return PROGRAM
    return _ODD.sub(r"\\\1", program)  # hints stand in quotes already


def _leads_to(found: Path, there: Path) -> bool:
    """Say whether a command is this program, or JupyterLab's script that calls it."""
    if found.samefile(there):
        return True
    try:
        with found.open("rb") as script:
            return os.fsencode(there.absolute()) in script.read(_WRAPPER_BYTES)
    except OSError:  # a program may be run by those who may not read it
        return False
