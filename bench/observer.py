"""See from outside when Pods became ready, to the millisecond."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

import urllib3

from k8slab.core.poll import Clock, until
from k8slab.kube.api import ClusterApi
from k8slab.kube.objects import Pod

_SEGMENT_S = 120


class Observer:
    """A watch of its own on one namespace's Pods, which only writes down the time.

    Nothing is read from the events before the end, so that it keeps nobody waiting.

    Args:
        cluster: The cluster.
        namespace: The namespace whose Pods it watches.
        clock: Tells the time.
    """

    def __init__(self, cluster: ClusterApi, namespace: str, clock: Clock) -> None:
        self._clock = clock
        self._chunks: list[tuple[float, bytes]] = []
        # No server version to begin from: the Pods as they are come first.
        self._response = cluster.new_api().call_api(
            f"/api/v1/namespaces/{namespace}/pods",
            "GET",
            query_params=[("watch", "true"), ("timeoutSeconds", str(_SEGMENT_S))],
            header_params={"Accept": "application/json"},
            _preload_content=False,
            _request_timeout=(5, _SEGMENT_S),
        )
        self._ended = threading.Event()
        threading.Thread(target=self._listen, daemon=True).start()

    def ready_since(self, selector: tuple[str, str], count: int) -> float:
        """Return when the last of some Pods was ready, on the clock.

        Args:
            selector: A label's name and value.
            count: How many ready Pods there are in the end, and no others.

        Raises:
            NotReady: The watch did not see that within 5 s.
        """
        seen = until(
            lambda: self._moment(selector, count),
            what="the observer did not see the Pods get ready",
            want=f"{count} ready",
            done=lambda moment: moment is not None,
            timeout=5,
            every=0.05,
        )
        assert seen is not None  # noqa: S101 - done says so
        return seen

    def close(self) -> None:
        """End the watch at its next event; the Pods' removal is one."""
        self._ended.set()

    def _listen(self) -> None:
        with closing(self._response), suppress(urllib3.exceptions.HTTPError):
            for chunk in self._response.stream(amt=None, decode_content=False):
                self._chunks.append((self._clock.now(), chunk))
                if self._ended.is_set():
                    return

    def _moment(self, selector: tuple[str, str], count: int) -> float | None:
        """Return the first moment at which that many were ready and no others were."""
        pods: dict[str, Pod] = {}
        rest = b""
        for moment, chunk in list(self._chunks):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in filter(None, lines):
                event = json.loads(line)
                pod = Pod.read(event["object"])
                if pod.labels.get(selector[0]) != selector[1]:
                    continue
                if event["type"] == "DELETED":
                    pods.pop(pod.name, None)
                else:
                    pods[pod.name] = pod
            states = [pod.ready and not pod.terminating for pod in pods.values()]
            if len(states) == count and all(states):
                return moment
        return None


@contextmanager
def observing(cluster: ClusterApi, namespace: str, clock: Clock) -> Iterator[Observer]:
    """Observe a namespace's Pods for a while."""
    observer = Observer(cluster, namespace, clock)
    try:
        yield observer
    finally:
        observer.close()
