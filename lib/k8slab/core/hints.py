"""Write the commands that an error's ``next`` names, so that they work as printed."""

from __future__ import annotations

from .env import DEFAULT_LAB, lab_meant


def command(verb: str, lab: str = "", rest: str = "") -> str:
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
    return "'" + " ".join(part for part in ("k8slab", verb, name, rest) if part) + "'"


def anew(lab: str) -> str:
    """Return the two commands that remove a lab and make it again."""
    return f"{command('down', lab)}, then {command('up', lab)}"
