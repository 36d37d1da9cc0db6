"""The tables by which faults are proven name every fault there is."""

from __future__ import annotations

import faulty


def test_every_fault_is_proven_somewhere() -> None:
    """Beside others, in a group, alone, or with its add-on; none twice."""
    grouped = [name for group in faulty.GROUPS for name in group]
    proven = [*faulty.SIDE_BY_SIDE, *grouped, faulty.ALONE]

    assert sorted(proven) == sorted(faulty.ANYWHERE)
    assert faulty.OF_ADDONS != ()


def test_every_fault_that_can_be_drawn_has_a_repair_by_hand() -> None:
    """And none that cannot."""
    assert sorted(faulty.BY_HAND) == sorted(faulty.DRAWN)
