"""The command ``k8slab``."""

from __future__ import annotations

import os
import shlex
import sys
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.table import Table

from k8slab import lab
from k8slab.core import hints, outside, terminal
from k8slab.core.env import Environment, settle
from k8slab.core.phases import Ledger, reporter_for
from k8slab.core.signals import terminable
from k8slab.errors import BadInput, HostProblem, LabError, UnknownMachine

from .. import adopted, lifecycle
from ..companions import refuse_own
from ..inventory import as_noted
from . import addon, bundle, images
from .shared import (
    PASS_ON,
    Name,
    Timed,
    Timings,
    asking,
    consent,
    expanded,
    say,
    show,
    typed_as,
)

app = typer.Typer(
    help="A real Kubernetes lab on this computer, and the book that runs on it.",
    no_args_is_help=True,
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(bundle.app, name="bundle")
app.add_typer(images.app, name="images")
app.add_typer(addon.app, name="addon")
INTERRUPTED = 130
CLOSED = 141
"""The exit code of a command whose reader has gone, as a shell gives it."""
# What comes after the first word is the other command's, a --name included.
_PASS_ALL = {**PASS_ON, "allow_interspersed_args": False}


@app.callback()
def _program(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and end.")
    ] = False,
) -> None:
    if version:
        print(f"k8slab {metadata.version('k8slab')}")
        raise typer.Exit


@app.command(cls=Timed)
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
    inventory: Annotated[
        Path | None,
        typer.Option(
            help="A file that names machines that are there, to use them.",
            callback=expanded,
        ),
    ] = None,
    timings: Timings = None,
) -> None:
    """Bring a lab up: from nothing, from a stop, or from what a crash left."""
    meant = lab.folder(name)
    if not meant.record_file.exists():
        refuse_own(meant.name)
    ledger = lifecycle.up(
        name,
        workers=nodes,
        image=image,
        slot=slot,
        keep=keep,
        inventory=inventory and as_noted(name, inventory),
        ask=asking(),
        reporter=reporter_for(),
    )
    if any(phase.outcome == "changed" for phase in ledger.phases):
        say(f"the lab is up after {ledger.total_s:.1f} s")
    else:
        say("the lab was up already; nothing was changed")
    show(ledger, timings)


@app.command()
def down(
    name: Name = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask before your machines are changed.")
    ] = False,
    forget: Annotated[
        bool, typer.Option("--forget", help="Leave your machines as they are now.")
    ] = False,
) -> None:
    """Remove a lab with everything it made, and what a chapter made beside it."""
    from .. import bare, inventory

    ours = not lab.folder(name).is_adopted
    inventoried = inventory.find(name)
    if inventoried is not None and not forget:
        where = ", ".join(f"{m.name} ({m.address})" for m in inventoried.machines)
        consent(f"Kubernetes is removed from {where}. Go on?", yes, inventoried.name)
    removed = lifecycle.down(name, forget=forget, reporter=reporter_for())
    if not ours:
        say("the adopted cluster is forgotten; nothing in it was touched")
        return
    if bare.is_there(name):
        bare.remove(name)
    if inventoried is not None:
        forgotten = "the lab is forgotten; its machines stay as they are"
        say(forgotten if forget else "the machines are as they were")
        return
    if removed.left:
        say("the lab is forgotten; what stays of it is named above")
        return
    say("the lab is gone" if removed.there else "there was no such lab")


@app.command()
def stop(name: Name = None) -> None:
    """Shut a lab's machines down; their data stays."""
    lifecycle.stop(name, reporter=reporter_for())


@app.command(cls=Timed)
def start(name: Name = None, timings: Timings = None) -> None:
    """Start a stopped lab, and see it work again."""
    show(lifecycle.start(name, reporter=reporter_for()), timings)


@app.command(cls=Timed)
def reset(name: Name = None, timings: Timings = None) -> None:
    """Make a lab anew with the same settings."""
    before = lab.find(name)
    ledger = lifecycle.reset(name, reporter=reporter_for())
    after = lab.find(name)
    if before and after and after.ranges and before.ranges != after.ranges:
        others = ", ".join(str(network) for network in after.ranges.all)
        say(f"another lab took its addresses meanwhile; they are {others} now")
    show(ledger, timings)


@app.command("adopt")
def adopt_(
    kubeconfig: Annotated[
        Path,
        typer.Option(help="Somebody's kubeconfig; it is read once.", callback=expanded),
    ],
    context: Annotated[
        str | None, typer.Option(help="One of its contexts; the current one.")
    ] = None,
    name: Name = None,
    images: Annotated[
        str | None,
        typer.Option(help="Where images are: REGISTRY/PREFIX; see images push."),
    ] = None,
) -> None:
    """Make an existing cluster a lab: chapters run in namespaces of their own there."""
    from ..adopted.adopt import adopt

    done = adopt(name, kubeconfig, context=context, images=images)
    say(f"the cluster at {done.server} is adopted; kubectl {done.kubectl}")
    pulled = ", ".join(done.record.images.values())
    say(f"chapters run {pulled} there")
    if not images:
        say("if it cannot pull them, adopt it again with --images REGISTRY/PREFIX")


@app.command()
def heal(name: Name = None) -> None:
    """Undo the faults that ended sessions left in a lab, as connecting does."""
    healed = lab.heal(name)
    if healed.held:
        say(f"faults of sessions that are alive, theirs to undo: {healed.held}")
    if not healed.waiting:
        say("no ended session has a fault left in the lab")
        return
    bring_up = hints.command("up", lab.folder(name).name)
    say(f"the lab is stopped; faults that {bring_up} undoes: {healed.waiting}")


