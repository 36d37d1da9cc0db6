"""Look again and again until a state is there; the one place that sleeps."""

from __future__ import annotations

import time
from collections.abc import Callable
from inspect import signature
from typing import Protocol, TypeVar

from ..errors import BadInput, LabError, NotReady
from .facts import fact
from .patience import stretched

GRACE_S = 10.0
"""Seconds for which an API server may refuse as one does that starts."""
PAUSE_S = 0.2
NOT_YET = (LookupError, TypeError)
"""What a look at a state raises when a part of it is not there yet, or is None."""
_ABSENT = (*NOT_YET, AttributeError)
"""The same for objects with attributes; `_not_yet` tells it from a slip of the pen."""
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


class Tolerance:
    """Say which errors a wait bears, and for how long.

    Some pass by themselves: no answer, too many requests, an internal error. Others do
    where a server starts that does not know its users, their rights or its kinds of
    objects yet (401, 403, 404); those are borne for `GRACE_S` at most.

    Args:
        clock: Tells how long an error lasts.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since: float | None = None

    def reset(self) -> None:
        """Note that there was an answer."""
        self._since = None

    def bear(self, error: LabError) -> float:
        """Return the seconds to pause after an error, or raise it.

        Raises:
            LabError: The error, when it does not pass.
        """
        if error.passing:
            self._since = None
            return max(PAUSE_S, error.retry_after_s)
        now = self._clock.now()
        self._since = now if self._since is None else self._since
        if not error.passing_at_first or now - self._since >= stretched(GRACE_S):
            raise error
        return PAUSE_S


def judge(
    seen: T,
    done: Callable[[T], bool],
    failed: Callable[[T], str | None] | None,
    show: Callable[[T], str] = str,
) -> tuple[bool, str, str | None]:
    """Say whether a state is the wanted one, what it is, and why it cannot become so.

    Args:
        seen: The state.
        done: Says whether it is the wanted one; what it misses is not there yet.
        failed: Says why it can no longer become so, or None.
        show: Puts it into words.

    Raises:
        BadInput: What it is judged by is always true, as a generator is.
    """
    reason, missed = None, []
    try:
        # What `bool` is asked about is the verdict itself, and not a state.
        if fact(seen if done is bool else done(seen)):
            return True, "", None
    except _ABSENT as error:
        missed.append(_not_yet(error))
    try:
        reason = _reason(failed(seen)) if failed is not None else None
    except _ABSENT as error:
        missed.append(_not_yet(error))
    return False, "\n".join([*dict.fromkeys(missed), show(seen)]), reason


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

    For states that no API can watch: a socket, a unit, a file. API objects have waits
    of their own, which are told of each change. Errors that pass (`Tolerance`) are
    waited out, and so are parts of a state that are not there yet (`NOT_YET`).

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
        BadInput: The look is a value, and no function; it, ``done`` or ``failed``
            takes other arguments than it is given; the timeout is no number; or what
            the look or ``done`` returns is always true: a function, a generator, a
            coroutine, a pair of a value and a message, a list of what is true or
            false, or the text of an answer, as "no".
        NotReady: The deadline passed, or ``failed`` gave a reason.

    Example:
        >>> until(lambda: 3, what="three", want="3", timeout=1)
        3
    """
    if not callable(look):
        raise BadInput(
            "a value does not change while it is waited for",
            where=what,
            wanted="a function, which is asked again and again",
            seen=repr(look)[:200],
            next="put lambda: in front of it",
        )
    check_asked(look=look)
    check_asked(None, done=done, failed=failed)
    clock = clock or SystemClock()
    # Looks are work, which a slow machine has no time for ten times a second.
    timeout, every = stretched(timeout), stretched(every)
    started, tolerance = clock.now(), Tolerance(clock)
    while True:
        pause, reason = every, None
        trouble: Exception | None = None
        try:
            seen = look()
        except LabError as error:
            pause = max(every, tolerance.bear(error))
            trouble, last = error, f"{error.what}: {error.seen}"
        except _ABSENT as error:
            trouble, last = error, _not_yet(error)
        else:
            tolerance.reset()
            ok, last, reason = judge(seen, done, failed)
            if ok:
                return seen
        waited = clock.now() - started
        if reason is not None or waited >= timeout:
            raise NotReady(
                what
                + (": it cannot come" if reason else f": not within {timeout:g} s"),
                wanted=want,
                seen=reason or last or "nothing",
                waited_s=waited,
                where=where,
                next=next,
            ) from trouble
        clock.sleep(min(pause, timeout - waited))


def _reason(said: object) -> str | None:
    """Return why a state cannot come; a plain yes ends a wait, and a no does not."""
    if said is True:
        return "what 'failed' looks for is there"
    return str(fact(said)) if said else None


def check_asked(*given: object, **asked: object) -> None:
    """Refuse what cannot be asked about a state: it would be waited for in vain.

    Raises:
        BadInput: It is no function, or takes other arguments than it is given.
    """
    for name, function in asked.items():
        if function is None or function is bool:
            continue
        takes = ", ".join("seen" for _ in given)
        said = f"{function!r} ({type(function).__name__})"
        try:
            if callable(function):
                signature(function).bind(*given)
                continue
        except ValueError:  # what is written in C does not tell
            continue
        except TypeError as error:
            said = str(error)
        raise BadInput(
            f"{name} is a function that is called with {len(given) or 'no'} value",
            wanted=f"{name}=lambda {takes}: …".replace(" :", ":"),
            seen=said[:200],
        )


def _not_yet(error: Exception) -> str:
    """Return what is not there yet in words, as in ``KeyError: 'readyReplicas'``.

    Raises:
        AttributeError: It was no part that is None that was asked for an attribute.
    """
    if isinstance(error, AttributeError) and (error.obj is not None or not error.name):
        raise error
    return f"{type(error).__name__}: {error}"
