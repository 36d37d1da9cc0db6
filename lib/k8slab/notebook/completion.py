"""Complete what is typed behind ``%kubectl`` and ``%%on``."""

from __future__ import annotations

import shlex
from typing import Any

from IPython.core.completer import (
    CompletionContext,
    SimpleCompletion,
    context_matcher,
)

from ..errors import LabError, LabMissing
from ..kube import current

LIMIT_S = 2.0
"""Seconds that kubectl may think; nobody waits longer for a Tab."""


def offer(shell: Any) -> None:
    """Let a notebook's shell complete both magics, and nothing else on their lines."""
    known = shell.Completer.custom_matchers
    if _match not in known:
        known.append(_match)


def candidates(line: str) -> list[str]:
    """Return what the last word of a kubectl command line may become.

    kubectl itself knows: its verbs, the kinds of the cluster, the names of objects.

    Args:
        line: What is typed behind ``kubectl``, up to the cursor.
    """
    try:
        words = shlex.split(line)
        if not line or line[-1].isspace():
            words.append("")
        done = current.current().kubectl(
            ["__complete", *words], check=False, timeout=LIMIT_S
        )
    except (LabError, ValueError):  # no lab, too late, or an open quote: no answer
        return []
    lines = [each.partition("\t")[0] for each in done.stdout.splitlines()]
    return [each for each in lines if each and not each.startswith((":", "_"))]


@context_matcher(priority=1000)  # type: ignore[untyped-decorator]
def _match(context: CompletionContext) -> dict[str, Any]:
    """Answer for the two magics; Python's own names would be noise there."""
    line = context.line_with_cursor[: context.cursor_position].lstrip()
    magic, blank, typed = line.partition(" ")
    if not blank or magic not in ("%kubectl", "%%on"):
        return {"completions": [], "suppress": False}
    word = "" if typed[-1:].isspace() else typed.split(" ")[-1]
    known = candidates(typed) if magic == "%kubectl" else _machines()
    return {
        "completions": [
            SimpleCompletion(each, type="value")
            for each in known
            if each.startswith(word)
        ],
        "matched_fragment": word,
        "suppress": True,
        "ordered": True,
    }


def _machines() -> list[str]:
    try:
        machines: Any = current.machines()
    except LabMissing:
        return []
    return list(getattr(machines, "machines", ()))
