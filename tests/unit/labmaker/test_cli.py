"""The command's options: its version, and timings with and without a form."""

from __future__ import annotations

import json
from importlib import metadata

import pytest
from typer.testing import CliRunner

from k8slab.core.phases import Ledger, Silent
from labmaker import cli, lifecycle


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
