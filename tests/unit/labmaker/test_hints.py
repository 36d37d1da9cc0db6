"""Commands in messages: each works as printed, on the lab that is meant."""

from __future__ import annotations

import ast
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from fakes.host import FakeHost
from paths import ROOT

from k8slab import lab
from k8slab.core import hints, terminal
from k8slab.core.hints import command, down_then_up
from k8slab.core.names import INSTALL
from k8slab.core.phases import Ledger, Plain
from k8slab.errors import BadInput, HostProblem, LabMissing, NotReady
from k8slab.folder import LabFolder
from labmaker import advice, cli
from labmaker.cli.shared import typed_as
from labmaker.companions import own_lab
from labmaker.lifecycle import transitions
from labmaker.lifecycle.preflight import free_slot
from labmaker.lifecycle.removed import Removed
from labmaker.plan import SLOTS, AddressPlan
from labmaker.providers import provider_of
from labmaker.settings import Settings

LIB = ROOT / "lib"
LAB = "blue"
_SPELLED = re.compile(r"\bk8slab ((?:[a-z]+ ?)+[^'`;,\n]*)")


PROGRAM: Any = typer.main.get_command(cli.command())


def parse(line: str) -> Any:
    """Parse a command line as the command does, and run nothing."""
    program, *words = shlex.split(line)
    found = PROGRAM
    context = found.make_context(program, list(words))
    while hasattr(found, "resolve_command"):
        name, found, words = found.resolve_command(context, words)
        context = found.make_context(name, list(words), parent=context)
    return context


@cache
def modules() -> list[tuple[str, list[ast.AST]]]:
    """Return what every module says that has hints, but for the one that writes them.

    Each process of pytest-xdist walks through them: not through the others, and once.
    """
    texts = {
        path.relative_to(LIB).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(LIB.rglob("*.py"))
        if path.name != "hints.py"
    }
    return [
        (name, list(ast.walk(ast.parse(text))))
        for name, text in texts.items()
        if "command(" in text or "k8slab " in text
    ]


def filled(node: ast.expr) -> str:
    """Return a string of the source, with a word where a value would be."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(filled(part) for part in node.values)
    return "node1"


def built() -> Iterator[tuple[str, str]]:
    """Yield each command that the library builds with `command`, and where."""
    for name, nodes in modules():
        for node in nodes:
            if not (isinstance(node, ast.Call) and node.args):
                continue
            if ast.unparse(node.func) in ("command", "hints.command"):
                verb = filled(node.args[0])
                lab = LAB if node.args[1:] else ""
                rest = filled(node.args[2]) if node.args[2:] else ""
                yield f"{name}:{node.lineno}", command(verb, lab, rest)


def spelled() -> Iterator[tuple[str, str]]:
    """Yield each command that a string of the library spells out, and where."""
    for name, nodes in modules():
        docs = {
            id(node.value)
            for node in nodes
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        }
        for node in nodes:
            if not (isinstance(node, ast.Constant) and isinstance(node.value, str)):
                continue
            if id(node) not in docs and not name.endswith("lint/rules.py"):
                for found in _SPELLED.finditer(node.value):
                    yield f"{name}:{node.lineno}", f"k8slab {found[1].strip()}"


VERBS = PROGRAM.commands
BUILT = list(built())
SPELLED = [(at, line) for at, line in spelled() if line.split()[1] in VERBS]


@pytest.mark.parametrize(("at", "hint"), BUILT, ids=[at for at, _ in BUILT])
def test_a_built_command_is_one_that_the_command_takes(at: str, hint: str) -> None:
    """It parses, and means the lab that it was built for."""
    context = parse(hint.strip("'"))

    assert context.params.get("name", LAB if "--name" in hint else None) in (LAB, None)
    assert ("--name" in hint) == (context.params.get("name") == LAB)


@pytest.mark.parametrize(("at", "line"), SPELLED, ids=[at for at, _ in SPELLED])
def test_a_spelled_command_concerns_no_lab(at: str, line: str) -> None:
    """What a text spells out parses, and has no --name that could be missing."""
    context = parse(line)

    assert "name" not in {each.name for each in context.command.params}


def test_the_walk_finds_the_hints() -> None:
    """Both walks see the library: a walk that finds nothing proves nothing."""
    assert len(BUILT) > 20
    assert len(SPELLED) > 3


@pytest.mark.parametrize("line", ["k8slab upp", "k8slab up --nme x", "k8slab ssh"])
def test_a_wrong_command_does_not_parse(line: str) -> None:
    """The parser that judges hints refuses a wrong verb, option and argument."""
    with pytest.raises(Exception, match=r"No such|Missing"):
        parse(line)


def test_another_lab_is_named() -> None:
    """The name stands behind the verb, before what is another program's."""
    assert command("up", "blue") == "'k8slab up --name blue'"
    assert (
        command("ssh", "blue", "node1 journalctl -n 30")
        == "'k8slab ssh --name blue node1 journalctl -n 30'"
    )
    assert (
        down_then_up("blue")
        == "'k8slab down --name blue', then 'k8slab up --name blue'"
    )


