"""Each chapter ten times in a row, alone on a fresh lab, and killed at each cell."""

import time

import kernels
import pytest
from k8slab.book.notebooks import chapter_paths
from k8slab.cluster import snapshot
from labs import ROOT

RUNS = 10
NAMES = [path.stem for path in chapter_paths(ROOT)]
CELLS = [(n, cell) for n in NAMES for cell in kernels.cell_ids(kernels.chapter(n))]


@pytest.fixture(scope="module")
def whole(main):
    """Return the lab, its cluster and how that was before any chapter."""
    with main.cluster() as cluster:
        yield main, cluster, snapshot.take(cluster)


@pytest.mark.parametrize("name", NAMES)
def test_ten_runs_in_a_row_are_green(whole, name, record_property):
    """On the same lab; each leaves it, and this computer, as they were."""
    lab, cluster, before = whole
    labs = lab.home.labs()
    seconds = []
    for number in range(RUNS):
        started = time.monotonic()
        kernels.run(kernels.chapter(name), lab.name)
        seconds.append(round(time.monotonic() - started, 1))
        left = snapshot.difference(before, snapshot.take(cluster))
        assert (left, lab.home.labs()) == ([], labs), f"run {number}"
    record_property("seconds", seconds)
    print(f"{name}:", *seconds, "s")


@pytest.mark.parametrize("name", NAMES)
def test_a_chapter_runs_alone_on_a_fresh_lab(home, name):
    """It needs nothing that another one made."""
    made = home.up("alone")
    with made.cluster() as cluster:
        before = snapshot.take(cluster)
        kernels.run(kernels.chapter(name), made.name)
        left = snapshot.difference(before, snapshot.take(cluster))
    assert left == []
    assert made.run("down").returncode == 0


@pytest.mark.parametrize(("name", "cell"), CELLS, ids="-".join)
def test_a_kernel_killed_after_any_cell_does_no_harm(whole, name, cell):
    """The chapter runs again from its top, green, and leaves nothing."""
    lab, cluster, before = whole
    labs = lab.home.labs()

    kernels.run(kernels.chapter(name), lab.name, kill_after=cell)
    kernels.run(kernels.chapter(name), lab.name)

    left = snapshot.difference(before, snapshot.take(cluster))
    assert (left, lab.home.labs()) == ([], labs)
