"""Give slow machines more time: one factor, by which every deadline is multiplied."""

from __future__ import annotations

from ..errors import BadInput
from .env import patience


def stretched(seconds: float) -> float:
    """Return a deadline as it is on this computer: ``K8SLAB_PATIENCE`` times as long.

    Whoever waits multiplies, where the time begins to run, and nobody who only hands a
    deadline on: a command, a wait, a connection, a request.

    Args:
        seconds: The deadline of a usual computer.

    Raises:
        BadInput: The factor is none.
    """
    number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not number or not seconds >= 0:  # NaN is neither
        raise BadInput(
            "a time is a number of seconds",
            wanted="0 or more, without quotes: 300 for 5m",
            seen=f"{seconds!r} ({type(seconds).__name__})",
        )
    return seconds * patience()
