"""Filter what a command printed with a few of the text tools that operators know."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from ..core.process import LocalRunner
from ..errors import BadInput, CommandFailed

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


def check(argv: Sequence[str]) -> None:
    """Refuse what is not one of the filters, or more than a filter of text.

    Raises:
        BadInput: With the filters there are, and what does the rest.
    """
    known = _KNOWN.get(argv[0])
    if known is None:
        raise BadInput(
            f"no filter {argv[0]!r} is offered behind a pipe",
            wanted=f"one of {NAMES}",
            seen="| " + shlex.join(argv),
            next="or Python: x = %kubectl …, then x.lines, x.text or x.json",
        )
    switches, valued, takes = known
    others: list[str] = []
    pattern_given = False
    rest = iter(argv[1:])
    for word in rest:
        if argv[0] in ("head", "tail") and re.fullmatch(r"-\d+", word):
            continue
        if not word.startswith("-") or word == "-":
            others.append(word)
            continue
        for place, letter in enumerate(word[1:], start=2):
            if letter in valued:
                pattern_given |= letter == "e"
                if not word[place:]:
                    next(rest, "")
                break
            if letter not in switches:
                raise _refusal(argv, word)
    if len(others) != (0 if pattern_given else takes):
        raise _refusal(argv, " ".join(others) or "nothing to look for")


def apply(argv: Sequence[str], text: str) -> str:
    """Return what a filter leaves of a text; no shell reads its words.

    Raises:
        CommandFailed: The filter could not do it, as with a pattern that is none.
    """
    done = LocalRunner(env={"LC_ALL": "C.UTF-8"}).run(argv, input=text, check=False)
    none = argv[0] == "grep" and done.returncode == _NO_LINE
    if not done.ok and not none:
        raise CommandFailed(
            argv,
            where="the filter behind the pipe",
            returncode=done.returncode,
            stderr=done.stderr,
        )
    return done.stdout


def _refusal(argv: Sequence[str], seen: str) -> BadInput:
    switches, valued, takes = _KNOWN[argv[0]]
    options = " ".join(f"-{letter}" for letter in switches + valued)
    pattern = " and one pattern" if takes else ""
    return BadInput(
        f"this filter takes less than the real {argv[0]}",
        wanted=f"options from {options}{pattern}",
        seen=f"{seen} in: | {shlex.join(argv)}",
        next="or Python: x = %kubectl …, then x.lines, x.text or x.json",
    )
