"""The chapter ten times in a row, and its kernel killed after each cell."""

import time

import kernels
import pytest
from k8slab.cluster import snapshot

RUNS = 10


@pytest.fixture(scope="module")
def whole(main):
    """Return the lab, its cluster and how that was before any chapter."""
    with main.cluster() as cluster:
        yield main, cluster, snapshot.take(cluster)


def test_ten_runs_in_a_row_are_green(whole, record_property):
    """On the same lab; each leaves it as it was."""
    lab, cluster, before = whole
    seconds = []
    for number in range(RUNS):
        started = time.monotonic()
        kernels.run(kernels.chapter(), lab.name)
        seconds.append(round(time.monotonic() - started, 1))
        left = snapshot.difference(before, snapshot.take(cluster))
        assert left == [], f"run {number}"
    record_property("seconds", seconds)
    print("the chapter:", *seconds, "s")


@pytest.mark.parametrize("cell", kernels.cell_ids(kernels.chapter()))
def test_a_kernel_killed_after_any_cell_does_no_harm(whole, cell):
    """The chapter runs again from its top, green, and leaves nothing."""
    lab, cluster, before = whole

    kernels.run(kernels.chapter(), lab.name, kill_after=cell)
    kernels.run(kernels.chapter(), lab.name)

    assert snapshot.difference(before, snapshot.take(cluster)) == []
