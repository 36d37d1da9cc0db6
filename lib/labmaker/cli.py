"""The command ``k8slab``."""

from __future__ import annotations

import os
import sys
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from typer.core import TyperCommand

from k8slab import lab
from k8slab.core import hints
from k8slab.core.env import Environment
from k8slab.core.phases import Ledger, reporter_for
from k8slab.errors import LabError, UnknownMachine

from . import lifecycle

app = typer.Typer(
    help="A real Kubernetes lab on this computer, and the book that runs on it.",
    no_args_is_help=True,
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
bundle_app = typer.Typer(help="What a lab is made of.", no_args_is_help=True)
app.add_typer(bundle_app, name="bundle")

Name = Annotated[
    str | None, typer.Option("--name", help="The lab; K8SLAB_LAB or 'default'.")
]
Timings = Annotated[
    str | None,
    typer.Option(help="Show each phase's time: 'table', or 'json'; alone: table."),
]
INTERRUPTED = 130
_FORMS = (["table"], ["json"])
_PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True}
# What comes after the first word is the other command's, a --name included.
_PASS_ALL = {**_PASS_ON, "allow_interspersed_args": False}


class _Timed(TyperCommand):
    """A command whose ``--timings`` may stand without a value, which means a table."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Give ``--timings`` the value that it lacks, then parse as usual."""
        given = list(args)
        for place, word in enumerate(args):
            if word == "--timings" and args[place + 1 : place + 2] not in _FORMS:
                given[place] = "--timings=table"
        return super().parse_args(ctx, given)


@app.callback()
def _program(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and end.")
    ] = False,
) -> None:
    if version:
        print(f"k8slab {metadata.version('k8slab')}")
        raise typer.Exit


