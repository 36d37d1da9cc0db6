"""Say what to type where a fault cannot be undone or begun, by the kind of lab."""

from __future__ import annotations

from pathlib import Path

from ..core.env import DEFAULT_LAB
from ..core.hints import command
from ..errors import LabError
from ..folder import LabFolder, LabRecord


def anew(lab: str, record: LabRecord | None) -> str:
    """Return how a lab is begun anew.

    Args:
        lab: The lab's name.
        record: What its folder says of it; None where nobody knows.
    """
    if record is not None and record.is_own_machines:
        again = command("up", lab, "--inventory FILE")
        return f"{command('down', lab)}, then {again}"
    if record is not None and record.is_adopted:
        again = command("adopt", lab, "--kubeconfig FILE")
        return f"{command('down', lab)}, then {again}"
    return command("reset", lab)


def anew_by(journal: Path) -> str:
    """Return how the lab of a journal is begun anew."""
    root = journal.parent
    try:
        record = LabFolder(root.parent, root.name).record()
    except LabError:
        record = None
    return anew(root.name, record)


def beside(lab: str) -> str:
    """Return how a lab is made beside one that cannot have what is wanted."""
    other = "own" if lab == DEFAULT_LAB else DEFAULT_LAB
    return f"make a lab beside it: {command('up', other)}"
