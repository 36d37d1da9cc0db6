"""What is left of a lab's folder is still a lab's, or is removed before the next."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fakes import lab
from fakes.host import FakeHost

from k8slab.core.phases import Ledger
from k8slab.errors import BadInput, LabError
from k8slab.folder import LabFolder
from labmaker.lifecycle import transitions
from labmaker.lifecycle.transitions import Transitions
from labmaker.plan import AddressPlan
from labmaker.providers import provider_of


class Killed(BaseException):
    """The end of the process, as by SIGKILL."""


@pytest.fixture
def folder(tmp_path: Path) -> LabFolder:
    """The folder of a lab, with parts that are files and parts that are folders."""
    folder = LabFolder(tmp_path / "home", lab.RECORD.name)
    folder.save(replace(lab.RECORD, complete=True))
    folder.write("kubeconfig", "x")
    folder.machine("node1").mkdir(parents=True)
    folder.journal.mkdir()
    (folder.journal / "1.json").write_text("{}")
    return folder


@pytest.mark.parametrize("linked", [False, True], ids=["folder", "link"])
def test_a_removal_that_is_ended_leaves_a_lab(
    folder: LabFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, linked: bool
) -> None:
    """Wherever it is killed: its record is the last to go, and it is removed then."""
    if linked:
        folder.root.rename(tmp_path / "disk")
        folder.root.symlink_to(tmp_path / "disk")
    whole, seen = set(os.listdir(folder.root)), []

    def ends(remove: Any) -> Any:
        def once(path: Any, *args: Any, **more: Any) -> None:
            seen.append(folder.record() is not None)
            remove(path, *args, **more)
            raise Killed

        return once

    for _ in whole:
        with monkeypatch.context() as patch:
            patch.setattr(shutil, "rmtree", ends(shutil.rmtree))
            patch.setattr(Path, "unlink", ends(Path.unlink))
            with pytest.raises(Killed):
                folder.remove()
    folder.remove()

    assert seen == [True] * len(whole)
    assert list(folder.home.iterdir()) == []
    assert not (tmp_path / "disk").exists()


def test_only_parts_of_a_lab_without_a_record_are_cleared(folder: LabFolder) -> None:
    """Neither a lab's own, nor what is no part of one, nor a link to another disk."""
    folder.write(".mine", "x")
    folder.clear()
    whole = folder.left()
    folder.record_file.unlink()
    left = folder.left()
    folder.clear()

    assert (whole, left) == ([], ["journal", "kubeconfig", "machines"])
    assert os.listdir(folder.root) == [".mine"]
    folder.write("thesis.txt", "x")
    folder.write("kubectl", "x")
    with pytest.raises(BadInput, match="something else"):
        folder.clear()
    assert folder.kubectl.exists()


def test_notes_about_machines_are_not_cleared(folder: LabFolder) -> None:
    """What could undo the installation is all there is of it."""
    folder.undo.mkdir()
    (folder.undo / "node1.jsonl").write_text("{}")
    folder.record_file.unlink()
    with pytest.raises(LabError, match="record"):
        folder.clear()

    assert folder.notes == ["node1.jsonl"]
    assert folder.kubeconfig.exists()


def test_a_new_lab_inherits_nothing(
    folder: LabFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old one's faults would be undone in it; what is removed is told."""
    folder.record_file.unlink()
    host: Any = FakeHost()
    versions = SimpleNamespace(kubernetes="1", images={})
    bundle = SimpleNamespace(versions=versions)
    provider = provider_of("podman", folder.name, host, host=host)

    def fail(*_: object) -> None:
        raise LabError("no network")

    work = Transitions(
        folder, "", tmp_path, tmp_path, runner=host, providers=lambda *_, **__: provider
    )
    here = transitions.__name__
    plan = AddressPlan(0)
    monkeypatch.setattr(f"{here}.Bundle.open", lambda *_: bundle)
    monkeypatch.setattr(f"{here}.preflight.choose_plan", lambda *_: plan)
    monkeypatch.setattr(f"{here}.preflight.examine", lambda *_: "")
    monkeypatch.setattr(f"{here}.preflight.refuse_remains", lambda *_: None)
    monkeypatch.setattr(f"{here}.kernel.load", lambda *_: None)
    monkeypatch.setattr(f"{here}.Fleet.enclose", fail)
    ledger = Ledger()
    asked: dict[str, Any] = {
        "workers": 1,
        "image": "ready",
        "slot": None,
        "cluster": True,
    }
    with pytest.raises(LabError, match="no network"):
        work.create(ledger, keep=True, **asked)

    assert os.listdir(folder.root) == ["lab.json"]
    assert [p.detail for p in ledger.phases if p.name.startswith("clear")] == [
        "removed journal, kubeconfig, machines"
    ]