@pytest.mark.parametrize(
    ("meant", "lab", "hint"),
    [
        ("", "default", "'k8slab up'"),
        ("blue", "default", "'k8slab up --name default'"),
        ("blue", "blue", "'k8slab up --name blue'"),
    ],
)
def test_only_the_lab_that_everybody_means_is_left_out(
    monkeypatch: pytest.MonkeyPatch, meant: str, lab: str, hint: str
) -> None:
    """K8SLAB_LAB may not be set in the terminal where the command is pasted."""
    monkeypatch.setenv("K8SLAB_LAB", meant)

    assert command("up", lab) == hint


def test_what_follows_kubectl_is_kubectls() -> None:
    """Its --name comes first; a later one, and a double dash, go to kubectl."""
    own = ["expose", "pod", "web", "--name", "shop", "--", "ls"]

    assert parse(shlex.join(["k8slab", "kubectl", *own])).args == own
    given = parse(shlex.join(["k8slab", "kubectl", "--name", "blue", *own]))
    assert (given.params["name"], given.args) == ("blue", own)
    short = parse("k8slab kubectl -n kube-system get pods -A")
    assert short.args == ["-n", "kube-system", "get", "pods", "-A"]


HINTS = sorted(
    {hint for _, hint in BUILT} | {down_then_up(LAB), "look at 'ip route'", ""}
)
MAKES = "labmaker.lifecycle.transitions"
NEEDS_NO_LAB = {"up", "doctor", "setup", "bundle"}
TAKES_A_LAB_THAT_WAS_NEVER_UP = {
    *("ssh", "status", "reset", "down", "stop"),
    *("doctor", "setup"),
}


def verbs(said: str) -> set[str]:
    """Return the commands of a hint, each of which parses."""
    lines = re.findall(r"'(k8slab [^']*)'", said)
    return {parse(line).command_path.split()[1] for line in lines}


class Failing(transitions.Transitions):
    """Makes a lab until a step fails with an error that gives this hint."""

    def __init__(self, home: Path, hint: str, monkeypatch: pytest.MonkeyPatch) -> None:
        host: Any = FakeHost()
        provider = provider_of("podman", LAB, host, host=host)
        folder = LabFolder(home, LAB)
        super().__init__(
            folder,
            "podman",
            home,
            home,
            runner=host,
            providers=lambda *_, **__: provider,
        )
        versions: Any = SimpleNamespace(kubernetes="1.37.2", images={})
        bundle: Any = SimpleNamespace(versions=versions)
        plan = AddressPlan(0)

        def fail(*_: object) -> None:
            raise NotReady("x", wanted="a", seen="b", waited_s=1, next=hint)

        monkeypatch.setattr(f"{MAKES}.Bundle.open", lambda *_: bundle)
        monkeypatch.setattr(f"{MAKES}.preflight.choose_plan", lambda *_: plan)
        monkeypatch.setattr(f"{MAKES}.preflight.examine", lambda *_: "")
        monkeypatch.setattr(f"{MAKES}.preflight.refuse_remains", lambda *_: None)
        monkeypatch.setattr(f"{MAKES}.kernel.load", lambda *_: None)
        monkeypatch.setattr(f"{MAKES}.Fleet.enclose", fail)

    def remove(self, ledger: Ledger) -> Removed:
        """Remove the folder; there is nothing else."""
        self.folder.remove()
        return Removed(there=True)


