"""A reader goes back in a chapter, and a second kernel begins one that is in use.

Each run draws one cell to restart at, one up to which all are run twice, and a section
that is run again after the whole chapter; every one's turn comes in tests/soak.
``SEED=...`` repeats a run.
"""

import math
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import kernels
import pytest
from labs import Home, Lab
from paths import ROOT

from booktools.notebooks import chapter_paths, load
from k8slab.errors import InUse
from k8slab.kube.cluster import Cluster

OTHER = Path(__file__).parents[1] / "other_kernel.py"
# A run up to the cell takes about this long; a restart takes two.
LIMIT_S = 30
ON_A_LAB = [
    path.stem
    for path in chapter_paths(ROOT)
    if "machines" not in load(path).settings["needs"]
]
SEED, (RESTART, TWICE, *_) = kernels.drawn(ON_A_LAB, limit_s=LIMIT_S)
# Those that take least, however fast the computer was that ran the book.
SHORT = sorted(ON_A_LAB, key=kernels.seconds)[:5]
FIRSTS = {
    kernels.Stop(name, first)
    for name in SHORT
    for first in kernels.sections(kernels.chapter(name))
}
AGAIN = kernels.drawn(SHORT, limit_s=math.inf, fits=FIRSTS.__contains__)[1][0]


@pytest.fixture
def own(home: Home) -> Iterator[Lab]:
    """Return a lab for one test: what a killed kernel broke stays broken."""
    made = home.up("backwards")
    yield made
    assert made.run("down").returncode == 0


@pytest.fixture(autouse=True)
def printed() -> None:
    """Say how this sample is repeated."""
    print(f"{kernels.SEED}={SEED:x}: restart at {RESTART}, twice up to {TWICE}")
    print(f"section from {AGAIN} again")


def test_after_a_restart_run_all_above_works(own: Lab) -> None:
    """The kernel is killed behind the cell; a new one runs all above, and the cell."""
    kernels.go_back(RESTART, own.name)


def test_a_section_may_be_run_again_and_cells_twice(own: Lab) -> None:
    """After all of its chapter; and each cell in a row, up to one of another."""
    again = kernels.chapter(AGAIN.chapter)
    assert kernels.run_again(again, own.name, [AGAIN.cell]) == {}
    of = kernels.chapter(TWICE.chapter)
    kernels.run(of, own.name, times=2, kill_after=TWICE.cell)


@contextmanager
def other(lab: Lab, namespace: str) -> Iterator[int]:
    """Give the id of another process that works in a namespace."""
    with subprocess.Popen(
        [sys.executable, str(OTHER), lab.name, namespace],
        env={**os.environ, "K8SLAB_HOME": str(lab.home.folder)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert any(line.startswith("holds") for line in process.stdout)
        yield process.pid
        process.kill()


def test_a_second_kernel_is_told_and_takes_nothing(main: Lab) -> None:
    """Who, since when; its cells reach nothing; the next step works as printed."""
    with main.cluster() as cluster, other(main, "held") as holder:
        before = main.kubectl("get", "namespace", "held", "-o", "jsonpath={.metadata}")
        with pytest.raises(InUse) as caught:
            cluster.scratch("held")
        with pytest.raises(InUse):
            cluster.kubectl(["create", "configmap", "mine"])
        after = main.kubectl("get", "namespace", "held", "-o", "jsonpath={.metadata}")

        assert f"process {holder} on " in caught.value.seen
        assert re.search(r"since \d\d:\d\d:\d\d on ", caught.value.seen)
        assert before.stdout == after.stdout
        take_over(cluster, caught.value.next)
        cluster.scratch("held").remove()


def take_over(cluster: Cluster, next_step: str) -> None:
    """Type the printed line, in a session whose lab this one is."""

    class Here:
        connect = staticmethod(lambda: cluster)

    exec(next_step.splitlines()[-1], {"lab": Here})  # noqa: S102


def test_a_killed_kernel_holds_nothing(main: Lab) -> None:
    """The next one begins and is not asked anything."""
    with main.cluster() as cluster:
        with other(main, "held"):
            pass
        cluster.scratch("held").remove()
