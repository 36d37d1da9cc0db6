"""Put the value of a Python name where the name stands in braces."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from decimal import Decimal
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from types import FrameType
from typing import Any

from ..errors import BadInput
from ._line import Word
from ._result import Result

_NAME = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
# What stands between two braces on each side is a template's, ${…} a shell's, %{…}
# curl's and \p{…} grep's.
_OTHER = r"\{\{.*?\}\}|[$%]\{|\\[pP]\{"
_BRACES = re.compile(rf"(?P<other>{_OTHER})|\{{(?P<name>{_NAME})\}}", re.S)

_Address = IPv4Address | IPv4Network | IPv6Address | IPv6Network
_EXPRESSION = re.compile(rf"\{{({_NAME})\s*[-+*/%:!][^{{}}]*\}}")
# What is a name alone is none of these, nor is a key of YAML, as {replicas: 2} has one.
_BLANKS = re.compile(
    rf"(?<![{{$%])\{{(?=[^{{}}]*\s)\s*({_NAME})(?![\w.]|:\s)[^{{}}]*\}}"
)
_RANGE = re.compile(r"\{\s*range\b")
_ITEM = re.compile(rf"\{{{_NAME}\[[^{{}}]*\}}")


class InnerNames(dict[str, Any]):
    """The names an inner function holds itself; its outer one's are not to be had."""


