"""Refuse what should be true or false and can be nothing but true."""

from __future__ import annotations

from collections.abc import Awaitable, Iterator
from typing import TypeVar

from ..errors import NoFact

T = TypeVar("T")
ALWAYS = "this is always true"


def fact(said: T, what: str = ALWAYS) -> T:
    """Return what is true or false, as it is.

    Args:
        said: What a check or a wait was told.
        what: The start of the error message.

    Raises:
        NoFact: It is always true: a function, a generator, a coroutine, or a pair of
            a value and a message.
    """
    if callable(said) or isinstance(said, Iterator):
        way = "call it, with (), or put all(…), any(…) or list(…) around it"
    elif isinstance(said, Awaitable):
        way = "put await in front of it"
    elif _is_pair(said):
        way = "give the value alone; a hint stands behind it, not in its parentheses"
    else:
        return said
    raise NoFact(
        what,
        wanted="what is true or false",
        seen=f"a {type(said).__name__}",
        next=way,
    )


def _is_pair(said: object) -> bool:
    """Say whether that is a fact and its hint, and not as many names as were found."""
    if type(said) is not tuple or len(said) != 2:
        return False
    return [isinstance(each, str) for each in said] == [False, True]