@pytest.mark.parametrize("hint", HINTS)
@pytest.mark.parametrize("keep", [False, True], ids=["removed", "kept"])
def test_a_hint_after_a_failed_up_fits_what_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hint: str, keep: bool
) -> None:
    """None sends the reader into a lab that is gone, or that was never up."""
    work = Failing(tmp_path, hint, monkeypatch)
    with pytest.raises(NotReady) as caught:
        work.create(
            Ledger(), workers=1, image="ready", slot=None, keep=keep, cluster=True
        )
    said = caught.value.next

    assert work.folder.root.exists() == keep
    if keep:
        assert verbs(said) <= TAKES_A_LAB_THAT_WAS_NEVER_UP
        assert verbs(said) & {"reset", "down"}
        assert said.count("k8slab reset") <= 1
    else:
        assert verbs(said) <= NEEDS_NO_LAB
        assert hint == said or "--keep" in said


@pytest.mark.parametrize("hint", ["", command("up", LAB)], ids=["none", "up"])
@pytest.mark.parametrize(
    ("workers", "image", "slot", "asked"),
    [(2, "ready", None, ""), (4, "bare", 2, " --nodes 4 --image bare --slot 2")],
)
def test_an_up_that_failed_is_repeated_as_it_was_asked_for(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    hint: str,
    workers: int,
    image: str,
    slot: int | None,
    asked: str,
) -> None:
    """Another lab than the one that failed may well come up."""
    work = Failing(tmp_path, hint, monkeypatch)
    with pytest.raises(NotReady) as caught:
        work.create(
            Ledger(), workers=workers, image=image, slot=slot, keep=False, cluster=True
        )

    assert caught.value.next.endswith(f": 'k8slab up --name blue --keep{asked}'")
    assert verbs(caught.value.next) == {"up"}


class Staying(Failing):
    """Makes a lab until a step fails, and cannot remove what was made."""

    def remove(self, ledger: Ledger) -> Removed:
        """Fail as an engine does that has ended meanwhile."""
        with ledger.phase("remove the machines and their network"):
            raise HostProblem("podman does not work", next="mend it")


def test_a_removal_that_fails_does_not_hide_why_the_lab_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first error is told, and what is left with the command that removes it."""
    work = Staying(tmp_path, command("ssh", LAB, "master"), monkeypatch)
    with pytest.raises(NotReady) as caught:
        work.create(
            Ledger(), workers=1, image="ready", slot=None, keep=False, cluster=True
        )

    assert caught.value.next == (
        "some of it is not removed, as podman does not work; do that by "
        + command("down", LAB)
    )


def test_an_interrupt_tells_what_cannot_be_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It stays an interrupt."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    work = Staying(tmp_path, "", monkeypatch)
    monkeypatch.setattr(f"{MAKES}.Fleet.enclose", interrupted)
    with pytest.raises(KeyboardInterrupt):
        work.create(
            Ledger(), workers=1, image="ready", slot=None, keep=False, cluster=True
        )

    assert f"do that by {command('down', LAB)}" in capsys.readouterr().err


def test_the_lab_that_a_chapter_makes_is_made_by_its_first_cell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command refuses such a name; other labs keep theirs."""
    monkeypatch.setenv("K8SLAB_HOME", str(tmp_path))
    own = own_lab(LAB, INSTALL)
    hints_ = [lab.make_it(own), advice.after_removal("", own), hints.anew(own)]

    assert [verbs(said) for said in hints_] == [set()] * 3
    assert all("run the chapter's first cell again" in said for said in hints_)
    assert verbs(lab.make_it(LAB)) == {"up"}
    assert verbs(hints.anew(LAB)) == {"reset"}


def test_a_lab_that_was_never_up_is_not_sent_to_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """'up' would refuse it; 'reset' makes it."""
    monkeypatch.setenv("K8SLAB_HOME", str(tmp_path))
    work = Failing(tmp_path, "", monkeypatch)
    with pytest.raises(NotReady):
        work.create(
            Ledger(), workers=1, image="ready", slot=None, keep=True, cluster=True
        )
    with pytest.raises(LabMissing) as caught:
        lab.connect(LAB)

    assert verbs(caught.value.next) == {"reset"}
    assert verbs(lab.missing("green").next) == {"up"}


def test_a_full_computer_names_a_lab_that_can_be_removed(tmp_path: Path) -> None:
    """One that is there, and no word that stands for a name."""
    settings = Settings(LAB, 0, 1, "ready", "podman", "1")
    LabFolder(tmp_path, LAB).save(settings.record(lambda _: ((), ()), {}))
    with pytest.raises(BadInput) as caught:
        free_slot(tmp_path, range(SLOTS))
    with pytest.raises(BadInput) as elsewhere:
        free_slot(tmp_path / "none", range(SLOTS))

    assert caught.value.next.endswith(command("down", LAB))
    assert verbs(elsewhere.value.next) == set()


