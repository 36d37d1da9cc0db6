"""Show the cluster while it changes: live views for the length of a ``with`` block.

A view watches in threads with a client of their own, changes at most four times a
second, and stops at its deadline. When the block ends, its threads have ended, and the
cell keeps the last picture as plain HTML. An error in the block, or in a thread, is
raised; a `LabError` tells of a thread that does not end.
"""

from __future__ import annotations

from ..kube.cluster import Cluster
from ..kube.namespace import Namespace
from ..record import Scaling
from ._log import LogView
from ._pods import PodsView
from ._requests import RequestsView
from ._requests import Source as Asking
from ._scaling import ScalingView

TIMEOUT_S = 60.0


def pods(
    source: Cluster | Namespace, selector: str = "", *, timeout: float = TIMEOUT_S
) -> PodsView:
    """Show Pods on the machines they run on, with a diary of the last changes.

    Args:
        source: A namespace, or the cluster for the Pods of all namespaces.
        selector: Only those with these labels, as in ``app=echo``.
        timeout: Seconds until it stops changing, however long the block takes.

    Raises:
        BadInput: That has no Pods, or the timeout is none of seconds.

    Example:
        ``with widgets.pods(ns): wait.pods(ns, "app=echo", ready=3)``
    """
    return PodsView(source, selector, timeout=timeout)


def requests(
    source: Asking | None = None,
    *,
    title: str = "requests answered by each Pod",
    timeout: float = TIMEOUT_S,
) -> RequestsView:
    """Show which Pods answer requests, while they are sent.

    Args:
        source: What sends them, as ``probe.asking`` gives it. Without one, tell each
            one by ``view.saw(request)``; it needs no more than the name ``pod``,
            which is empty when nobody answered.
        title: What is counted.
        timeout: Seconds until it stops changing, however long the block takes.

    Raises:
        BadInput: That sends no requests, or the timeout is none of seconds.

    Example:
        ``with probe.asking("node1", 31245) as asking, widgets.requests(asking): ...``
    """
    return RequestsView(source, title, timeout=timeout)


def scaling(
    story: Scaling,
    *,
    title: str = "Load, CPU and Pods by time",
    timeout: float = 300,
) -> ScalingView:
    """Show how an autoscaler follows the load, while it is recorded.

    Args:
        story: What is being recorded, as ``record.scaling`` gives it.
        title: What the picture is of.
        timeout: Seconds until it stops changing.

    Raises:
        BadInput: That is no recording, or the timeout is none of seconds.

    Example:
        ``with record.scaling(ns, "shop", load="app=visitors") as story,
        widgets.scaling(story): ...``
    """
    return ScalingView(story, title, timeout=timeout)


def log(
    namespace: Namespace, *which: str, lines: int = 12, timeout: float = TIMEOUT_S
) -> LogView:
    """Show the last lines of logs while programs write them.

    Args:
        namespace: Where the Pods are.
        which: What ``kubectl logs`` takes: a Pod's name, ``rc/echo`` for all Pods of
            a controller, or labels as in ``app=echo``.
        lines: How many lines are shown.
        timeout: Seconds until it stops changing, however long the block takes.

    Raises:
        BadInput: No log is named, or ``lines`` is out of bounds; at most 1000.
        CommandFailed: At the end of the block, when there was no such log.

    Example:
        ``with widgets.log(ns, "rc/echo"): probe.echo(pod, 12345, from_="master")``
    """
    return LogView(namespace, which, lines=lines, timeout=timeout)
