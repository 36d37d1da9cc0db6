"""Remember the machines and the cluster that cells mean when they name none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ..errors import LabMissing, NotConnected
from ..ssh.shell import Shell

if TYPE_CHECKING:
    from .cluster import Cluster


class Machines(Protocol):
    """Machines that a cell can run a script on; a `Cluster` has some, too."""

    def on(self, machine: str) -> Shell:
        """Return the runner that reaches a machine over SSH."""
        ...


_current: list[Cluster] = []
_machines: list[Machines] = []


def use(cluster: Cluster) -> None:
    """Make a cluster the one that chapters mean when they name none."""
    _current[:] = [cluster]
    _machines[:] = [cluster]


def use_machines(machines: Machines) -> None:
    """Make machines that are no cluster yet the ones that cells mean."""
    _current.clear()
    _machines[:] = [machines]


def machines() -> Machines:
    """Return the machines that cells run scripts on.

    Raises:
        NotConnected: This session is connected to no lab.
    """
    if not _machines:
        raise _nothing()
    return _machines[0]


def current() -> Cluster:
    """Return the cluster that chapters mean when they name none.

    Raises:
        LabMissing: This session is connected to no lab, or to machines that are no
            cluster yet.
    """
    if _current:
        return _current[0]
    if _machines:
        raise LabMissing(
            "these machines are no cluster yet",
            where=repr(_machines[0]),
            wanted="a control plane, and a session that is connected to it",
            next="kubeadm init on the master, then: cluster = machines.connect()",
        )
    raise _nothing()


def forget() -> None:
    """Mean no machines and no cluster any more."""
    _current.clear()
    _machines.clear()


def _nothing() -> NotConnected:
    return NotConnected(
        "this session is connected to no lab",
        next="run the chapter's first code cell, 'setup'; it holds lab.connect()",
    )
