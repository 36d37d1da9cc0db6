"""The commands ``k8slab bundle``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from k8slab.core import terminal
from k8slab.core.env import Environment
from k8slab.core.phases import Ledger, reporter_for

from .shared import Timed, Timings, say, show

app = typer.Typer(help="What a lab is made of.", no_args_is_help=True)


@app.command("build", cls=Timed)
def build(
    component: Annotated[
        list[str] | None, typer.Argument(help="Built on demand only.")
    ] = None,
    timings: Timings = None,
) -> None:
    """Build what is missing or out of date."""
    from ..bundle import Bundle, source
    from ..computer import require_root

    require_root("building the bundle", mounts=True)
    ledger = Ledger(reporter_for())
    try:
        Bundle.build(
            Environment.read().cache, source(), ledger, also=tuple(component or ())
        )
    finally:
        ledger.close()
    show(ledger, timings)


@app.command("verify")
def verify() -> None:
    """Read every file again and compare its hash."""
    from ..bundle import opened

    say(f"{len(opened().verify())} artefacts are as they were built")


@app.command("list")
def list_() -> None:
    """Show the artefacts with their sizes and keys."""
    from ..bundle import opened

    table = Table("artefact", "MB", "key")
    for artefact in opened().artefacts:
        table.add_row(
            artefact.name, f"{artefact.size_bytes / 1e6:.1f}", artefact.key[:12]
        )
    terminal.show(table)


@app.command("export")
def export(file: Path) -> None:
    """Write what labs are made of into one file."""
    from ..bundle import opened

    opened().export(file)
    say(f"{file}: {file.stat().st_size / 1e6:.0f} MB")


@app.command("import")
def import_(file: Path) -> None:
    """Take over a bundle from a file, after checking every part of it."""
    from ..bundle import Bundle, source
    from ..computer import require_root

    require_root("importing a bundle, whose files have owners,")
    Bundle.import_(Environment.read().cache, source(), file)
    say("the bundle is taken over")


@app.command("prune")
def prune(
    kit_only: Annotated[
        bool, typer.Option("--kit-only", help="Keep only what labs are made of.")
    ] = False,
) -> None:
    """Drop what no lab needs and a build can make again."""
    from ..bundle import opened

    say(opened().prune(kit_only=kit_only).text)


@app.command("bump")
def bump(component: str, version: str) -> None:
    """Give a component another version, in every place that names it."""
    from k8slab.core.process import LocalRunner

    from ..bundle import source
    from ..bundle.bump import bump as give

    cache = Environment.read().cache
    done = give(source().parent, cache, component, version, LocalRunner())
    if not done.changed:
        say(f"{component} is {version} already")
        return
    say(f"{component} is {version} now, {done.old} before")
    for what, names in (
        ("changed", done.changed),
        ("not changed, as another component has that version, too", done.doubtful),
        ("run first", done.commands),
        ("'k8slab bundle build' makes anew", done.rebuilt),
        ("to be executed again on a new lab", done.chapters),
    ):
        if names:
            say(f"{what}:\n  " + "\n  ".join(names))
