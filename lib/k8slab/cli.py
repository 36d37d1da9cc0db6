"""The command ``k8slab``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from . import lab
from .errors import LabError, UnknownMachine
from .progress import Ledger, reporter_for

app = typer.Typer(
    help="A real Kubernetes lab on this computer, and the book that runs on it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
book_app = typer.Typer(help="The book's chapters.", no_args_is_help=True)
app.add_typer(book_app, name="book")
bundle_app = typer.Typer(help="What a lab is made of.", no_args_is_help=True)
app.add_typer(bundle_app, name="bundle")

Name = Annotated[
    str | None, typer.Option("--name", help="The lab; K8SLAB_LAB or 'default'.")
]
Timings = Annotated[
    str | None, typer.Option(help="Show each phase's time: 'table' or 'json'.")
]
INTERRUPTED = 130
_PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True}


@app.command()
def up(
    name: Name = None,
    nodes: Annotated[
        int | None, typer.Option(help="Workers beside the master; 2 for a new lab.")
    ] = None,
    image: Annotated[
        str | None, typer.Option(help="'ready' or 'bare': what machines start from.")
    ] = None,
    slot: Annotated[
        int | None, typer.Option(help="The number its addresses follow from.")
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave what was made when it fails.")
    ] = False,
    timings: Timings = None,
) -> None:
    """Bring a lab up: from nothing, from a stop, or from what a crash left."""
    ledger = lab.up(
        name,
        workers=nodes,
        image=image,
        slot=slot,
        keep=keep,
        reporter=reporter_for(),
    )
    if any(phase.outcome == "changed" for phase in ledger.phases):
        _say(f"the lab is up after {ledger.total_s:.1f} s")
    else:
        _say("the lab was up already; nothing was changed")
    _show(ledger, timings)


@app.command()
def down(name: Name = None) -> None:
    """Remove a lab with everything it made, and what a chapter made beside it."""
    from . import bare

    there = lab.down(name, reporter=reporter_for())
    if bare.is_there(name):
        bare.remove(name)
    _say("the lab is gone" if there else "there was no such lab")


@app.command()
def stop(name: Name = None) -> None:
    """Shut a lab's machines down; their data stays."""
    lab.stop(name, reporter=reporter_for())


@app.command()
def start(name: Name = None, timings: Timings = None) -> None:
    """Start a stopped lab, and see it work again."""
    _show(lab.start(name, reporter=reporter_for()), timings)


@app.command()
def reset(name: Name = None, timings: Timings = None) -> None:
    """Make a lab anew with the same settings."""
    _show(lab.reset(name, reporter=reporter_for()), timings)


@app.command()
def status(name: Name = None) -> None:
    """Show a lab's machines, or all labs when none is named."""
    table = Table("lab", "machine", "state", "network", "Kubernetes")
    for each in [name] if name else lab.names():
        seen = lab.status(each)
        for machine, state in seen.machines.items():
            table.add_row(seen.name, machine, state, seen.network, seen.kubernetes)
    if table.row_count:
        Console().print(table)
    else:
        _say("there is no lab; make one: k8slab up")


@app.command(context_settings=_PASS_ON)
def ssh(context: typer.Context, machine: str, name: Name = None) -> None:
    """Open a shell on a machine, or run a command there."""
    from .machines.folder import LabFolder

    settings = lab.find(name)
    around = lab.Surroundings.read()
    if settings is None:
        raise lab.missing(name or around.lab)
    machines = {each.name: each for each in settings.machines}
    if machine not in machines:
        raise UnknownMachine(machine, tuple(machines))
    folder = LabFolder(around.home, settings.name)
    argv = ["ssh", "-F", "/dev/null", "-i", str(folder.key)]
    argv += ["-o", f"UserKnownHostsFile={folder.known_hosts}"]
    argv += ["-o", "StrictHostKeyChecking=yes", "-o", "IdentitiesOnly=yes"]
    argv += [f"root@{machines[machine].address}", *context.args]
    sys.stdout.flush()
    os.execvp("ssh", argv)  # noqa: S606 - the reader's own terminal takes over


@app.command(context_settings=_PASS_ON, add_help_option=False)
def kubectl(context: typer.Context) -> None:
    """Run kubectl on the lab's cluster, and on no other."""
    argv, variables = lab.connect().kubectl_command(context.args)
    sys.stdout.flush()
    # The reader's own terminal takes over, so that -it and -w work as usual.
    os.execve(argv[0], argv, {**os.environ, **variables})  # noqa: S606


