"""The graders of every chapter tell right from wrong."""

import grading
import pytest
from labs import Lab


@pytest.mark.parametrize("name", grading.CHAPTERS)
def test_graders_tell_right_from_wrong(main: Lab, name: str) -> None:
    """No, yes, no after an undo, yes to another solution; nothing is left."""
    said, left = grading.asked(name, main)

    assert said == dict.fromkeys(grading.proofs(name), grading.WANTED)
    assert left == []
