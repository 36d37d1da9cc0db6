"""Refuse a cluster whose setup cell failed before the session had a namespace."""

from __future__ import annotations

from typing import Any

from ..errors import NotConnected
from ..kube.api import DEFAULT
from ..kube.cluster import Cluster


def watch(shell: Any, cluster: Cluster) -> None:
    """Refuse everything in a cluster if the cell that connects to it now fails.

    Chapters connect, and then make their namespace. Between the two anything may fail,
    or be interrupted; the cells below would act on the namespace ``default``, and some
    of them begin with ``delete --all``.

    Args:
        shell: The notebook's shell, which runs that cell.
        cluster: What the cell connected to.
    """

    def judge(result: Any) -> None:
        shell.events.unregister("post_run_cell", judge)
        # A cell with an "await" that is interrupted has no result at all.
        ended = result is not None and result.success
        if not ended and cluster.namespace == DEFAULT and not cluster.refusal:
            cluster.refusal = NotConnected(
                "the cell that connects to the lab did not end", where=cluster.where
            )

    shell.events.register("post_run_cell", judge)
