"""Wait for a state, with a deadline, an early end and a reason; see `until` too."""

from __future__ import annotations

from ..core.poll import until
from ._objects import endpoints, gone, nodes, object, pod, pods, restarts

__all__ = [
    "endpoints",
    "gone",
    "nodes",
    "object",
    "pod",
    "pods",
    "restarts",
    "until",
]