@app.command(cls=_Timed)
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
    ledger = lifecycle.up(
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

    there = lifecycle.down(name, reporter=reporter_for())
    if bare.is_there(name):
        bare.remove(name)
    _say("the lab is gone" if there else "there was no such lab")


@app.command()
def stop(name: Name = None) -> None:
    """Shut a lab's machines down; their data stays."""
    lifecycle.stop(name, reporter=reporter_for())


@app.command(cls=_Timed)
def start(name: Name = None, timings: Timings = None) -> None:
    """Start a stopped lab, and see it work again."""
    _show(lifecycle.start(name, reporter=reporter_for()), timings)


@app.command(cls=_Timed)
def reset(name: Name = None, timings: Timings = None) -> None:
    """Make a lab anew with the same settings."""
    _show(lifecycle.reset(name, reporter=reporter_for()), timings)


@app.command()
def heal(name: Name = None) -> None:
    """Undo the faults that ended sessions left in a lab, as connecting does."""
    lab.heal(name)
    _say("no ended session has a fault left in the lab")


@app.command()
def status(name: Name = None) -> None:
    """Show a lab's machines, or all labs when none is named."""
    table = Table("lab", "machine", "state", "network", "Kubernetes")
    for each in [name] if name else lab.names():
        seen = lifecycle.status(each)
        for machine, state in seen.machines.items():
            table.add_row(seen.name, machine, state, seen.network, seen.kubernetes)
    if table.row_count:
        Console().print(table)
    else:
        _say(f"there is no lab; make one: {hints.command('up', name or '')}")


@app.command(context_settings=_PASS_ON)
def ssh(context: typer.Context, machine: str, name: Name = None) -> None:
    """Open a shell on a machine, or run a command there."""
    from k8slab.folder import LabFolder

    settings = lab.find(name)
    env = Environment.read()
    if settings is None:
        raise lab.missing(name or env.lab)
    machines = {each.name: each for each in settings.machines}
    if machine not in machines:
        raise UnknownMachine(machine, tuple(machines))
    folder = LabFolder(env.home, settings.name)
    argv = ["ssh", "-F", "/dev/null", "-i", str(folder.key)]
    argv += ["-o", f"UserKnownHostsFile={folder.known_hosts}"]
    argv += ["-o", "StrictHostKeyChecking=yes", "-o", "IdentitiesOnly=yes"]
    argv += [f"root@{machines[machine].address}", *context.args]
    sys.stdout.flush()
    os.execvp("ssh", argv)  # noqa: S606 - the reader's own terminal takes over


@app.command(context_settings=_PASS_ALL, add_help_option=False)
def kubectl(context: typer.Context, name: Name = None) -> None:
    """Run kubectl on the lab's cluster, and on no other; --name comes first."""
    argv, variables = lab.connect(name).kubectl_command(context.args)
    sys.stdout.flush()
    # The reader's own terminal takes over, so that -it and -w work as usual.
    os.execve(argv[0], argv, {**os.environ, **variables})  # noqa: S606


@app.command()
def doctor() -> None:
    """Say whether this computer can carry a lab, with a cure for each finding."""
    from k8slab.errors import BundleError

    from .bundle import Bundle, source
    from .host.doctor import diagnose, raise_on_errors
    from .plan import AddressPlan
    from .providers import provider_of
    from .settings import free_slot

    env = Environment.read()
    try:
        Bundle.open(env.cache, source())
        built = True
    except BundleError:
        built = False
    findings = diagnose(
        AddressPlan(free_slot(env.home)),
        bridge="",
        folders=[env.cache, env.home],
        has_bundle=built,
        provider=provider_of(env.provider, env.lab),
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
    from k8slab.core.process import LocalRunner

    from .bundle import source, versions
    from .host import setup
    from .providers import NAMES, packages

    ledger = Ledger(reporter_for())
    try:
        known = versions.read(source())
        providers = NAMES if tests else (Environment.read().provider,)
        wanted = [*known.host_packages, *packages(*providers)]
        wanted += known.test_packages if tests else ()
        setup.prepare(wanted, LocalRunner(), ledger)
    finally:
        ledger.close()


@bundle_app.command("build", cls=_Timed)
def bundle_build(
    component: Annotated[
        list[str] | None, typer.Argument(help="Built on demand only.")
    ] = None,
    timings: Timings = None,
) -> None:
    """Build what is missing or out of date."""
    from .bundle import Bundle, source

    ledger = Ledger(reporter_for())
    try:
        Bundle.build(
            Environment.read().cache, source(), ledger, also=tuple(component or ())
        )
    finally:
        ledger.close()
    _show(ledger, timings)


@bundle_app.command("verify")
def bundle_verify() -> None:
    """Read every file again and compare its hash."""
    from .bundle import opened

    _say(f"{len(opened().verify())} artefacts are as they were built")


@bundle_app.command("list")
def bundle_list() -> None:
    """Show the artefacts with their sizes and keys."""
    from .bundle import opened

    table = Table("artefact", "MB", "key")
    for artefact in opened().artefacts:
        table.add_row(
            artefact.name, f"{artefact.size_bytes / 1e6:.1f}", artefact.key[:12]
        )
    Console().print(table)


@bundle_app.command("export")
def bundle_export(file: Path) -> None:
    """Write the whole bundle into one file."""
    from .bundle import opened

    opened().export(file)
    _say(f"{file}: {file.stat().st_size / 1e6:.0f} MB")


@bundle_app.command("import")
def bundle_import(file: Path) -> None:
    """Take over a bundle from a file, after checking every part of it."""
    from .bundle import Bundle, source

    Bundle.import_(Environment.read().cache, source(), file)
    _say("the bundle is taken over")


@bundle_app.command("bump")
def bundle_bump(component: str, version: str) -> None:
    """Give a component another version, in every place that names it."""
    from k8slab.core.process import LocalRunner

    from .bundle import source
    from .bundle.bump import bump

    cache = Environment.read().cache
    done = bump(source().parent, cache, component, version, LocalRunner())
    if not done.changed:
        _say(f"{component} is {version} already")
        return
    _say(f"{component} is {version} now, {done.old} before")
    for what, names in (
        ("changed", done.changed),
        ("not changed, as another component has that version, too", done.doubtful),
        ("run first", done.commands),
        ("'k8slab bundle build' makes anew", done.rebuilt),
        ("to be executed again on a new lab", done.chapters),
    ):
        if names:
            _say(f"{what}:\n  " + "\n  ".join(names))


def command() -> typer.Typer:
    """Return the whole command: this module's part, and what others add to it."""
    for part in metadata.entry_points(group="k8slab.commands"):
        part.load()(app)
    return app


def main() -> None:
    """Run the command; an error is told in a few lines and an exit code."""
    try:
        command()()
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
