"""Look again and again until a state is there; the one place that sleeps."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol, TypeVar

from ..errors import NotReady

T = TypeVar("T")


class Clock(Protocol):
    """What a wait needs of time; tests give one that takes none."""

    def now(self) -> float:
        """Return a monotonic time in seconds."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let that many seconds pass."""
        ...


class SystemClock:
    """The real clock."""

    def now(self) -> float:
        """Return the monotonic time in seconds."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Let that many seconds pass."""
        time.sleep(seconds)


def until(
    look: Callable[[], T],
    *,
    what: str,
    want: str,
    timeout: float,
    done: Callable[[T], bool] = bool,
    failed: Callable[[T], str | None] | None = None,
    where: str = "",
    next: str = "",
    every: float = 0.1,
    clock: Clock | None = None,
) -> T:
    """Look again and again until a state is there.

    For states that no API can watch: a socket, a unit, a file. For API objects
    the waits further down watch instead of asking.

    Args:
        look: Returns the state as it is now.
        what: What is waited for, as the start of the error message.
        want: The wanted state in words.
        timeout: Seconds until giving up.
        done: Says whether a state is the wanted one.
        failed: Says why a state can no longer become the wanted one, or None.
        where: The machine or address concerned.
        next: What to do when the wait fails.
        every: Seconds between two looks.
        clock: The clock; tests give their own.

    Returns:
        The first state that is the wanted one.

    Raises:
        NotReady: The deadline passed, or ``failed`` gave a reason.

    Example:
        >>> until(lambda: 3, what="three", want="3", timeout=1)
        3
    """
    clock = clock or SystemClock()
    started = clock.now()
    while True:
        seen = look()
        if done(seen):
            return seen
        waited = clock.now() - started
        reason = failed(seen) if failed is not None else None
        if reason is not None or waited >= timeout:
            raise NotReady(
                what
                + (": it cannot come" if reason else f": not within {timeout:g} s"),
                wanted=want,
                seen=reason or str(seen) or "nothing",
                waited_s=waited,
                where=where,
                next=next,
            )
        clock.sleep(min(every, timeout - waited))
