"""Graders tell right from wrong; soak asks those of every chapter."""

import random

import grading
import kernels
import pytest
from grading import CHAPTERS
from labs import Lab

from booktools.notebooks import load

ASKED = 3
SEED = kernels.seed()
DRAWN = random.Random(SEED).sample(sorted(CHAPTERS), ASKED)  # noqa: S311 - a sample


def test_every_exercise_has_a_proof() -> None:
    """Two or more in each chapter, and each of them is in its file."""
    found = {name: grading.exercises(load(path)) for name, path in CHAPTERS.items()}

    assert found == {name: list(grading.proofs(name)) for name in CHAPTERS}
    assert min(map(len, found.values())) >= 2


@pytest.mark.parametrize("name", DRAWN)
def test_graders_tell_right_from_wrong(main: Lab, name: str) -> None:
    """No, yes, no after an undo, yes to another solution; nothing is left."""
    print(f"{kernels.SEED}={SEED:x}")
    said, left = grading.asked(name, main)

    assert said == dict.fromkeys(grading.proofs(name), grading.WANTED)
    assert left == []
