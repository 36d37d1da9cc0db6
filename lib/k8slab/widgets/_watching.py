"""Watch API objects on a connection of one's own, and stop when told to."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from pathlib import Path

from ..core.poll import SystemClock
from ..kube.api import ClusterApi
from ..kube.connection import Connection
from ..kube.kubeconfig import Kubeconfig
from ..kube.objects import Object
from ..kube.watch import states


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
        self._path = cluster.catalogue.find(kind).path(namespace)
        self._take = take
        self._query = {"labelSelector": selector} if selector else {}
        self._timeout = timeout
        self._clock = _Clock()
        folder = cluster.connection.folder
        self._connection = _Own(
            cluster.lab, cluster.check_access(), folder, self._clock.over
        )

    def run(self) -> None:
        """Watch until the deadline or `stop`, and look a last time."""
        looks = states(
            self._connection,
            self._path,
            selectors=self._query,
            timeout=self._timeout,
            clock=self._clock,
        )
        with closing(self._connection), closing(looks) as seen:
            for objects in seen:
                self._take(objects)

    def stop(self) -> None:
        """End the watch at once."""
        self._clock.over.set()
        self._connection.cut()


class _Clock(SystemClock):
    """A clock on which all deadlines have passed once it is over."""

    def __init__(self) -> None:
        self.over = threading.Event()

    def now(self) -> float:
        """Return the time in seconds."""
        return math.inf if self.over.is_set() else super().now()

    def sleep(self, seconds: float) -> None:
        """Let that many seconds pass, or fewer when it is over."""
        self.over.wait(seconds)


class _Own(Connection):
    """A connection whose open stream can be ended from another thread."""

    def __init__(
        self, lab: str, access: Kubeconfig, folder: Path, over: threading.Event
    ) -> None:
        super().__init__(lab, access, folder)
        self._over = over
        self._cut: Callable[[], None] | None = None

    def stream(
        self,
        path: str,
        *,
        query: Mapping[str, str],
        timeout: float,
        opened: Callable[[Callable[[], None]], None] | None = None,
    ) -> Generator[Object, None, None]:
        """Yield what the server sends until `cut`; see `Connection.stream`."""
        return super().stream(path, query=query, timeout=timeout, opened=self._opened)

    def cut(self) -> None:
        """End the open stream, if there is one."""
        end, self._cut = self._cut, None
        if end is not None:
            end()

    def _opened(self, end: Callable[[], None]) -> None:
        self._cut = end
        if self._over.is_set():
            self.cut()
