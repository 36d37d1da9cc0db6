"""Wait until a fault's look sees what it should."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ..core.poll import NOT_YET, until
from ..errors import (
    ApiError,
    ApiUnreachable,
    BadInput,
    CertificateExpired,
    CommandFailed,
    HostProblem,
    InUse,
    LabError,
    LabMissing,
    MachineUnreachable,
    NotConnected,
)
from ._kind import Place, Seen

EVERY_S = 0.3
_SILENT = (ApiUnreachable, MachineUnreachable, ApiError, CommandFailed)
# What no second try mends: it is the session that is wrong, not the lab.
_MISUSE = (BadInput, InUse, NotConnected)
LASTING = (LabMissing, CertificateExpired, HostProblem)
"""What its own advice mends, when it does not pass by itself in `poll.GRACE_S`."""
Look = Callable[[Place], Seen]
T = TypeVar("T")


def look(at: Place, sees: Look) -> Seen:
    """Look once; where nothing answers, that is what is seen."""
    try:
        return sees(at)
    except _SILENT as error:
        return Seen(False, words(error))
    except NOT_YET as error:
        return Seen(False, _missing(error).what)


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


def attempt(at: Place, act: Callable[[Place], T]) -> T | LabError:
    """Act, and return what came of it, or what stood in the way for now."""
    try:
        return act(at)
    except _MISUSE:
        raise
    except LabError as error:
        return error
    except NOT_YET as error:
        return _missing(error)


def _missing(error: Exception) -> LabError:
    """Return what says that a part of an object is not there: a reader emptied it."""
    return LabError(f"a part of it is not there: {type(error).__name__}: {error}")


def words(error: LabError) -> str:
    """Return what an error says, in one line where it can be."""
    return error.what + (f": {error.seen}" if error.seen else "")
