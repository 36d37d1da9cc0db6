"""The part of the command ``k8slab`` that concerns the book."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from k8slab.core.env import Environment
from k8slab.core.names import lab_name
from k8slab.core.phases import Ledger, reporter_for
from k8slab.core.process import LocalRunner
from k8slab.core.terminal import say
from labmaker.cli.shared import Name

book_app = typer.Typer(help="The book's chapters.", no_args_is_help=True)
_PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True}
_ROOT = Path(__file__).resolve().parents[2]


def register(app: typer.Typer) -> None:
    """Add the book's commands; `labmaker.cli` finds this by its entry point."""
    app.add_typer(book_app, name="book")
    app.command()(progress)


@book_app.command("open", context_settings=_PASS_ON)
def book_open(
    context: typer.Context,
    root: Annotated[
        Path | None, typer.Option(help="A copy of the book; else the repository.")
    ] = None,
) -> None:
    """Open JupyterLab at the first page; what else is typed goes to JupyterLab."""
    from .jupyterlab import opening, terminals

    root = (root or _ROOT).resolve()
    argv = [*opening.arguments(root), *context.args]
    LocalRunner().run(opening.trusted(root))
    sys.stdout.flush()
    os.execve(argv[0], argv, terminals.environment())  # noqa: S606 - the reader's own terminal takes over


@book_app.command("run")
def book_run(
    chapters: Annotated[list[Path] | None, typer.Argument()] = None,
) -> None:
    """Run chapters, or all, on the lab and store their outputs in them."""
    from . import execute

    ledger = Ledger(reporter_for())
    try:
        execute.run(chapters or (), lab=Environment.read().lab, ledger=ledger)
    finally:
        ledger.close()


@book_app.command("link")
def book_link(
    chapters: Annotated[list[Path] | None, typer.Argument()] = None,
) -> None:
    """Link the words of chapters, or of all, to the glossary; each once."""
    from . import glossary
    from .notebooks import chapter_paths

    for path in glossary.link(chapters or chapter_paths(_ROOT), _ROOT):
        print(f"written: {path.name}")


def progress(
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="Exported progress of several readers, to compare."),
    ] = None,
    export: Annotated[
        Path | None, typer.Option(help="Write your progress into this file.")
    ] = None,
    learner: Annotated[
        str,
        typer.Option(
            help="Your name in it; the lab's by default, of 'default' your login."
        ),
    ] = "",
    page: Annotated[
        Path | None, typer.Option("--html", help="Write the table as a page, too.")
    ] = None,
    name: Name = None,
) -> None:
    """Show what you have done of the book, or what a team has."""
    from . import progress as reader
    from . import team

    if files and export is None:
        shown = team.table(team.collect(files))
    else:
        lab = lab_name(name) if name is not None else Environment.read().lab
        rows = reader.rows(lab=lab)
        for line in reader.remarks(rows, lab):
            say(line)
        if export is not None:
            team.export(export, rows, name=learner or team.learner(lab))
            say(f"written to {export}: what was done in the lab {lab!r}")
            return
        shown = reader.draw(rows)
    if page is not None:
        page.write_text(team.page(shown), encoding="utf-8")
    print(shown.text)
