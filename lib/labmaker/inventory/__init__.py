"""A lab on machines that were there: an inventory names them, and SSH reaches them.

`schema` says what the file may say. `InventoryWork` does the work: host keys are pinned
(`hostkeys`), all machines are asked (`facts`) and judged together (`preflight`) before
anything is changed; then the steps of every lab install Kubernetes, over a shell that
notes each change first (`journal`), so that it can be undone (`undo`).
"""

from __future__ import annotations

import os
from pathlib import Path

from k8slab import lab
from k8slab.lab_record import LabRecord


def find(name: str | None) -> LabRecord | None:
    """Return the record of a lab on an inventory's machines; None where it is none.

    Args:
        name: The lab; ``K8SLAB_LAB`` or ``default`` when None.
    """
    record = lab.readable(name)
    return record if record is not None and record.is_inventory else None


def as_noted(name: str | None, file: Path) -> Path:
    """Return an inventory as its lab notes it, though it is spelled another way.

    Args:
        name: The lab; ``K8SLAB_LAB`` or ``default`` when None.
        file: The inventory; returned as it is where the lab is of another one.
    """
    record = find(name)
    noted = "" if record is None else str(record.maker.get("inventory", ""))
    is_same = noted and os.path.realpath(noted) == os.path.realpath(file)
    return Path(noted) if is_same else file
