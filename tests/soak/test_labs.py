"""Twenty labs in a row, two side by side, and Ctrl-C in every phase."""

import sys

import pytest
from labs import Home, Lab, engine_states, left, podman
from paths import ROOT

from k8slab import wait
from k8slab.kube import snapshot

DRIVER = [sys.executable, str(ROOT / "tests" / "interrupted.py")]
ROUNDS = 20
STEADY = range(5, 8)  # the rounds during which a second lab is there


@pytest.fixture(scope="module")
def phases(home: Home) -> list[str]:
    """Return the names of all phases of 'up', from a bare lab that has most."""
    made = home.up("phases", "--image", "bare", "--nodes", "1")
    made.run("down")
    return names(made)


def test_twenty_labs_in_a_row_leave_nothing(home: Home) -> None:
    """For a while beside another, of which a machine is stopped and started."""
    steady = before = None
    for number in range(ROUNDS):
        made = home.up("row", measure="up")
        if number == STEADY.start:
            steady = home.up("steady", "--nodes", "1", measure="up beside another")
            with steady.cluster() as cluster:
                before = snapshot.take(cluster)
        if number in STEADY:
            podman("stop", "--time=20", made.container("node1"))
            assert made.run("up", measure="up after one stop").returncode == 0
        with made.cluster() as cluster:
            assert len(wait.nodes(cluster, ready=3, timeout=30)) == 3
        said = made.run("down", measure="down")
        assert said.returncode == 0, said.text
        assert engine_states(made.name) == {}
        if steady is None:
            assert left(home) == []
        elif number == STEADY[-1]:
            assert before is not None
            with steady.cluster() as cluster:
                assert snapshot.difference(before, snapshot.take(cluster)) == []
            assert steady.run("down").returncode == 0
            steady = None

    assert left(home) == []
    assert home.labs() == []


def test_ctrl_c_in_every_phase_leaves_nothing(home: Home, phases: list[str]) -> None:
    """Of a lab from bare machines; a phase that never came would be a mistake."""
    assert len(phases) > 10
    for phase in phases:
        made = home.lab("stopped")
        words = ["up", "--name", made.name, "--nodes", "1", "--image", "bare"]

        said = home.run(phase, "--", *words, driver=DRIVER, measure="up until Ctrl-C")

        assert said.returncode == 130, f"{phase}: {said.text}"
        assert "k8slab: interrupted" in said.stderr, phase
        assert "Traceback" not in said.stderr, phase
        assert engine_states(made.name) == {}, phase
        assert not made.folder.root.exists(), phase
        assert left(home) == [], phase


def test_ctrl_c_in_every_phase_of_a_revival_loses_nothing(home: Home) -> None:
    """The lab that was there is there, and 'up' makes it whole."""
    made = home.up("revived", "--nodes", "1")
    kill(made)
    phases = names(home.up("revived"))
    assert len(phases) > 5
    for phase in phases:
        kill(made)
        said = home.run(phase, "--", "up", "--name", made.name, driver=DRIVER)
        assert said.returncode == 130, f"{phase}: {said.text}"
        assert set(made.states()) == {"master", "node1", "depot"}
        assert made.run("up").returncode == 0
    with made.cluster() as cluster:
        assert len(wait.nodes(cluster, ready=2, timeout=30)) == 2
    assert made.run("down").returncode == 0


def names(made: Lab) -> list[str]:
    """Return the names of the phases of a lab's last 'up'."""
    return list(dict.fromkeys(phase["name"] for phase in made.ledger["phases"]))


def kill(made: Lab) -> None:
    """Let a lab's machines end as in a power cut."""
    podman("kill", *(made.container(machine) for machine in made.states()))
