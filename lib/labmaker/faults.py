"""Undo in a lab that comes up what ended sessions broke, or it would not get well."""

from __future__ import annotations

from k8slab import lab
from k8slab.core.phases import Ledger
from k8slab.folder import LabFolder


def are_noted(folder: LabFolder) -> bool:
    """Say whether faults are noted, whoever made them and is to undo them."""
    return any(folder.journal.glob("*.json"))


def undo(folder: LabFolder, ledger: Ledger, *, start_s: float = 0.0) -> None:
    """Undo what ended sessions broke, once all machines run.

    Args:
        folder: The lab's files.
        ledger: Times and shows the phase; there is none where nothing is noted.
        start_s: Seconds allowed on top, where machines have just started.

    Raises:
        NotReady: Something does not get as it was before.
    """
    if not are_noted(folder):
        return
    with ledger.phase("undo what ended sessions broke") as phase:
        if not lab.heal(folder.name, start_s=start_s).undone:
            phase.unchanged("nothing that is not a living session's")
