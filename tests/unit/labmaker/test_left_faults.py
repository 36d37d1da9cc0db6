"""A lab comes up though a fault was left in it, and 'heal' says what it left there."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fakes.broken import Sessions
from fakes.shell import FakeShell
from typer.testing import CliRunner

from k8slab import lab
from k8slab.core.phases import Ledger
from k8slab.folder import LabFolder
from k8slab.kube.pinning import Fingerprint
from k8slab.lab import Healed
from k8slab.ssh.keys import generate_key
from labmaker import cli
from labmaker.inventory.work import InventoryWork
from labmaker.lifecycle.transitions import Transitions
from labmaker.settings import Settings

MAKES = "labmaker.lifecycle.transitions"
LOOKS = "labmaker.inventory.work"
RECORD = replace(
    Settings("blue", 0, 1, "ready", "podman", "1").record(lambda _: ((), ()), {}),
    complete=True,
)
NAMES = [machine.name for machine in RECORD.machines]


class Fleet:
    """Machines that note what is done with them."""

    def __init__(self, did: list[str], silent: list[str]) -> None:
        self.did = did
        self.shells = dict.fromkeys(NAMES)
        self._silent = silent

    def silent(self, names: list[str]) -> list[str]:
        """Return what was given."""
        return self._silent

    def start(self, names: list[str], ledger: object) -> None:
        """Note it."""
        self.did.append("start " + " ".join(names))

    def stop(self, names: list[str]) -> None:
        """Note nothing: it is known what was silent."""

    def apply_firewall(self) -> None:
        """Do nothing."""

    def abandon(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LabFolder:
    """Return the folder of a lab that was up."""
    monkeypatch.setenv("K8SLAB_HOME", str(tmp_path))
    made = LabFolder(tmp_path, "blue")
    made.save(RECORD)
    made.write("kubeconfig", "x")
    Fingerprint("0" * 64, "uid", "https://192.0.2.1:6443").save(made.fingerprint)
    return made


@pytest.fixture
def did(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note in which order a lab's parts are asked and healed."""
    done: list[str] = []

    def note(what: str, answer: object) -> Callable[..., object]:
        def act(*_: object, **seconds: float) -> object:
            done.append(" ".join([what, *(f"{each:g}" for each in seconds.values())]))
            return answer

        return act

    healed = Healed(("kubelet-misconfigured on node1",), 0, 0)
    monkeypatch.setattr(lab, "heal", note("heal", healed))
    for where in (MAKES, LOOKS):
        for step in ("restore_master", "ask_names"):
            monkeypatch.setattr(f"{where}.health.{step}", note(step, None))
        monkeypatch.setattr(f"{where}.bring_up.prove", note("prove", None))
        monkeypatch.setattr(f"{where}.refresh", lambda *_: False)
    monkeypatch.setattr(f"{LOOKS}.pod_network.restore", lambda _: False)
    monkeypatch.setattr(f"{LOOKS}.system.restore_hosts", lambda *_: False)
    monkeypatch.setattr(f"{LOOKS}.health.is_well", note("look", True))
    monkeypatch.setattr(f"{MAKES}.depot.wait_served", lambda *_: None)
    monkeypatch.setattr(f"{MAKES}.kernel.load", lambda *_: None)
    monkeypatch.setattr(f"{MAKES}.inotify_wanted", lambda *_: (1, 1, 1))
    return done