@app.command()
def doctor() -> None:
    """Say whether this computer can carry a lab, with a cure for each finding."""
    from .bundle import Bundle
    from .errors import BundleError
    from .machines.doctor import diagnose, raise_on_errors
    from .machines.folder import free_slot
    from .machines.machine import AddressPlan

    around = lab.Surroundings.read()
    try:
        Bundle.open(around.cache, lab.source())
        built = True
    except BundleError:
        built = False
    findings = diagnose(
        AddressPlan(free_slot(around.home)),
        bridge="",
        folders=[around.cache, around.home],
        has_bundle=built,
        engine=around.provider,
    )
    table = Table("", "what", "seen", "wanted", "cure")
    for finding in findings:
        mark = "✔" if finding.ok else {"error": "✘", "warning": "!"}[finding.severity]
        table.add_row(mark, finding.name, finding.seen, finding.wanted, finding.cure)
    Console().print(table)
    raise_on_errors(findings)


@app.command()
def setup(tests: Annotated[bool, typer.Option("--tests")] = False) -> None:
    """Install what this computer lacks, load kernel modules and raise one limit."""
    from .bundle import versions
    from .machines import fitness
    from .run import LocalRunner

    ledger = Ledger(reporter_for())
    try:
        known = versions.read(lab.source())
        wanted = known.host_packages + (known.test_packages if tests else ())
        fitness.prepare(wanted, LocalRunner(), ledger)
    finally:
        ledger.close()


@bundle_app.command("build")
def bundle_build(timings: Timings = None) -> None:
    """Build what is missing or out of date."""
    from .bundle import Bundle

    ledger = Ledger(reporter_for())
    try:
        Bundle.build(lab.Surroundings.read().cache, lab.source(), ledger)
    finally:
        ledger.close()
    _show(ledger, timings)


@bundle_app.command("verify")
def bundle_verify() -> None:
    """Read every file again and compare its hash."""
    _say(f"{len(lab.bundle().verify())} artefacts are as they were built")


@bundle_app.command("list")
def bundle_list() -> None:
    """Show the artefacts with their sizes and keys."""
    table = Table("artefact", "MB", "key")
    for artefact in lab.bundle().list():
        table.add_row(
            artefact.name, f"{artefact.size_bytes / 1e6:.1f}", artefact.key[:12]
        )
    Console().print(table)


@bundle_app.command("export")
def bundle_export(file: Path) -> None:
    """Write the whole bundle into one file."""
    lab.bundle().export(file)
    _say(f"{file}: {file.stat().st_size / 1e6:.0f} MB")


@bundle_app.command("import")
def bundle_import(file: Path) -> None:
    """Take over a bundle from a file, after checking every part of it."""
    from .bundle import Bundle

    Bundle.import_(lab.Surroundings.read().cache, lab.source(), file)
    _say("the bundle is taken over")


@book_app.command("open", context_settings=_PASS_ON)
def book_open(
    context: typer.Context,
    root: Annotated[
        Path | None, typer.Option(help="A copy of the book; else the repository.")
    ] = None,
) -> None:
    """Open JupyterLab at the first page; what else is typed goes to JupyterLab."""
    from .jupyter import opening
    from .run import LocalRunner

    root = (root or lab.source().parent).resolve()
    argv = [*opening.arguments(root), *context.args]
    LocalRunner().run(opening.trusted(root))
    sys.stdout.flush()
    os.execv(argv[0], argv)  # noqa: S606 - the reader's own terminal takes over


@book_app.command("run")
def book_run(
    chapters: Annotated[list[Path] | None, typer.Argument()] = None,
) -> None:
    """Run chapters, or all, on the lab and store their outputs in them."""
    from .book import execute

    ledger = Ledger(reporter_for())
    try:
        execute.run(chapters or (), lab=lab.Surroundings.read().lab, ledger=ledger)
    finally:
        ledger.close()


@app.command()
def progress() -> None:
    """Show what you have done of the book: claims checked, exercises solved."""
    from . import study

    print(study.progress().text)


def main() -> None:
    """Run the command; an error is told in a few lines and an exit code."""
    try:
        app()
    except LabError as error:
        print(f"k8slab: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except SystemExit as end:
        if end.code == INTERRUPTED:  # typer takes Ctrl-C as the end, without a word
            print("k8slab: interrupted", file=sys.stderr)
        raise


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _show(ledger: Ledger, timings: str | None) -> None:
    if timings == "json":
        print(ledger.as_json())
    elif timings is not None:
        Console().print(ledger.table())
