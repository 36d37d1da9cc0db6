"""Say what to do after an up that failed: the lab of a hint may be gone by then."""

from __future__ import annotations

import re
from collections.abc import Sequence

from k8slab.core.hints import FIRST_CELL, command
from k8slab.core.names import is_a_chapters

from .settings import DEFAULT_WORKERS

_COMMAND = re.compile(r"'k8slab ([a-z]+)[^']*'")
_ANYWHERE = frozenset(("doctor", "setup", "bundle"))
"""Commands that need no lab, and make none: it would not be of the size asked for."""
_OF_A_KEPT = frozenset((*_ANYWHERE, "ssh", "status", "stop", "down", "reset"))
"""Commands that take a lab which was never up."""


def options(workers: int, image: str, slot: int | None) -> list[str]:
    """Return the options of ``up`` by which a lab gets what was asked for again.

    Args:
        workers: Machines beside the master.
        image: What they start from.
        slot: The number of its addresses; None for a free one.
    """
    given = [] if workers == DEFAULT_WORKERS else [f"--nodes {workers}"]
    given += [] if image == "ready" else [f"--image {image}"]
    return given if slot is None else [*given, f"--slot {slot}"]


def cure(said: str) -> str:
    """Return a failure's next step where it needs no lab; else nothing."""
    return said if set(_COMMAND.findall(said)) <= _ANYWHERE else ""


def after_removal(said: str, lab: str, asked: Sequence[str] = ()) -> str:
    """Return a failure's next step when all that was made is removed.

    Args:
        said: The step as it was when the lab was there.
        lab: The lab's name.
        asked: Its `options`.
    """
    if told := cure(said):
        return told
    if is_a_chapters(lab):
        return f"what was made is removed; {FIRST_CELL}"
    return (
        "what was made is removed; have it kept the next time, to look at it: "
        + command("up", lab, "--keep", *asked)
    )


def after_keeping(said: str, lab: str) -> str:
    """Return a failure's next step when what was made is left.

    Args:
        said: The step as it was while the lab was being made.
        lab: The lab's name.
    """
    steps = [said] if said and set(_COMMAND.findall(said)) <= _OF_A_KEPT else []
    if not _COMMAND.search("".join(steps)):
        steps.append(f"look at what is left: {command('ssh', lab, 'master')}")
    if "reset" not in _COMMAND.findall("".join(steps)):
        steps.append(f"then begin anew: {command('reset', lab)}")
    return "; ".join(steps)