@pytest.fixture
def session(folder: LabFolder) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Return what starts a session that has noted down faults."""
    sessions = Sessions()
    yield partial(sessions.begin, folder)
    sessions.end()


def note(folder: LabFolder) -> None:
    """Leave the note of a fault that an ended session made."""
    folder.journal.mkdir()
    (folder.journal / f"{1:020d}.json").write_text("{}")


def revive(
    folder: LabFolder,
    did: list[str],
    monkeypatch: pytest.MonkeyPatch,
    *,
    off: list[str],
    silent: list[str],
) -> Ledger:
    """Make a lab whole of whose machines some are off, and some do not answer."""
    states = {name: "exited" if name in off else "running" for name in NAMES}
    provider: Any = SimpleNamespace(
        name="podman", states=lambda: states, bridge_if_any=lambda: "br0"
    )
    work = Transitions(
        folder,
        "podman",
        folder.home,
        folder.home,
        providers=lambda *_, **__: provider,
    )
    monkeypatch.setattr(f"{MAKES}.Fleet", lambda *_: Fleet(did, silent))
    ledger = Ledger()
    work.revive(ledger, RECORD, workers=None, image=None, slot=None)
    return ledger


ALL = "start " + " ".join(NAMES)
RISEN = [ALL, "heal 120", "restore_master", "ask_names", "prove"]


@pytest.mark.parametrize(
    ("off", "silent", "order"),
    [
        (NAMES, [], RISEN),
        ([], NAMES, RISEN),
        (["node1"], [], ["start node1", "heal 120", "ask_names", "prove"]),
        ([], [], ["heal 0", "look"]),
    ],
    ids=["stopped", "silent", "a worker is off", "up"],
)
def test_a_fault_is_undone_when_all_machines_run_and_before_health_is_awaited(
    folder: LabFolder,
    did: list[str],
    monkeypatch: pytest.MonkeyPatch,
    off: list[str],
    silent: list[str],
    order: list[str],
) -> None:
    """It may be on any machine, and keep the API server or a node from coming back."""
    note(folder)
    revive(folder, did, monkeypatch, off=off, silent=silent)

    assert did == order


@pytest.mark.parametrize("off", [NAMES, ["node1"], []], ids=["all", "a worker", "none"])
def test_without_a_fault_the_others_start_while_the_cluster_is_asked(
    folder: LabFolder,
    did: list[str],
    monkeypatch: pytest.MonkeyPatch,
    off: list[str],
) -> None:
    """As ever: nothing is healed, and the master comes first."""
    revive(folder, did, monkeypatch, off=off, silent=[])

    others = {f"start {' '.join(name for name in off if name != 'master')}"}
    first = ["start master", "restore_master"] if "master" in off else []
    assert did[: len(first)] == first
    if off:
        assert set(did[len(first) : -1]) == {"ask_names"} | others
        assert did[-1] == "prove"
    else:
        assert did == ["look"]


@pytest.mark.parametrize("silent", [True, False], ids=["silent", "up"])
@pytest.mark.parametrize("noted", [True, False], ids=["noted", "none"])
def test_an_inventorys_lab_is_healed_once_its_machines_run(
    folder: LabFolder,
    did: list[str],
    monkeypatch: pytest.MonkeyPatch,
    silent: bool,
    noted: bool,
) -> None:
    """After their power, and before health is awaited."""
    if noted:
        note(folder)
    machines = tuple(replace(m, power_on=("on", m.name)) for m in RECORD.machines)
    record = replace(RECORD, machines=machines)
    on = {machine.name for machine in record.nodes if not silent}

    def switch(argv: Sequence[str], **_: object) -> None:
        on.add(argv[1])
        did.append("power")

    def shell(name: str) -> Any:
        made: Any = FakeShell(name, "")
        made.is_up = lambda: name in on
        return made

    shells = {machine.name: shell(machine.name) for machine in record.machines}
    monkeypatch.setattr(lab, "shells", lambda *_: shells)
    runner: Any = SimpleNamespace(run=switch)
    InventoryWork(folder, runner).look(Ledger(), record)

    health = ["restore_master", "ask_names", "prove"] if silent else ["look"]
    heal = [f"heal {120 if silent else 0}"] if noted else []
    power = ["power"] * len(record.nodes) if silent else []
    assert did == [*power, *heal, *health]


def test_nothing_that_is_a_living_sessions_counts_as_a_change(
    folder: LabFolder, did: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lab was up, as the command says."""
    note(folder)
    monkeypatch.setattr(lab, "heal", lambda *_, **__: Healed((), 1, 0))
    ledger = revive(folder, did, monkeypatch, off=[], silent=[])

    assert did == ["look"]
    assert {phase.outcome for phase in ledger.phases} == {"unchanged"}


def heal(folder: LabFolder) -> str:
    """Run 'k8slab heal' on the lab, whose machines are off; return what it says."""
    nowhere = [
        replace(machine, address=IPv4Address("127.0.0.1"), port=9)
        for machine in RECORD.machines
    ]
    folder.save(replace(RECORD, machines=tuple(nowhere)))
    folder.write(folder.key.name, generate_key()[0])
    folder.known_hosts.touch()
    said = CliRunner().invoke(cli.app, ["heal", "--name", "blue"])
    assert said.exit_code == 0, said.output
    return said.output


NONE_LEFT = "no ended session has a fault left in the lab\n"


@pytest.mark.slow
def test_heal_says_what_waits_until_the_lab_runs(
    folder: LabFolder,
    session: Callable[..., subprocess.Popen[str]],
) -> None:
    """It does not say that there is none, and names the command that undoes it."""
    killed = session("kubelet-stopped=node1", "dns-broken=")
    killed.kill()
    killed.wait()
    said = heal(folder)

    assert NONE_LEFT not in said
    assert "'k8slab up --name blue' undoes: 2" in said


@pytest.mark.slow
def test_heal_says_what_a_living_session_holds(
    folder: LabFolder,
    session: Callable[..., subprocess.Popen[str]],
) -> None:
    """How many, and not which: it may have drawn them."""
    session("kubelet-stopped=node1")
    said = heal(folder)

    assert said.splitlines()[0].endswith("theirs to undo: 1")
    assert said.endswith(NONE_LEFT)
    assert "kubelet" not in said


def test_heal_says_that_there_is_none(folder: LabFolder) -> None:
    """In one line."""
    assert heal(folder) == NONE_LEFT
