"""The commands ``k8slab addon``."""

from __future__ import annotations

import typer
from rich.table import Table

from k8slab.core import terminal
from k8slab.core.phases import reporter_for

from .shared import Name, Timed, Timings, say, show

app = typer.Typer(
    help="Parts of a cluster that are enabled when they are needed.",
    no_args_is_help=True,
)


@app.command("list")
def list_(name: Name = None) -> None:
    """Show what can be enabled, and what is."""
    from .. import addons

    table = Table("add-on", "state", "what it is")
    for each in addons.listing(name):
        state = f"{each.state}: {each.health}" if each.health else each.state
        table.add_row(each.name, state, each.what)
    terminal.show(table)


@app.command("enable", cls=Timed)
def enable(addon: str, name: Name = None, timings: Timings = None) -> None:
    """Enable an add-on; its images are built when they are first needed."""
    from .. import addons

    ledger = addons.enable(addon, name, reporter=reporter_for())
    say(f"{addon} is enabled after {ledger.total_s:.1f} s")
    show(ledger, timings)


@app.command("disable", cls=Timed)
def disable(addon: str, name: Name = None, timings: Timings = None) -> None:
    """Remove an add-on, and all that it made."""
    from .. import addons

    ledger = addons.disable(addon, name, reporter=reporter_for())
    say(f"{addon} is not enabled")
    show(ledger, timings)
