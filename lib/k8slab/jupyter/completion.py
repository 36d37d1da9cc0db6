"""Complete what is typed behind ``%kubectl`` and ``%%on``."""

from __future__ import annotations

import shlex
from typing import Any

from ..cluster import session
from ..errors import LabError, LabMissing

LIMIT_S = 2.0
"""Seconds that kubectl may think; nobody waits longer for a Tab."""


def offer(shell: Any) -> None:
    """Let a notebook's shell complete both magics."""
    shell.set_hook("complete_command", _kubectl, str_key="%kubectl")
    shell.set_hook("complete_command", _on, str_key="%%on")


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
        done = session.current().kubectl(
            ["__complete", *words], check=False, timeout=LIMIT_S
        )
    except (LabError, ValueError):  # no lab, too late, or an open quote: no answer
        return []
    lines = [each.partition("\t")[0] for each in done.stdout.splitlines()]
    return [each for each in lines if each and not each.startswith((":", "_"))]


def _kubectl(shell: Any, event: Any) -> list[str]:
    before = event.text_until_cursor.lstrip().removeprefix("%kubectl").lstrip()
    word = "" if before[-1:].isspace() else before.split(" ")[-1]
    return [
        event.symbol + each[len(word) :]
        for each in candidates(before)
        if each.startswith(word)
    ]


def _on(shell: Any, event: Any) -> list[str]:
    try:
        machines: Any = session.machines()
    except LabMissing:
        return []
    return list(getattr(machines, "machines", ()))
