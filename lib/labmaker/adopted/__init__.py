"""Know the labs that are somebody's cluster: refuse what they lack, and forget them."""

from __future__ import annotations

from contextlib import closing

from k8slab import lab
from k8slab.core import outside
from k8slab.errors import LabError
from k8slab.lab_record import LabRecord


def find(name: str | None) -> LabRecord | None:
    """Return the record of an adopted cluster's lab; None where it is none.

    A record that cannot be read is nobody's, as what removes it decides.

    Args:
        name: The lab; ``K8SLAB_LAB`` or ``default`` when None.
    """
    record = lab.readable(name)
    return record if record is not None and record.is_adopted else None


def refuse(name: str | None, what: str) -> None:
    """Refuse what an adopted cluster's lab cannot do; other labs are let through.

    Args:
        name: The lab; ``K8SLAB_LAB`` or ``default`` when None.
        what: What was asked for, as in ``to stop``.

    Raises:
        NoMachines: The lab is an adopted cluster.
    """
    record = find(name)
    if record is not None:
        raise record.no_machines(what)


def forget(name: str | None) -> bool:
    """Remove an adopted lab's folder; its cluster is not asked.

    Also one whose record another version wrote: nobody else could, without root.

    Returns:
        Whether the lab was an adopted one; else nothing was done.

    Raises:
        InUse: Another command is at work on it.
    """
    folder = lab.folder(name)
    if not folder.is_adopted:
        return False
    with outside.told(), folder.locked():
        folder.remove()
    return True


def state(name: str) -> str:
    """Return ``answers`` for a cluster that does, or why it does not."""
    try:
        with closing(lab.connect(name)) as cluster:
            cluster.version()
    except LabError as error:
        return f"{error.what}: {error.next}" if error.next else error.what
    return "answers"


def server(name: str) -> str:
    """Return the address of its API server.

    Raises:
        LabMissing: The fingerprint cannot be read.
    """
    from k8slab.kube.pinning import Fingerprint

    return Fingerprint.load(lab.folder(name)).server
