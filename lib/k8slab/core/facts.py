"""Refuse what should be true or false and can be nothing but true."""

from __future__ import annotations

from collections.abc import Awaitable, Collection, Iterator, Mapping
from typing import TypeVar

from ..errors import NoFact

T = TypeVar("T")
ALWAYS = "this is always true"
_ANSWERS = ("true", "false", "yes", "no", "0")
"""Texts by which programs answer a question, each of which Python takes for true."""


def fact(said: T, what: str = ALWAYS) -> T:
    """Return what is true or false, as it is.

    Args:
        said: What a check or a wait was told.
        what: The start of the error message.

    Raises:
        NoFact: It is always true: a function, a generator, a coroutine, a pair of
            a value and a message, a list of what is true or false, or the text of an
            answer, as "no".
    """
    if callable(said) or isinstance(said, Iterator):
        way = "call it, with (), or put all(…), any(…) or list(…) around it"
    elif isinstance(said, Awaitable):
        way = "put await in front of it"
    elif _is_pair(said):
        way = "give the value alone; a hint stands behind it, not in its parentheses"
    elif _are_facts(said):
        way = "put all(…) or any(…) around it; of a mapping take its values()"
    elif isinstance(said, str) and said.strip().lower() in _ANSWERS:
        way = "compare it: x.text.strip() == 'yes' for what %kubectl printed"
    else:
        return said
    raise NoFact(
        what,
        wanted="what is true or false",
        seen=f"the text {said!r}"
        if isinstance(said, str)
        else f"a {type(said).__name__}",
        next=way,
    )


def _is_pair(said: object) -> bool:
    """Say whether that is a fact and its hint, and not as many names as were found."""
    if type(said) is not tuple or len(said) != 2:
        return False
    return [isinstance(each, str) for each in said] == [False, True]


def _are_facts(said: object) -> bool:
    """Say whether that is one or more facts, of which each may be true or false."""
    several = said.values() if isinstance(said, Mapping) else said
    if isinstance(several, str) or not isinstance(several, Collection):
        return False
    return len(several) > 0 and all(isinstance(each, bool) for each in several)
