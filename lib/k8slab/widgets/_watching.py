"""Watch API objects on a connection of one's own, and stop when told to."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

from ..core.patience import stretched
from ..kube.api import ClusterApi
from ..kube.objects import Object
from ..kube.watch import Watch, states


class Watching:
    """One watch; its thread has an official client of its own.

    Args:
        cluster: The cluster.
        kind: The kind of object, by any name that kubectl takes.
        take: Called with all objects as they are, and again after every change.
        namespace: Only those in this namespace.
        selector: Only those with these labels.
        timeout: Seconds until it ends by itself.
    """

    def __init__(
        self,
        cluster: ClusterApi,
        kind: str,
        take: Callable[[list[Object]], None],
        *,
        namespace: str = "",
        selector: str = "",
        timeout: float,
    ) -> None:
        path = cluster.catalogue.find(kind).path(namespace)
        self._take = take
        self._timeout = timeout
        self._connection = cluster.new_connection()
        self._watch = Watch(
            self._connection,
            lambda: path,
            selectors={"labelSelector": selector} if selector else {},
        )

    def run(self) -> None:
        """Watch until the deadline or `stop`, and look a last time."""
        looks = states(self._watch, stretched(self._timeout))
        with closing(self._connection), closing(looks) as seen:
            for objects in seen:
                self._take(objects)

    def stop(self) -> None:
        """End the watch at once."""
        self._watch.stop()
