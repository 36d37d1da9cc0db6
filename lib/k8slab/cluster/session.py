"""Remember the cluster that chapters mean when they name none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import LabMissing

if TYPE_CHECKING:
    from .client import Cluster

_current: list[Cluster] = []


def use(cluster: Cluster) -> None:
    """Make a cluster the one that chapters mean when they name none."""
    _current[:] = [cluster]


def current() -> Cluster:
    """Return the cluster that chapters mean when they name none.

    Raises:
        LabMissing: This session is connected to no lab.
    """
    if not _current:
        raise LabMissing(
            "this session is connected to no lab", next="run: cluster = lab.connect()"
        )
    return _current[0]


def forget() -> None:
    """Mean no cluster any more."""
    _current.clear()
