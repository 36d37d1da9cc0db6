"""A lab that lost a part while it ran gets it again: what is silent is started anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes.host import FakeHost

from k8slab.core.phases import Ledger
from k8slab.errors import HostKeyMismatch, LabError, NotReady
from k8slab.folder import LabFolder
from labmaker import fleet as fleets
from labmaker.fleet import Fleet
from labmaker.lifecycle.transitions import Transitions
from labmaker.settings import Settings

MAKES = "labmaker.lifecycle.transitions"
RECORD = replace(
    Settings("test", 0, 2, "ready", "podman", "1").record(lambda _: ((), ()), {}),
    complete=True,
)
NAMES = [machine.name for machine in RECORD.machines]
NEVER = float("inf")


class Line:
    """A shell to a machine that answers after some tries, or never."""

    def __init__(self, tries: float) -> None:
        self.tries = tries

    def is_up(self) -> bool:
        """Answer, if it is time."""
        self.tries -= 1
        return self.tries < 0

    def close(self, **_: object) -> None:
        """Do nothing."""


class Provider:
    """A provider that notes what it is told."""

    name, asks_first = "podman", ()

    def __init__(self, states: Mapping[str, str]) -> None:
        self.told = dict(states)
        self.did: list[str] = []

    def states(self) -> Mapping[str, str]:
        """Return what was given."""
        return self.told

    def stop(self, names: list[str]) -> None:
        """Note it."""
        self.did.append("stop " + " ".join(names))

    def bridge_if_any(self) -> str | None:
        """Return the network's, which is there."""
        return "br0"


def transitions(tmp_path: Path, provider: Any, host: Any) -> Transitions:
    """Return what works on that provider's machines."""
    return Transitions(
        LabFolder(tmp_path, "test"),
        "podman",
        tmp_path,
        tmp_path,
        runner=host,
        providers=lambda *_, **__: provider,
    )


def revive(work: Transitions) -> None:
    """Make the lab whole."""
    work.revive(Ledger(), RECORD, workers=None, image=None, slot=None)


def fleet(
    tmp_path: Path, provider: Any, lines: Mapping[str, float], runner: Any = None
) -> Fleet:
    """Return the machines, of which some do not answer."""
    host: Any = runner or FakeHost()
    made = Fleet(LabFolder(tmp_path, "test"), RECORD, provider, host)
    shells: Any = {name: Line(lines.get(name, 0)) for name in NAMES}
    made.shells = shells
    return made


@pytest.mark.parametrize(
    "silent", [[], ["node1"], ["master", "node2"], NAMES], ids="+".join
)
def test_silent_machines_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, silent: list[str]
) -> None:
    """In the order of the lab, and no others."""
    monkeypatch.setattr(fleets, "SILENT_S", 0.3)
    lines = dict.fromkeys(silent, NEVER)

    assert fleet(tmp_path, Provider({}), lines).silent(NAMES) == silent


def test_the_card_of_a_machine_that_was_started_is_asked_for_anew(
    tmp_path: Path,
) -> None:
    """It has another one than before; and only after its start it can answer."""
    provider: Any = Provider({})
    provider.start = lambda names: provider.did.append("start " + " ".join(names))

    class Runner:
        def run(self, argv: list[str], **_: object) -> None:
            provider.did.append(" ".join(argv))

    class Noting(Line):
        def is_up(self) -> bool:
            provider.did.append("reach")
            return super().is_up()

    made = fleet(tmp_path, provider, {}, Runner())
    shells: Any = {"node1": Noting(0)}
    made.shells = shells
    made.start(["node1"], Ledger())
    address = next(m.address for m in RECORD.machines if m.name == "node1")

    assert provider.did == [
        "start node1",
        f"ip neighbour flush to {address}",
        "reach",
    ]


def test_a_machine_that_never_answers_leads_to_a_lab_of_the_same_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """'down', then 'up' would make one of the usual size in its place."""
    monkeypatch.setattr(fleets, "SSH_TIMEOUT_S", 0.1)
    with pytest.raises(NotReady) as caught:
        fleet(tmp_path, Provider({}), {"node1": NEVER})._reach("node1")

    assert caught.value.next.endswith("make the lab anew: 'k8slab reset --name test'")


def test_a_machine_that_is_just_starting_is_not_silent(tmp_path: Path) -> None:
    """It has some seconds to answer."""
    assert fleet(tmp_path, Provider({}), {"node1": 3}).silent(NAMES) == []


def test_another_machine_in_its_place_is_no_silence(tmp_path: Path) -> None:
    """It must not be stopped, and the error says who answers."""
    made = fleet(tmp_path, Provider({}), {})

    def refuse() -> bool:
        raise HostKeyMismatch("node1 shows another host key")

    line: Any = made.shells["node1"]
    line.is_up = refuse
    with pytest.raises(HostKeyMismatch):
        made.silent(NAMES)


@pytest.mark.parametrize(
    ("lost", "off"),
    [(NAMES, []), (["node2"], []), (["master"], ["node1"])],
    ids=["the bridge", "a cable", "beside one that is off"],
)
def test_what_is_silent_is_stopped_and_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: list[str], off: list[str]
) -> None:
    """After the bridge is there again; what answers is left alone."""
    monkeypatch.setattr(fleets, "SILENT_S", 0.3)
    provider: Any = Provider({n: "exited" if n in off else "running" for n in NAMES})
    host: Any = FakeHost()
    host.inotify = 0
    work = transitions(tmp_path, provider, host)
    made = fleet(tmp_path, provider, dict.fromkeys(lost, NEVER))
    started: list[str] = []
    monkeypatch.setattr(made, "apply_firewall", lambda: provider.did.append("bridge"))
    monkeypatch.setattr(made, "start", lambda names, _: started.extend(names))
    monkeypatch.setattr(f"{MAKES}.Fleet", lambda *_: made)
    monkeypatch.setattr(f"{MAKES}.kernel.load", lambda *_: None)
    monkeypatch.setattr(f"{MAKES}.depot.wait_served", lambda _: None)
    for where in (MAKES, "labmaker.host.setup"):
        monkeypatch.setattr(f"{where}.ThisComputer", lambda: host)
    revive(work)

    assert provider.did[0] == "bridge"
    assert [line for line in provider.did if line != "bridge"] == [
        "stop " + " ".join(name for name in NAMES if name in lost)
    ]
    assert sorted(started) == sorted([*lost, *off])
    # A restart of this computer lowered them.
    assert any("fs.inotify" in word for argv in host.asked for word in argv)


@pytest.mark.parametrize(
    ("network", "states", "why", "seen"),
    [
        (None, dict.fromkeys(NAMES, "exited"), "its network is gone", "network gone"),
        (None, {}, "its machines are gone", "network gone, no machine"),
        ("br0", {}, "its machines are gone", "network there, no machine"),
        ("br0", dict.fromkeys(NAMES, "exited"), "", ""),
    ],
    ids=["network pruned", "all pruned", "machines removed", "whole"],
)
def test_a_lab_that_cannot_be_made_whole_is_begun_anew(
    tmp_path: Path,
    network: str | None,
    states: Mapping[str, str],
    why: str,
    seen: str,
) -> None:
    """An engine's "prune" takes what belongs to stopped machines; the error says it."""
    provider: Any = Provider(states)
    provider.bridge_if_any = lambda: network
    work = transitions(tmp_path, provider, FakeHost())
    if not why:
        work._refuse_incomplete(RECORD, states)
        return
    with pytest.raises(LabError, match=why) as caught:
        revive(work)

    assert caught.value.seen.startswith(seen)
    assert "k8slab reset --name test" in caught.value.next
