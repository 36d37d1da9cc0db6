"""Write the commands that an error's ``next`` names, so that they work as printed."""

from __future__ import annotations

import re

from .env import DEFAULT_LAB, lab_meant
from .names import is_a_chapters

PROGRAM = "k8slab"
"""The command's name, which JupyterLab's terminals know, and so errors use."""
FIRST_CELL = "run the chapter's first cell again: it makes these machines"
"""The step of whoever lacks a lab that a chapter makes: ``up`` refuses its name."""
_QUOTED = re.compile(rf"'{PROGRAM} (?=[a-z-])")
_called = PROGRAM


def command(verb: str, lab: str = "", *rest: str) -> str:
    """Return a command of ``k8slab`` in quotes, with the lab it concerns.

    The lab is left out where the command means it anyway.

    Args:
        verb: The command, as in ``up`` or ``bundle build``.
        lab: The lab; empty for a command that concerns none.
        rest: What follows, as in ``node1 journalctl -n 30``.

    Example:
        >>> command("ssh", "blue", "node1 uptime")
        "'k8slab ssh --name blue node1 uptime'"
    """
    meant = lab == DEFAULT_LAB == lab_meant()
    name = f"--name {lab}" if lab and not meant else ""
    return "'" + " ".join(part for part in (PROGRAM, verb, name, *rest) if part) + "'"


def down_then_up(lab: str) -> str:
    """Return the two commands that remove a lab and make it again."""
    return f"{command('down', lab)}, then {command('up', lab)}"


def anew(lab: str) -> str:
    """Return the step that makes a lab anew, of the size that it has."""
    if is_a_chapters(lab):
        return FIRST_CELL
    return f"make the lab anew: {command('reset', lab)}"


def call_it(typed: str) -> None:
    """Note what the reader types for the command; only the command line knows it.

    Args:
        typed: As a shell takes it, such as ``.venv/bin/k8slab``.
    """
    global _called
    _called = typed


def called() -> str:
    """Return what the reader types for the command; its name where nobody said."""
    return _called


def as_called(text: str) -> str:
    """Return a text for the terminal: its quoted commands as the reader types them.

    Errors themselves, and what chapters store of them, have the command's name.

    Example:
        >>> as_called("make it: 'k8slab up'")
        "make it: 'k8slab up'"
    """
    return _QUOTED.sub(lambda _: f"'{_called} ", text)
