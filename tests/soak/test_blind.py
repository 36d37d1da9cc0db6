"""The blind exercise can be won whichever fault it draws."""

from __future__ import annotations

import blind
from labs import Lab


def test_the_exercise_can_be_won_with_every_fault(main: Lab) -> None:
    """Not before the repair; then it is, the fault is named, and nothing is left."""
    assert blind.problems(blind.play_all(main, blind.MET)) == []
