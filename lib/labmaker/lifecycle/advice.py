"""Say what to do after an up that failed: the lab of a hint may be gone by then."""

from __future__ import annotations

import re

from k8slab.core.hints import command

_COMMAND = re.compile(r"'k8slab ([a-z]+)[^']*'")
_ANYWHERE = frozenset(("up", "doctor", "setup", "bundle"))
"""Commands that need no lab."""
_OF_A_KEPT = frozenset((*_ANYWHERE, "ssh", "status", "stop", "down", "reset")) - {"up"}
"""Commands that take a lab which was never up."""


def after_removal(said: str, lab: str) -> str:
    """Return a failure's next step when all that was made is removed.

    Args:
        said: The step as it was when the lab was there.
        lab: The lab's name.
    """
    if set(_COMMAND.findall(said)) <= _ANYWHERE:
        return said
    return (
        "what was made is removed; have it kept the next time, to look at it: "
        + command("up", lab, "--keep")
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
    return "; ".join([*steps, f"then begin anew: {command('reset', lab)}"])