def test_what_a_text_spells_out_stands_in_quotes() -> None:
    """Or the command line would not show it as the reader called it."""
    bare = [
        f"{name}:{node.lineno}"
        for name, nodes in modules()
        if not name.startswith("booktools/")
        for node in nodes
        if isinstance(node, ast.keyword)
        and node.arg in ("next", "wanted")
        and re.search(r"(?<!')\bk8slab [a-z]", filled(node.value))
    ]

    assert bare == []


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget at the end how the command was called."""
    monkeypatch.setattr(hints, "_called", hints.PROGRAM)


@pytest.mark.usefixtures("called")
def test_a_terminal_shows_commands_as_they_were_called(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The error itself keeps the name; what only begins with it is left alone."""
    error = LabMissing("no lab 'k8slab'", next=down_then_up(LAB))
    hints.call_it(".venv/bin/k8slab")
    terminal.say(f"k8slab: {error}")

    assert error.next == "'k8slab down --name blue', then 'k8slab up --name blue'"
    assert capsys.readouterr().err.splitlines() == [
        "k8slab: no lab 'k8slab'",
        "  next:   '.venv/bin/k8slab down --name blue', then "
        "'.venv/bin/k8slab up --name blue'",
    ]


@pytest.mark.usefixtures("called")
def test_a_phase_shows_commands_as_they_were_called() -> None:
    """Also what it says in brackets of what stays."""
    hints.call_it(".venv/bin/k8slab")
    said = io.StringIO()
    with Ledger(Plain(said)).phase("remove") as phase:
        phase.changed(f"podman is gone; then {command('down', LAB)}")

    assert "'.venv/bin/k8slab down --name blue'" in said.getvalue()


def program(path: Path, text: str = "") -> Path:
    """Write a program, which is the command itself unless it has another text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    run = f"#!{sys.executable}\nfrom labmaker.cli import main\nmain()\n"
    path.write_text(text or run)
    path.chmod(0o755)
    return path


def test_a_hint_can_be_typed_where_the_command_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its name where that finds it, else by its file, blanks included."""
    own = program(tmp_path / "a b" / "bin" / "k8slab")
    monkeypatch.chdir(tmp_path / "a b")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    alone = typed_as("bin/k8slab"), typed_as(str(own))
    program(tmp_path / "other" / "k8slab")
    monkeypatch.setenv("PATH", f"{tmp_path / 'other'}:/usr/bin")
    beside = typed_as("bin/k8slab")
    monkeypatch.setenv("PATH", f"{own.parent}:/usr/bin")
    found = typed_as(str(own))
    wrapper = f'#!/bin/sh\nexec {shlex.quote(str(own))} "$@"\n'
    program(tmp_path / "lab" / "k8slab", wrapper)
    monkeypatch.setenv("PATH", f"{tmp_path / 'lab'}:/usr/bin")

    absolute = str(own).replace(" ", "\\ ")
    assert alone == ("bin/k8slab", absolute)
    assert beside == "bin/k8slab"
    assert (found, typed_as(str(own)), typed_as("bin/k8slab")) == ("k8slab",) * 3
    assert shlex.split(f"{absolute} up") == [str(own), "up"]


@pytest.mark.parametrize("odd", ["-c", "", "k8slab", "gone/k8slab", "cli/__main__.py"])
def test_another_way_to_start_it_leaves_the_name(
    odd: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As 'python -m' does, whose first word nobody types."""
    program(tmp_path / "cli" / "__main__.py")
    monkeypatch.chdir(tmp_path)

    assert typed_as(odd) == "k8slab"


@pytest.mark.slow
def test_the_real_command_says_how_it_was_called(tmp_path: Path) -> None:
    """In errors, in tables and in its usage."""
    program(tmp_path / "bin" / "k8slab")
    (tmp_path / "blue").mkdir()
    (tmp_path / "blue" / "lab.json").write_text("{")
    env = {**os.environ, "PATH": "/usr/bin:/bin", "K8SLAB_HOME": str(tmp_path)}

    def said(*words: str) -> str:
        argv = ["bin/k8slab", *words]
        done = subprocess.run(
            argv, cwd=tmp_path, env=env, capture_output=True, text=True, check=False
        )
        return done.stdout + done.stderr

    assert "'bin/k8slab up --name green'" in said("start", "--name", "green")
    assert "'bin/k8slab down --name blue', then" in said("status")
    assert "bin/k8slab start --help" in said("start", "--nme")
