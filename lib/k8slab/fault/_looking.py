"""Wait until a fault's look sees what it should."""

from __future__ import annotations

from collections.abc import Callable

from ..core.poll import until
from ..errors import (
    ApiError,
    ApiUnreachable,
    CommandFailed,
    LabError,
    MachineUnreachable,
)
from ._kind import Place, Seen

EVERY_S = 0.3
_SILENT = (ApiUnreachable, MachineUnreachable, ApiError, CommandFailed)
Look = Callable[[Place], Seen]


def look(at: Place, sees: Look) -> Seen:
    """Look once; where nothing answers, that is what is seen."""
    try:
        return sees(at)
    except _SILENT as error:
        return Seen(False, error.what + (f": {error.seen}" if error.seen else ""))


def wait(at: Place, sees: Look, *, what: str, want: str, timeout: float) -> Seen:
    """Look again and again.

    Raises:
        NotReady: The deadline passed.
    """
    return until(
        lambda: look(at, sees),
        what=what,
        want=want,
        timeout=timeout,
        where=at.name or at.cluster.where,
        every=EVERY_S,
    )


def attempt(at: Place, act: Callable[[Place], None]) -> LabError | None:
    """Act, and return what stood in the way for now, if anything did."""
    try:
        act(at)
    except _SILENT as error:
        return error
    return None
