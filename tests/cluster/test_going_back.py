"""A reader goes back in a chapter: restarts, and runs cells and sections again.

Each run draws one cell to restart at, one up to which all are run twice, and a section
that is run again after the whole chapter; every one's turn comes in tests/soak.
``SEED=...`` repeats a run.
"""

import math
from collections.abc import Iterator

import kernels
import pytest
from labs import Home, Lab
from paths import ROOT

from booktools.notebooks import chapter_paths, load

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