def known(local_ns: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the names that Python knows where a magic stands.

    Python leaves to an inner function those names of its outer one that stand in its
    code, and the line of a magic is only a text. So the outer function is asked, which
    runs meanwhile as a rule.

    Args:
        local_ns: The names of the function, or the cell, that the magic stands in.
    """
    found = dict(local_ns or {})
    if "IPython" not in sys.modules:
        return found
    from IPython.core.getipython import get_ipython

    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_code.co_name != "run_line_magic":
        frame = frame.f_back
    frame = frame and frame.f_back
    while frame is not None and "<locals>" in frame.f_code.co_qualname:
        outer = _outer(frame)
        if len(outer) != 1:  # it has ended, or calls itself: which one made this one?
            return InnerNames(found)
        frame = outer[0]
        found = {**frame.f_locals, **found}
    shell: Any = get_ipython()
    return {**(shell.user_ns if shell is not None else {}), **found}


def _outer(inner: FrameType) -> list[FrameType]:
    """Return the calls that run of the function in which another one is written."""
    found, frame = list[FrameType](), inner.f_back
    while frame is not None:
        if any(each is inner.f_code for each in frame.f_code.co_consts):
            found.append(frame)
        frame = frame.f_back
    return found


def item_of(word: Word, names: Mapping[str, Any]) -> str:
    """Return an item or an expression that stands in braces, or an empty text.

    An expression is what begins with a name that Python knows.
    """
    for found in _ITEM.finditer(word.text):  # its key may be quoted, but not the brace
        if word.bare[found.start()]:
            return found[0]
    for found in _EXPRESSION.finditer(word.text):
        if word.bare[found.start()] and found[1].partition(".")[0] in names:
            return found[0]
    return ""


def expression_of(typed: str, names: Mapping[str, Any]) -> str:
    """Return what stands in braces with blanks and begins with a known name, or ""."""
    for found in _BLANKS.finditer(typed):
        if found[1].partition(".")[0] in names:
            return found[0]
    return ""


def put(words: Sequence[Word], names: Mapping[str, Any]) -> list[Word]:
    """Return the words with values in place of names in braces.

    A word that is nothing but ``{name}``, outside of quotes, becomes as many words as
    the value has: the items of a list, or the words of a text, also of one that a
    command printed. Everything else in braces
    stays as it was typed: paths and ranges of jsonpath, templates, JSON.

    Args:
        words: The words as they were typed.
        names: The values by name.

    Raises:
        BadInput: There is no such name, or its value names nothing.
    """
    found: list[Word] = []
    for word in words:
        alone = re.fullmatch(rf"\{{({_NAME})\}}", word.text)
        if alone and not word.quoted:
            found += [
                Word(each, (False,) * len(each), True, word.typed)
                for each in _several(alone[1], names)
            ]
        else:
            found.append(_inside(word, names))
    return found


def _inside(word: Word, names: Mapping[str, Any]) -> Word:
    text, bare, at = "", (), 0  # type: tuple[str, tuple[bool, ...], int]
    for match in _BRACES.finditer(word.text):
        name = match["name"]
        before = word.text[: match.start()]
        # Quotes inside of quotes make braces around a letter: "{"\n"}" is {n}.
        typed = match[0] in word.typed
        if name is None or not typed or (name == "end" and _RANGE.search(before)):
            continue
        value = _one(name, _value(name, names))
        text += word.text[at : match.start()] + value
        bare += word.bare[at : match.start()] + (False,) * len(value)
        at = match.end()
    text, bare = text + word.text[at:], bare + word.bare[at:]
    return Word(text, bare, word.quoted, word.typed)


def _several(name: str, names: Mapping[str, Any]) -> list[str]:
    value = _value(name, names)
    if isinstance(value, list | tuple | set | frozenset):
        several = [_one(name, each) for each in value]
    else:
        text = _one(name, value)
        is_text = isinstance(value, str | Result)
        several = text.split() if is_text else [text]
    if not several:
        raise _nothing(name, value)
    return several


def _value(name: str, names: Mapping[str, Any]) -> Any:
    first, *rest = name.split(".")
    if first not in names and isinstance(names, InnerNames):
        raise BadInput(
            f"the inner function does not hold {first}",
            wanted="a name that it was given, or that it has set itself",
            seen=f"{{{name}}}",
            next=f"give it as an argument: def inner({first}):",
        )
    if first not in names:
        dotted = f"; a path of jsonpath begins with a dot: {{.{name}}}"
        raise BadInput(
            f"there is no Python name {first!r}",
            wanted="a name that a cell above has given" + dotted,
            seen=f"{{{name}}}",
            next="run the cell that gives it; braces that mean no name have a blank "
            f"inside, and quotes: '{{ {name} }}'",
        )
    value = names[first]
    for place, each in enumerate(rest, start=1):
        try:
            value = getattr(value, each)
        except AttributeError as error:
            owner = ".".join([first, *rest[: place - 1]])
            wanted = f"something that {owner} has, as Tab shows it"
            if isinstance(value, Mapping) and each in value:
                keys = "".join(f'["{key}"]' for key in rest[place - 1 :])
                wanted = f"a Python name: one = {owner}{keys} in a line before, "
                wanted += "then {one}"
            raise BadInput(
                f"{owner} has no {each}",
                wanted=wanted,
                seen=f"{{{name}}}",
            ) from error
    return value


def _one(name: str, value: Any) -> str:
    """Return a value as one text: what it says, or the name it has."""
    if isinstance(value, bool):
        return str(value).lower()
    plain = isinstance(value, str | int | float | Path | _Address | Decimal)
    text = str(value).rstrip("\n") if plain else _named(value)
    if not text.strip():
        raise _nothing(name, value)
    if "\0" in text:
        raise BadInput(
            f"{name} holds a NUL character, which no command can be given",
            wanted="a text without \\0",
            seen=f"{{{name}}}",
            next=f"look at it: {name}",
        )
    return text


def _named(value: Any) -> str:
    """Return the name of an object, in whatever form it came; or an empty text."""
    meta = value.get("metadata") if isinstance(value, Mapping) else None
    meta = meta or getattr(value, "metadata", None)
    named = meta.get("name") if isinstance(meta, Mapping) else None
    for candidate in (
        getattr(value, "name", None),
        named,
        getattr(meta, "name", None),
        getattr(value, "service", None),  # the record of a Service's endpoints
    ):
        if isinstance(candidate, str):
            return candidate
    shown = getattr(value, "text", "")  # what a command printed
    return shown.strip() if isinstance(shown, str) else ""


def _nothing(name: str, value: Any) -> BadInput:
    kind = type(value).__name__
    return BadInput(
        f"{name} names nothing that kubectl could be given",
        wanted="a text, a number, or an object that has a name",
        seen=f"{{{name}}} is {'empty' if isinstance(value, str) else f'a {kind}'}",
        next=f"look at it: {name}",
    )
