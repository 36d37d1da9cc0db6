"""Filter what a command printed with a few of the text tools that operators know."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from ..core.process import DEFAULT_TIMEOUT_S, LocalRunner
from ..errors import BadInput, CommandFailed
from ._line import Word

# For each filter its options that take no value, those that take one, and how many
# other words it takes. None of them reads or writes a file, or runs anything.
_KNOWN: dict[str, tuple[str, str, int]] = {
    "grep": ("ivcnwxEFo", "eABCm", 1),
    "head": ("", "nc", 0),
    "tail": ("", "nc", 0),
    "wc": ("lwcm", "", 0),
    "sort": ("rnufhVb", "kt", 0),
}
NAMES = ", ".join(_KNOWN)
_NO_LINE = 1
"""The exit code by which grep says that no line fits."""
_TRIED_S = 5.0
"""Seconds for a filter to take or refuse its options; it needs milliseconds."""
_PYTHON = "or Python: x = %kubectl …, then x.lines, x.text or x.json"


def check_name(words: Sequence[Word]) -> None:
    """Refuse what is not one of the filters.

    Raises:
        BadInput: With the filters there are, and what does the rest.
    """
    if words[0].text in _KNOWN:
        return
    raise BadInput(
        f"no filter {words[0].typed!r} is offered behind a pipe",
        wanted=f"one of {NAMES}",
        seen=f"| {_typed(words)}",
        next=_back(words) if words[0].text == "kubectl" else _PYTHON,
    )


def check(words: Sequence[Word]) -> None:
    """Refuse what is not one of the filters, more than one, or what it cannot do.

    Raises:
        BadInput: With the filters there are, and what does the rest.
    """
    check_name(words)
    argv = [each.text for each in words]
    switches, valued, takes = _KNOWN[argv[0]]
    others: list[str] = []
    pattern_given = False
    rest = iter(words[1:])
    for each in rest:
        word = each.text
        if argv[0] in ("head", "tail") and re.fullmatch(r"-\d+", word):
            continue
        if not word.startswith("-") or word == "-":
            others.append(each.typed)
            continue
        for place, letter in enumerate(word[1:], start=2):
            if letter in valued:
                pattern_given |= letter == "e"
                if not word[place:]:
                    next(rest, None)
                break
            if letter not in switches:
                raise _refusal(words, each.typed)
    if len(others) != (0 if pattern_given else takes):
        raise _refusal(words, " ".join(others) or "nothing to look for")
    try:
        apply(words, "", timeout=_TRIED_S)
    except CommandFailed as error:
        raise BadInput(
            f"{argv[0]} cannot do that",
            where=f"| {_typed(words)}",
            wanted=f"options and values that {argv[0]} takes",
            seen=error.seen.partition("\n")[0],
            next=_PYTHON,
        ) from None  # it may hold a secret


def apply(
    words: Sequence[Word], text: str, *, timeout: float = DEFAULT_TIMEOUT_S
) -> str:
    """Return what a filter leaves of a text; no shell reads its words.

    Raises:
        CommandFailed: The filter could not do it.
    """
    argv = [each.text for each in words]
    runner = LocalRunner(env={"LC_ALL": "C.UTF-8"})
    try:
        done = runner.run(argv, input=text, check=False, timeout=timeout)
        none = argv[0] == "grep" and done.returncode == _NO_LINE
        return done.stdout if none else done.check().stdout
    except CommandFailed as error:
        error.where = f"the filter behind the pipe: {_typed(words)}"
        if "{" in _typed(words):  # its complaint may name a value
            error.seen = f"exit code {error.returncode}"
        raise


def _back(words: Sequence[Word]) -> str:
    """Return what does the work of a pipe that leads back into kubectl."""
    put = "{" in words[0].typed  # so the texts are values, which may be secrets
    argv = [each.typed if put else each.text for each in words[1:]]
    call = f"cluster.kubectl({json.dumps(argv, ensure_ascii=False)}, input=x.text)"
    return f"x = %kubectl … in a line before, then {call}"


def _typed(words: Sequence[Word]) -> str:
    return " ".join(each.typed for each in words)


def _refusal(words: Sequence[Word], seen: str) -> BadInput:
    name = words[0].text
    switches, valued, takes = _KNOWN[name]
    options = " ".join(f"-{letter}" for letter in switches + valued)
    pattern = " and one pattern" if takes else ""
    return BadInput(
        f"this filter takes less than the real {name}",
        wanted=f"options from {options}{pattern}",
        seen=f"{seen} in: | {_typed(words)}",
        next=_PYTHON,
    )
