"""The blind exercise can be won by what operators type; soak plays with every fault."""

from __future__ import annotations

import random

import blind
import kernels
from labs import Lab

PLAYED = 3


def test_the_exercise_can_be_won(main: Lab) -> None:
    """With a few faults, which are drawn."""
    seed = kernels.seed()
    print(f"{kernels.SEED}={seed:x}")
    names = random.Random(seed).sample(blind.MET, PLAYED)  # noqa: S311 - a sample

    assert blind.problems(blind.play_all(main, names)) == []
