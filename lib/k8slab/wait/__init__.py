"""Wait for a state, with a deadline, an early end and a reason."""

from __future__ import annotations

from ..kube.objects import Waited
from ._objects import (
    endpoints,
    for_object,
    gone,
    nodes,
    pod,
    pods,
    restarts,
    scaler,
)
from ._until import until

__all__ = [
    "Waited",
    "endpoints",
    "for_object",
    "gone",
    "nodes",
    "pod",
    "pods",
    "restarts",
    "scaler",
    "until",
]
