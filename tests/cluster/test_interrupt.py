"""Ctrl-C and failures in the middle of 'up': nothing of the lab is left."""

import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from labs import Home, engine_states, left, podman
from paths import K8SLAB, ROOT

from k8slab.core.poll import until
from k8slab.core.process import LocalRunner
from labmaker import leftovers
from labmaker.host.firewall import slots_with_rules
from labmaker.plan import AddressPlan

DRIVER = [sys.executable, str(ROOT / "tests" / "interrupted.py")]
# One of the computer's, one of a machine's, one of the cluster's; soak has them all.
SAMPLE = ("keys", "create and boot", "SIGHUP:kubeadm join")


@pytest.mark.parametrize("phase", SAMPLE)
def test_an_end_leaves_nothing(home: Home, phase: str) -> None:
    """Ctrl-C or a closed terminal, and again while things are being removed."""
    made = home.lab("stopped")
    again = "remove the machines and their network"

    said = home.run(
        phase, again, "--", "up", "--name", made.name, "--nodes", "1", driver=DRIVER
    )

    assert said.returncode == 130, said.text
    assert "interrupted" in said.stderr
    assert "Traceback" not in said.stderr
    assert not made.folder.root.exists()
    assert engine_states(made.name) == {}
    assert f"k8slab-{made.name}" not in podman("network", "ls", "--format={{.Name}}")


def test_ctrl_c_in_the_terminal_leaves_nothing(home: Home) -> None:
    """The real command, and the signal that a terminal sends it."""
    made = home.lab("pressed")
    process = subprocess.Popen(
        [str(K8SLAB), "up", "--name", made.name, "--nodes", "1"],
        stderr=subprocess.PIPE,
        text=True,
    )
    lines = []
    assert process.stderr is not None
    for line in process.stderr:
        lines.append(line)
        if "master: create and boot" in line:
            process.send_signal(signal.SIGINT)
    process.stderr.close()
    code = process.wait(60)

    assert (code, lines[-1]) == (130, "k8slab: interrupted\n")
    assert not made.folder.root.exists()
    assert engine_states(made.name) == {}


@pytest.fixture
def broken(tmp_path: Path) -> dict[str, str]:
    """Return a PATH on which podman cannot make the machine node1."""
    fake = tmp_path / "podman"
    fake.write_text(
        '#!/bin/sh\ncase "$*" in *"run --detach"*node1*)\n'
        "  echo 'no more machines today' >&2; exit 125;; esac\n"
        'exec /usr/bin/podman "$@"\n'
    )
    fake.chmod(0o755)
    return {"PATH": f"{tmp_path}:/usr/sbin:/usr/bin:/sbin:/bin"}


def test_a_failed_up_names_its_phase_and_leaves_nothing(
    home: Home, broken: dict[str, str]
) -> None:
    """The last lines that matter are shown."""
    made = home.lab("failed")

    said = home.run("up", "--name", made.name, "--nodes", "1", env=broken)

    assert said.returncode == 8
    assert "phase 'create and boot (node1)' failed" in said.stderr
    assert "no more machines today" in said.stderr
    assert not made.folder.root.exists()
    assert engine_states(made.name) == {}


def test_keep_leaves_it_and_up_says_how_to_begin_anew(
    home: Home, broken: dict[str, str]
) -> None:
    """What was made can be looked at; then 'down' removes it."""
    made = home.lab("kept")

    failed = home.run("up", "--name", made.name, "--nodes", "1", "--keep", env=broken)
    kept = engine_states(made.name)
    again = made.run("up")
    gone = made.run("down")

    assert failed.returncode == 8
    assert "master" in kept
    assert again.returncode == 1
    assert f"k8slab reset --name {made.name}" in again.stderr
    assert gone.returncode == 0
    assert engine_states(made.name) == {}


def deleted(folder: Path) -> bool:
    """Delete a folder and say whether it is gone."""
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()


def test_down_finds_the_firewall_rules_of_a_lab_whose_settings_are_gone(
    home: Home, broken: dict[str, str], tmp_path: Path
) -> None:
    """As after its folder was deleted by hand."""
    made = home.lab("bereft")
    home.run("up", "--name", made.name, "--nodes", "1", "--keep", env=broken)
    slot = made.plan.slot
    before = slots_with_rules(LocalRunner())
    # Its machines go on writing.
    until(lambda: deleted(made.folder.root), what="folder", want="gone", timeout=60)

    # Also where the bundle that it came from is gone.
    bare = {"K8SLAB_CACHE": str(tmp_path / "gone")}
    gone = home.run("down", "--name", made.name, env=bare)

    assert slot in before
    assert gone.returncode == 0, gone.text
    assert engine_states(made.name) == {}
    # Another lab may have the addresses by now.
    assert f"routes for {AddressPlan(slot).network}" not in leftovers.of_all()


def test_two_homes_never_choose_the_same_addresses(
    home: Home, broken: dict[str, str], tmp_path: Path
) -> None:
    """Begun at the same moment, both get as far as their machines."""
    homes = [home, Home(tmp_path)]
    names = [each.lab("race").name for each in homes]

    with ThreadPoolExecutor() as pool:
        said = list(
            pool.map(
                lambda each, name: each.run(
                    "up", "--name", name, "--nodes", "1", env=broken
                ),
                homes,
                names,
            )
        )
    home.said += homes[1].said

    assert ["no more machines today" in each.stderr for each in said] == [True, True]
    assert [engine_states(name) for name in names] == [{}, {}]


def test_no_trace_of_all_that_is_left(home: Home) -> None:
    """Beside the labs that are up, of which there are folders."""
    known = {home.lab(name.removeprefix(home.prefix)).plan.slot for name in home.labs()}
    seen: set[int] = set()

    def look() -> bool:
        lines = [line for line in left(home, timeout=0) if "K8SLAB-" in line]
        seen.clear()
        seen.update(int(line.partition("K8SLAB-")[2][0]) for line in lines)
        return seen <= known

    until(look, what="firewall rules of no lab", want=f"those of {known}", timeout=20)