@app.command()
def status(name: Name = None) -> None:
    """Show a lab's machines, or all labs when none is named."""
    table = Table("lab", "machine", "state", "network", "Kubernetes")
    for each in lab.names() if name is None else [name]:
        try:
            seen = lifecycle.status(each)
        except LabError as error:
            if name is not None:
                raise
            told = hints.as_called(f"{error.what}: {error.next or error.seen}")
            table.add_row(each, "", told, "", "")
            continue
        for machine, state in seen.machines.items():
            table.add_row(seen.name, machine, state, seen.network, seen.kubernetes)
    if table.row_count:
        terminal.show(table)
    else:
        say(f"there is no lab in {lab.home()}; {lab.make_it(name or '')}")


@app.command("ssh", context_settings=_PASS_ALL)
def ssh_(context: typer.Context, machine: str, name: Name = None) -> None:
    """Open a shell on a machine, or run a command there; --name comes first."""
    words = context.args[1:] if context.args[:1] == ["--"] else context.args
    option, _, value = " ".join(words[:2]).replace("=", " ", 1).partition(" ")
    if option == "--name":
        raise BadInput(
            "what follows the machine is a command for it",
            wanted="--name before the machine",
            seen=shlex.join(["k8slab", "ssh", machine, *words]),
            next=hints.command("ssh", value.partition(" ")[0], machine),
        )
    folder = lab.folder(name)
    settings = folder.record()
    if settings is None:
        raise lab.missing(folder.name)
    adopted.refuse(folder.name, "to open a shell on")
    machines = {each.name: each for each in settings.machines}
    if machine not in machines:
        raise UnknownMachine(machine, tuple(machines))
    from . import ssh

    argv = ssh.argv(folder, machines[machine], words)
    sys.stdout.flush()
    try:
        os.execvp("ssh", argv)  # noqa: S606 - the reader's own terminal takes over
    except FileNotFoundError as error:
        raise HostProblem(
            "this computer has no ssh",
            where="this computer",
            wanted="the command ssh",
            seen="none on the PATH",
            next="apt-get install --yes openssh-client",
        ) from error


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
    from k8slab.core.process import LocalRunner
    from k8slab.errors import BundleError

    from ..bundle import Bundle, source, versions
    from ..host.doctor import diagnose, raise_on_errors
    from ..lifecycle.preflight import choose_plan
    from ..plan import AddressPlan
    from ..providers import networks, packages, provider_of

    env = Environment.read()
    try:
        Bundle.open(env.cache, source())
        built = True
    except BundleError:
        built = False
    wanted: list[str] = []
    with suppress(LabError):  # without the repository, or of an unknown provider
        known = versions.read(source())
        wanted = [*known.host_packages, *packages(env.provider)]
    plan = AddressPlan(0)
    with suppress(LabError):  # without 'ip', which is one of the findings, or a slot
        plan = choose_plan(env.home, None, LocalRunner(), networks())
    findings = diagnose(
        plan,
        bridge="",
        folders=[env.cache, env.home],
        has_bundle=built,
        provider=provider_of(env.provider, env.lab),
        packages=wanted,
    )
    for finding in findings:
        print(hints.as_called(str(finding)))
    raise_on_errors(findings)


@app.command()
def setup(
    tests: Annotated[bool, typer.Option("--tests", help="And for make test.")] = False,
    guests: Annotated[bool, typer.Option("--guests", help="For make hosts.")] = False,
) -> None:
    """Install what this computer lacks, load kernel modules and raise one limit."""
    from k8slab.core.process import LocalRunner

    from ..bundle import source, versions
    from ..computer import require_root
    from ..host import setup
    from ..providers import NAMES, packages

    require_root("setup")
    ledger = Ledger(reporter_for())
    try:
        known = versions.read(source())
        providers = NAMES if tests else (Environment.read().provider,)
        wanted = [*known.host_packages, *packages(*providers)]
        wanted += known.test_packages if tests else ()
        wanted += known.guest_packages if guests else ()
        setup.prepare(wanted, LocalRunner(), ledger)
    finally:
        ledger.close()


def command() -> typer.Typer:
    """Return the whole command: this module's part, and what others add to it."""
    for part in metadata.entry_points(group="k8slab.commands"):
        part.load()(app)
    return app


def main() -> None:
    """Run the command; an error is told in a few lines and an exit code.

    Whatever the system raises ends here as an error of ours.
    """
    terminal.prepare()
    try:
        with outside.told(), terminable():
            hints.call_it(typed_as(sys.argv[0]))
            settle()
            try:
                command()(prog_name=hints.called())
            finally:
                sys.stdout.flush()
    except LabError as error:
        say(f"k8slab: {error}")
        _leave(error.exit_code)
    except BrokenPipeError:  # as 'k8slab status | head -1' does
        _leave(CLOSED)
    except KeyboardInterrupt:
        say("k8slab: interrupted")
        _leave(INTERRUPTED)
    except SystemExit as end:
        if end.code == INTERRUPTED:  # typer takes Ctrl-C as the end, without a word
            say("k8slab: interrupted")
        raise


def _leave(code: int) -> NoReturn:
    """End with an exit code; what nobody could read is not tried again."""
    try:
        sys.stdout.flush()
    except OSError:  # Python would try it again at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)
