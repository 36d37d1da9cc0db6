"""What commands share: their options, and how they say what was done."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from k8slab.core import terminal
from k8slab.core.hints import command
from k8slab.core.phases import Ledger
from k8slab.core.terminal import say
from k8slab.errors import BadInput

__all__ = ["Name", "Timed", "Timings", "asking", "consent", "say", "show"]

Name = Annotated[
    str | None, typer.Option("--name", help="The lab; K8SLAB_LAB or 'default'.")
]
Timings = Annotated[
    str | None,
    typer.Option(help="Show each phase's time: 'table', or 'json'; alone: table."),
]
_FORMS = (["table"], ["json"])


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
        "nobody agreed to change the machines; nothing was",
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
