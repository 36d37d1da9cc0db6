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
from k8slab.errors import BadInput
from labmaker.cli.shared import PASS_ON, Name, expanded

book_app = typer.Typer(help="The book's chapters.", no_args_is_help=True)
_CONTENTS = "_toc.yml"


def register(app: typer.Typer) -> None:
    """Add the book's commands; `labmaker.cli` finds this by its entry point."""
    app.add_typer(book_app, name="book")
    app.command()(progress)


@book_app.command("open", context_settings=PASS_ON)
def book_open(
    context: typer.Context,
    root: Annotated[
        Path | None,
        typer.Option(
            help="A copy of the book; else the repository.", callback=expanded
        ),
    ] = None,
    name: Name = None,
) -> None:
    """Open JupyterLab at the first page; what else is typed goes to JupyterLab."""
    from .jupyterlab import opening, terminals
    from .notebooks import ROOT

    root = (root or ROOT).resolve()
    if not (root / _CONTENTS).is_file():
        raise BadInput(
            "that is no copy of the book",
            where=str(root),
            wanted=f"a folder with chapters, manifests and {_CONTENTS}",
            next="name one; onboarding.md says how to make it",
        )
    if name is not None:
        os.environ["K8SLAB_LAB"] = lab_name(name)  # JupyterLab inherits it
    argv = [*opening.arguments(root), *context.args]
    variables = terminals.environment()
    LocalRunner(env=variables).run(opening.trusted(root))
    sys.stdout.flush()
    os.execve(argv[0], argv, variables)  # noqa: S606 - the reader's own terminal takes over


@book_app.command("run")
def book_run(
    chapters: Annotated[list[Path] | None, typer.Argument()] = None,
    name: Name = None,
) -> None:
    """Run chapters, or all, on the lab and store their outputs in them."""
    from . import execute
    from .notebooks import ROOT

    lab, here = _lab(name), Path.cwd()
    root = here if (here / _CONTENTS).is_file() else ROOT
    ledger = Ledger(reporter_for())
    try:
        execute.run(chapters or (), lab=lab, root=root, ledger=ledger)
    finally:
        ledger.close()


@book_app.command("link")
def book_link(
    chapters: Annotated[list[Path] | None, typer.Argument()] = None,
) -> None:
    """Link the words of chapters, or of all, to the glossary; each once."""
    from . import glossary
    from .notebooks import ROOT, chapter_paths

    for path in glossary.link(chapters or chapter_paths(ROOT), ROOT):
        print(f"written: {path.name}")


def progress(
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="Exported progress of several readers, to compare."),
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option(help="Write your progress into this file.", callback=expanded),
    ] = None,
    learner: Annotated[
        str,
        typer.Option(
            help="Your name in it; the lab's by default, of 'default' your login."
        ),
    ] = "",
    page: Annotated[
        Path | None,
        typer.Option(
            "--html", help="Write the table as a page, too.", callback=expanded
        ),
    ] = None,
    name: Name = None,
) -> None:
    """Show what you have done of the book, or what a team has."""
    from . import progress as reader
    from . import team

    if export is not None and (files or page is not None):
        raise BadInput(
            "progress is exported, or shown, and not both",
            wanted="--export without exported files and --html",
            next="give two commands: one with --export, one with the rest",
        )
    if files:
        shown = team.table(team.collect(files))
    else:
        lab = _lab(name)
        rows = reader.rows(lab=lab)
        for line in reader.remarks(rows, lab):
            say(line)
        if export is not None:
            team.export(export, rows, name=learner or team.learner(lab))
            say(f"written to {export}: what was done in the lab {lab!r}")
            return
        shown = reader.draw(rows)
    if page is not None:
        team.publish(page, shown)
    print(shown.text)


def _lab(name: str | None) -> str:
    """Return the lab that is meant, by its name or by the environment."""
    return lab_name(name) if name is not None else Environment.read().lab
