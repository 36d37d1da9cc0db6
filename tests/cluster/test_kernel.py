"""A chapter whose kernel was killed runs again from its top, and leaves nothing.

Every cell's turn comes in tests/soak; here are three, one behind the other.
"""

import kernels
from labs import Lab

from booktools.notebooks import Chapter
from k8slab.kube import snapshot

# While Pods are made, while one returns, while more are made.
SAMPLE = ("create-apply", "delete-apply", "change-scale-up")
TIDY = "cleanup"


def test_the_sample_is_of_the_chapter() -> None:
    """The cells are there, in this order."""
    ids = kernels.cell_ids(kernels.chapter())

    assert [each for each in ids if each in (*SAMPLE, TIDY)] == [*SAMPLE, TIDY]


def test_a_killed_kernel_does_no_harm(main: Lab) -> None:
    """Killed three times; then the first sections pass and the lab is as before."""
    with main.cluster() as cluster:
        before = snapshot.take(cluster)
        for cell in SAMPLE:
            kernels.run(kernels.chapter(), main.name, kill_after=cell)
        there = snapshot.difference(before, snapshot.take(cluster))
        kernels.run(shortened(), main.name)
        after = snapshot.difference(before, snapshot.take(cluster))

    assert there != []
    assert after == []


def shortened() -> Chapter:
    """Return the chapter up to where a Pod has returned, and its clean-up."""
    chapter = kernels.chapter()
    cells = chapter.notebook.cells
    ids = [cell.get("id") for cell in cells]
    (end,) = [cell for cell in cells if cell.get("id") == TIDY]
    chapter.notebook.cells = [*cells[: ids.index("delete-check") + 1], end]
    return chapter
