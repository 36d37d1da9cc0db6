"""A chapter's setup has add-ons enabled by the command, or says what to type."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from fakes import lab
from fakes.api_server import FakeApi

from k8slab.errors import LabError
from k8slab.folder import LabFolder
from k8slab.kube import addons
from k8slab.kube.cluster import Cluster


@pytest.fixture
def beside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cluster: Cluster, folder: LabFolder
) -> Path:
    """Return the place of the command that is beside this Python."""
    folder.save(replace(lab.RECORD, complete=True))
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setattr(sys, "executable", str(programs / "python"))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    return programs / "k8slab"


def write(program: Path, script: str) -> None:
    """Make the command a shell script."""
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def test_it_is_enabled_once(
    cluster: Cluster,
    folder: LabFolder,
    beside: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """By the command, which is told the lab; what it says is shown."""
    enabled = replace(lab.RECORD, complete=True, addons=("toy",)).to_json()
    (folder.root / "then").write_text(enabled)
    write(beside, f'echo "$@"; cp {folder.root}/then {folder.record_file}')
    cluster.require("toy")
    cluster.require("toy")

    assert capsys.readouterr().out == "addon enable --name default toy\n"
    assert cluster.record.addons == ("toy",)


def play(folder: LabFolder, program: Path, addons: Mapping[str, str]) -> None:
    """Make the command one after which the lab has the add-ons that are given.

    As the command does, it notes which of them a chapter had enabled, and when it is
    told so.

    Args:
        folder: The lab.
        program: The command.
        addons: Verb and add-on, as ``enable toy``, and all that there are then.
    """
    record = folder.record()
    assert record is not None
    mine, required = record.addons, folder.required()
    for words, names in addons.items():
        record = replace(lab.RECORD, complete=True, addons=tuple(names.split()))
        (folder.root / words).write_text(record.to_json())
        left = {n: required.get(n, words.split()[1]) for n in names.split()}
        required = {n: why for n, why in left.items() if n not in mine}
        (folder.root / f"{words}.json").write_text(json.dumps(required))
    there = f'"{folder.root}/$2 $5'
    noted = f'cp {there}.json" {folder.root}/required.json'
    write(
        program,
        f'echo "$2 $5"; cp {there}" {folder.record_file}\n'
        f'[ "$K8SLAB_FOR_CHAPTER" != 1 ] || {noted}',
    )


def test_what_it_enabled_is_released_and_nothing_else(
    cluster: Cluster,
    folder: LabFolder,
    beside: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What the reader had enabled before stays; releasing it twice does nothing."""
    folder.save(replace(lab.RECORD, complete=True, addons=("mine",)))
    all_of_them = {
        "enable toy": "mine toy",
        "enable other": "mine toy needed other",
        "disable other": "mine toy needed",
        "disable needed": "mine toy",
        "disable toy": "mine",
    }
    play(folder, beside, all_of_them)
    cluster.require("mine", "toy", "other")
    cluster.release()
    cluster.release()

    assert capsys.readouterr().out.splitlines() == list(all_of_them)


def test_what_a_killed_session_began_is_released_by_the_next(
    fake: FakeApi,
    cluster: Cluster,
    folder: LabFolder,
    beside: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The command goes on by itself; what was noted and never enabled goes, too."""
    play(folder, beside, {"enable toy": "toy"})
    enable = addons.change

    def killed(verb: Literal["enable"], name: str, addon: str) -> None:
        enable(verb, name, addon)
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(addons, "change", killed)
        with pytest.raises(SystemExit):
            cluster.require("toy")
    folder.require({**folder.required(), "other": "toy"})
    play(folder, beside, {"disable other": "toy", "disable toy": ""})
    again = lab.connect(fake, folder)
    again.require("toy")
    again.release()
    again.close()

    said = capsys.readouterr().out.splitlines()
    assert said == ["enable toy", "disable other", "disable toy"]


def test_what_an_ended_session_left_is_released_by_the_next(
    fake: FakeApi,
    cluster: Cluster,
    folder: LabFolder,
    beside: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """By the next of that chapter; another chapter's goes on with what it required."""
    play(folder, beside, {"enable toy": "toy", "disable toy": ""})
    cluster.require("toy")
    other, again = lab.connect(fake, folder), lab.connect(fake, folder)
    other.release()
    again.require("toy")
    again.release()
    for session in (other, again):
        session.close()

    assert capsys.readouterr().out.splitlines() == ["enable toy", "disable toy"]
    assert folder.required() == {}


@pytest.mark.parametrize("text", ["", '{"toy', "\xff", "3", "[3]", '"ab"'])
def test_a_damaged_list_of_add_ons_names_none(folder: LabFolder, text: str) -> None:
    """They stay, which harms nobody; no chapter is stopped by it."""
    folder.root.mkdir(parents=True, exist_ok=True)
    (folder.root / "required.json").write_text(text, "latin-1")

    assert folder.required() == {}


def test_an_interrupt_lets_the_command_remove_what_it_made(
    cluster: Cluster, folder: LabFolder, beside: Path
) -> None:
    """The command hears of it, too, and is not killed at once."""
    removed = folder.root / "removed"
    trap = f"trap 'kill $!; echo > {removed}; exit 130' INT"
    write(beside, f"{trap}; sleep 60 & kill -INT $PPID; wait")
    with pytest.raises(KeyboardInterrupt):
        cluster.require("toy")

    assert removed.exists()


def test_a_failure_says_what_to_type(cluster: Cluster, beside: Path) -> None:
    """After what the command itself said."""
    write(beside, "echo broken >&2; exit 4")
    with pytest.raises(LabError, match="enable the add-on toy failed") as caught:
        cluster.require("toy")

    assert "exit code 4" in caught.value.seen
    assert "k8slab addon enable" in caught.value.next


def test_without_the_command_it_says_what_to_type(
    cluster: Cluster, beside: Path
) -> None:
    """As where a lab's folder was copied to another computer."""
    with pytest.raises(
        LabError, match="nothing here can enable the add-on toy"
    ) as caught:
        cluster.require("toy")

    assert "k8slab addon enable" in caught.value.next


def test_what_must_not_be_there_is_removed(
    cluster: Cluster,
    folder: LabFolder,
    beside: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What is not enabled is left alone."""
    folder.save(replace(lab.RECORD, complete=True, addons=("toy",)))
    (folder.root / "then").write_text(replace(lab.RECORD, complete=True).to_json())
    write(beside, f'echo "$2 $5"; cp {folder.root}/then {folder.record_file}')
    cluster.disable("other", "toy")
    cluster.disable("toy")

    assert capsys.readouterr().out == "disable toy\n"
    assert cluster.record.addons == ()


def test_half_of_what_must_not_be_there_is_removed(
    cluster: Cluster,
    folder: LabFolder,
    beside: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A command that was ended left it; it is not noted as enabled."""
    folder.save(replace(lab.RECORD, complete=True, maker={"addon": "toy"}))
    (folder.root / "then").write_text(replace(lab.RECORD, complete=True).to_json())
    write(beside, f'echo "$2 $5"; cp {folder.root}/then {folder.record_file}')
    cluster.disable("other", "toy")
    cluster.disable("toy")

    assert capsys.readouterr().out == "disable toy\n"
