"""Each chapter ten times in a row, alone on a fresh lab, and backwards at each cell."""

import time
from collections.abc import Callable, Iterator

import kernels
import pytest
from labs import Home, Lab
from paths import ROOT

from booktools.notebooks import chapter_paths
from k8slab import wait
from k8slab.kube import snapshot
from k8slab.kube.cluster import Cluster
from k8slab.kube.snapshot import Snapshot

RUNS = 10
SETTLES_S = 30.0
SHARES = 2  # so that two workers of pytest can take a chapter's cells side by side
NAMES = [path.stem for path in chapter_paths(ROOT)]


@pytest.fixture(scope="module")
def whole(main: Lab) -> Iterator[tuple[Lab, Cluster, Snapshot]]:
    """Return the lab, its cluster and how that was before any chapter."""
    with main.cluster() as cluster:
        yield main, cluster, snapshot.take(cluster)


@pytest.mark.parametrize("name", NAMES)
def test_ten_runs_in_a_row_are_green(
    whole: tuple[Lab, Cluster, Snapshot],
    name: str,
    record_property: Callable[[str, object], None],
) -> None:
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
def test_a_chapter_runs_alone_on_a_fresh_lab(home: Home, name: str) -> None:
    """It needs nothing that another one made."""
    made = home.up("alone")
    with made.cluster() as cluster:
        before = snapshot.take(cluster)
        kernels.run(kernels.chapter(name), made.name)
        left = snapshot.difference(before, snapshot.take(cluster))
    assert left == []
    assert made.run("down").returncode == 0


@pytest.mark.parametrize("share", range(SHARES))
@pytest.mark.parametrize("name", NAMES)
def test_a_kernel_killed_after_any_cell_does_no_harm(
    whole: tuple[Lab, Cluster, Snapshot], name: str, share: int
) -> None:
    """The next run finds what the first one found; each goes on a little further.

    What is there after a run's first cell is all that a killed one can leave to it.
    So the last run alone goes to its end: one after each would take three times as
    long and see nothing else.
    """
    lab, cluster, before = whole
    labs = lab.home.labs()
    ids = kernels.cell_ids(kernels.chapter(name))
    first = []
    kernels.run(
        kernels.chapter(name),
        lab.name,
        kill_after=ids[0],
        begun=lambda: first.append(snapshot.take(cluster)),
    )

    def begins_alike() -> None:
        wait.until(
            lambda: snapshot.difference(first[0], snapshot.take(cluster)),
            what=f"{name} begins",
            want="what the first run found",
            timeout=SETTLES_S,
            done=lambda differs: not differs,
        )

    for cell in [*ids[share::SHARES], ""]:  # the last one is not killed
        kernels.run(
            kernels.chapter(name), lab.name, kill_after=cell, begun=begins_alike
        )

    left = snapshot.difference(before, snapshot.take(cluster))
    assert (left, lab.home.labs()) == ([], labs)


@pytest.mark.parametrize("stop", kernels.stops(NAMES), ids=str)
def test_after_a_restart_run_all_above_works(
    whole: tuple[Lab, Cluster, Snapshot], stop: kernels.Stop
) -> None:
    """From every cell: the kernel is killed behind it; a new one gets there again."""
    lab, _, _ = whole
    kernels.go_back(stop, lab.name)


@pytest.mark.parametrize("name", NAMES)
def test_every_section_may_be_run_again(
    whole: tuple[Lab, Cluster, Snapshot], name: str
) -> None:
    """After all of the chapter, the last one first; the lab is as before."""
    lab, cluster, before = whole
    of = kernels.chapter(name)
    failed = kernels.run_again(of, lab.name, [*reversed(kernels.sections(of))])

    assert (failed, snapshot.difference(before, snapshot.take(cluster))) == ({}, [])


@pytest.mark.parametrize("name", NAMES)
def test_every_cell_may_be_run_twice(
    whole: tuple[Lab, Cluster, Snapshot], name: str
) -> None:
    """In a row, in one pass; the lab is as before."""
    lab, cluster, before = whole
    kernels.run(kernels.chapter(name), lab.name, times=2)

    assert snapshot.difference(before, snapshot.take(cluster)) == []
