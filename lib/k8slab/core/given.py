"""Refuse what a reader gave that is of another kind than can be used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from ..errors import BadInput

NAMESPACE = "a namespace, as cluster.scratch returns one"


def plain(value: Any) -> Any:
    """Return the text of what a command printed, which stands for it; else the value.

    Args:
        value: What was given, as the result of ``%kubectl``.
    """
    text = getattr(value, "text", None)
    return text.strip() if isinstance(text, str) else value


def of_kind(
    value: object,
    kinds: Any,
    what: str,
    *,
    wanted: str,
    next: str = "",
) -> None:
    """Refuse a value of another kind; what it holds is not told: it may be a secret.

    Args:
        value: What was given.
        kinds: What it may be, as isinstance takes it.
        what: The start of the error message.
        wanted: What would have been right.
        next: What to do; by default, to call what is a function.

    Raises:
        BadInput: It is of another kind; nothing was done.
    """
    if isinstance(value, kinds):
        return
    raise BadInput(
        what,
        wanted=wanted,
        seen=f"a {type(value).__name__}",
        next=next or ("call it, with ()" if callable(value) else ""),
    )


def text(name: str, value: object, wanted: str) -> str:
    """Return a text, or that of what a command printed; refuse what is neither.

    Raises:
        BadInput: It is neither; nothing was done.
    """
    said = plain(value)
    of_kind(said, str, f"{name} takes a text", wanted=wanted)
    return str(said)


def texts(name: str, value: object, wanted: str) -> list[str]:
    """Return one text, or several, or none, as a list; refuse what is neither.

    Raises:
        BadInput: It is neither; nothing was done.
    """
    several = [value] if isinstance(plain(value), str) else value or ()
    of_kind(several, Sequence, f"{name} takes a text, or several", wanted=wanted)
    return [text(name, each, wanted) for each in cast(Sequence[object], several)]


def bounded(name: str, value: Any, most: float, *, whole: bool = False) -> None:
    """Refuse what is no number, or is out of bounds.

    Args:
        name: What the number is called.
        value: What was given.
        most: The largest that it may be; it has to be more than 0.
        whole: Whether it has to be a whole number.

    Raises:
        BadInput: It is none, or is out of bounds; nothing was done.
    """
    wanted = f"more than 0, at most {most:g}"
    kinds: Any = int if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds):
        raise BadInput(
            f"{name} takes a {'whole ' if whole else ''}number",
            wanted=f"{wanted}, without quotes",
            seen=f"{value!r} ({type(value).__name__})",
        )
    if not 0 < value <= most:
        raise BadInput(f"{name} is out of bounds", wanted=wanted, seen=f"{value:g}")
