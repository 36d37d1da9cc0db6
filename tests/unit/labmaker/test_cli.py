"""The command itself: its options, the files they name, and its last words."""

from __future__ import annotations

import json
import os
from importlib import metadata
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from typer.testing import CliRunner

from k8slab import lab
from k8slab.core import outside
from k8slab.core.phases import Ledger, Silent
from k8slab.lab_record import INVENTORY, LabRecord, MachineRecord
from labmaker import cli, lifecycle
from labmaker.adopted import adopt
from labmaker.lifecycle.removed import Removed
from labmaker.lifecycle.status import Status


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let 'start' end at once, after one phase."""

    def start(name: str | None, *, reporter: object) -> Ledger:
        ledger = Ledger(Silent())
        with ledger.phase("start"):
            pass
        return ledger

    monkeypatch.setattr(lifecycle, "start", start)


def test_the_version_is_the_packages() -> None:
    """One line, and nothing is done."""
    said = CliRunner().invoke(cli.app, ["--version"])

    assert said.exit_code == 0
    assert said.stdout == f"k8slab {metadata.version('k8slab')}\n"


@pytest.mark.parametrize(
    "words", [["--timings"], ["--timings", "--name", "x"], ["--timings", "table"]]
)
@pytest.mark.usefixtures("started")
def test_timings_alone_are_a_table(words: list[str]) -> None:
    """The value may be left out, at the end and before another option."""
    said = CliRunner().invoke(cli.app, ["start", *words])

    assert said.exit_code == 0, said.output
    assert "┃" in said.stdout


@pytest.mark.parametrize("words", [["--timings", "json"], ["--timings=json"]])
@pytest.mark.usefixtures("started")
def test_timings_as_json_are_json(words: list[str]) -> None:
    """The form that was asked for is kept."""
    said = CliRunner().invoke(cli.app, ["start", *words])

    assert json.loads(said.stdout)["phases"][0]["name"] == "start"


def given(monkeypatch: pytest.MonkeyPatch, *words: str) -> object:
    """Bring a lab up by a command; return the inventory that is asked for."""
    seen: list[object] = []

    def up(name: str | None, *, inventory: Path | None, **_: object) -> Ledger:
        seen.append(inventory)
        return Ledger(Silent())

    monkeypatch.setattr(lifecycle, "up", up)
    said = CliRunner().invoke(cli.app, ["up", "--name", "own", *words])
    assert said.exit_code == 0, said.output
    return seen[0]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the reader's home directory; the labs are below it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("K8SLAB_HOME", str(tmp_path / "labs"))
    return tmp_path


@pytest.mark.slow
def test_a_tilde_is_the_home_in_every_form(
    monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    """Bash leaves the one behind an equals sign alone."""
    adopted: list[Path] = []

    def stop(name: str | None, kubeconfig: Path, **_: object) -> None:
        adopted.append(kubeconfig)
        raise KeyboardInterrupt

    monkeypatch.setattr(adopt, "adopt", stop)
    CliRunner().invoke(cli.app, ["adopt", "--kubeconfig=~/.kube/config"])

    assert adopted == [home / ".kube" / "config"]
    assert given(monkeypatch, "--inventory=~/hosts.yaml") == home / "hosts.yaml"
    assert given(monkeypatch, "--inventory=~no-user/x") == Path("~no-user/x")
    assert given(monkeypatch) is None


@pytest.mark.slow
def test_an_inventory_is_the_same_in_another_spelling(
    monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    """Through a link, or with dots in it, it is passed on as the lab notes it."""
    (home / "hosts.yaml").write_text("machines: []")
    (home / "link").symlink_to(home)
    machines = (MachineRecord("master", "control-plane", IPv4Address("192.0.2.11")),)
    noted = str(home / "hosts.yaml")
    lab.folder("own").save(
        LabRecord(
            "own", INVENTORY, "1.37.2", machines, None, maker={"inventory": noted}
        )
    )
    spellings = (f"{home}/labs/../hosts.yaml", f"{home}/link/hosts.yaml", noted)
    seen = [given(monkeypatch, "--inventory", each) for each in spellings]
    other = given(monkeypatch, "--inventory", f"{home}/other.yaml")

    assert seen == [Path(noted)] * 3
    assert other == home / "other.yaml"


@pytest.mark.parametrize(
    ("removed", "said"),
    [
        (Removed(there=True), "the lab is gone"),
        (Removed(there=False), "there was no such lab"),
        (
            Removed(there=True, left="docker is gone"),
            "the lab is forgotten; what stays of it is named above",
        ),
    ],
)
def test_a_lab_is_gone_when_nothing_of_it_stays(
    monkeypatch: pytest.MonkeyPatch, home: Path, removed: Removed, said: str
) -> None:
    """The last line agrees with the ones before."""
    assert not (home / "labs").exists()
    monkeypatch.setattr(lifecycle, "down", lambda _, **options: removed)
    shown = CliRunner().invoke(cli.app, ["down"])

    assert shown.output.splitlines()[-1] == said


@pytest.mark.parametrize("user", [0, 1000])
def test_another_user_is_told_whose_labs_there_are(
    monkeypatch: pytest.MonkeyPatch, home: Path, user: int
) -> None:
    """A lab that root made is not 'no lab at all' without a word."""
    monkeypatch.setattr(os, "geteuid", lambda: user)
    shown = CliRunner().invoke(cli.app, ["status"]).stderr
    error = lab.missing("own")

    for said in (shown, str(error)):
        assert str(home / "labs") in said
        assert "'k8slab up" in said
        assert (f"root's: {outside.become_root()}; or" in said) == (user != 0)


@pytest.mark.parametrize(
    "text", ["https://[fd00:1::5]:6443", "https://[fd00::a:1]", "x [/bold] y", "[red]"]
)
def test_a_table_shows_foreign_texts_as_they_are(
    monkeypatch: pytest.MonkeyPatch, home: Path, text: str
) -> None:
    """What is no markup of ours is neither swallowed nor drawn, nor ends in a trace."""
    seen = Status("team", {text: "answers"}, text, text)
    monkeypatch.setattr(lifecycle, "status", lambda _: seen)
    shown = CliRunner().invoke(cli.app, ["status", "--name", "team"])

    assert shown.exit_code == 0, shown.exception
    assert shown.stdout.count(text) == 3
