"""Show Pods on their machines as they come, change and go."""

from __future__ import annotations

import html
import threading
from collections import deque
from collections.abc import Mapping, Sequence

from ..core import given
from ..core.rendered import Rendered
from ..draw.topology import draw
from ..kube.cluster import Cluster
from ..kube.namespace import Namespace
from ..kube.objects import Node, Object, Pod
from ._watching import Watching
from .view import Feed, View

MOST = 60
"""How many Pods are drawn; more would be a picture that nobody reads."""
DIARY = 12
"""How many of the last changes are listed below the picture."""


class PodsView(View):
    """The machines with their Pods, and a diary of the last changes.

    Args:
        source: A namespace, or the cluster for the Pods of all namespaces.
        selector: Only those with these labels.
        timeout: Seconds until it stops changing.
    """

    def __init__(
        self, source: Cluster | Namespace, selector: str, *, timeout: float
    ) -> None:
        super().__init__(timeout=timeout)
        given.of_kind(
            source,
            Namespace | Cluster,
            "that has no Pods",
            wanted=f"{given.NAMESPACE}, or the cluster",
        )
        selector = given.text("selector", selector, "labels, as app=echo")
        self._source = source
        self._selector = selector
        self._lock = threading.Lock()
        self._pods: Mapping[str, Pod] = {}
        self._nodes: Sequence[Node] = ()
        self._diary: deque[str] = deque(maxlen=DIARY)
        self._changes = 0

    @property
    def changes(self) -> int:
        """How often a Pod came, went or was in another state."""
        return self._changes

    def begin(self) -> Sequence[Feed]:
        """Look once, then watch Pods and machines."""
        source, inside = self._source, ""
        self._diary.clear()
        self._changes = 0
        if isinstance(source, Namespace):
            cluster, inside = source.cluster, source.name
        else:
            cluster = source
        self._nodes = cluster.nodes()
        self._pods = _by_uid(source.pods(self._selector))
        timeout = self._timeout
        return (
            Watching(
                cluster,
                "Pod",
                self._take_pods,
                namespace=inside,
                selector=self._selector,
                timeout=timeout,
            ),
            Watching(cluster, "Node", self._take_nodes, timeout=timeout),
        )

    def draw(self) -> Rendered:
        """Draw machines and Pods as they are now, and what happened lately."""
        with self._lock:
            pods, nodes = list(self._pods.values()), self._nodes
            diary = list(self._diary)
        more = len(pods) - MOST
        picture = draw(nodes, pods[:MOST], self._source.where)
        notes = [f"and {more} Pods more"] if more > 0 else []
        if notes + diary:
            lines = html.escape("\n".join([*notes, *diary]))
            style = "margin: 0.3em 0; color: inherit; background: transparent"
            return Rendered(
                "\n".join([picture.text, *notes, *diary]),
                f'{picture.html}<pre style="{style}">{lines}</pre>',
            )
        return picture

    def _take_pods(self, objects: list[Object]) -> None:
        found = _by_uid(map(Pod.read, objects))
        with self._lock:
            for uid in [*self._pods, *(uid for uid in found if uid not in self._pods)]:
                self._note(self._pods.get(uid), found.get(uid))
            # Those that stay keep their place, so that the eye can follow them.
            stay = {uid: found[uid] for uid in self._pods if uid in found}
            self._pods = {**stay, **found}

    def _note(self, old: Pod | None, new: Pod | None) -> None:
        was, now = _state(old), _state(new)
        pod = new or old
        if pod is None or was == now:
            return
        self._changes += 1
        steps = " → ".join(word for word in (was, now) if word)
        self._diary.append(f"{self.seconds:5.1f} s  {pod.name}  {steps}")

    def _take_nodes(self, objects: list[Object]) -> None:
        nodes = [Node.read(each) for each in objects]
        with self._lock:
            self._nodes = nodes


def _by_uid(pods: Sequence[Pod] | map[Pod]) -> dict[str, Pod]:
    return {pod.uid or pod.name: pod for pod in pods}


def _state(pod: Pod | None) -> str:
    if pod is None:
        return ""
    return f"{pod.state} on {pod.node}" if pod.node and pod.ready else pod.state
