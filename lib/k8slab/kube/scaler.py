"""Read what a HorizontalPodAutoscaler aims at, knows and wants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .objects import Object

KIND = "horizontalpodautoscalers.autoscaling"


@dataclass(frozen=True)
class Scaler:
    """A HorizontalPodAutoscaler whose Pods are to use a share of their requests.

    Attributes:
        name: Its name.
        target: The average that it aims at, in percent of what Pods request; None
            when its first metric is of another kind.
        average: The average that it knows, in percent; None while it has no figure.
        present: The number of Pods that it sees.
        wanted: The number of Pods that it wants.
        active: Whether it can scale; None before it looked for the first time.
        reason: The reason that it gives for that, in one word.
    """

    name: str
    target: int | None = None
    average: int | None = None
    present: int = 0
    wanted: int = 0
    active: bool | None = None
    reason: str = ""

    @classmethod
    def read(cls, obj: Object) -> Scaler:
        """Return an API object as such a record."""
        spec, status = obj["spec"], obj.get("status") or {}
        metrics, known = spec.get("metrics"), status.get("currentMetrics")
        conditions = status.get("conditions") or []
        judged = next((c for c in conditions if c["type"] == "ScalingActive"), None)
        return cls(
            name=obj["metadata"]["name"],
            target=_percent(metrics, "target"),
            average=_percent(known, "current"),
            present=int(status.get("currentReplicas") or 0),
            wanted=int(status.get("desiredReplicas") or 0),
            active=None if judged is None else judged["status"] == "True",
            reason="" if judged is None else judged.get("reason", ""),
        )

    def __str__(self) -> str:
        average = "<unknown>" if self.average is None else f"{self.average}%"
        return f"{average} of {self.target}%, {self.present} Pods, wants {self.wanted}"


def _percent(metrics: list[Any] | None, which: str) -> int | None:
    """Return a percentage of the first metric, if it has one."""
    resource = ((metrics or [{}])[0] or {}).get("resource") or {}
    found = (resource.get(which) or {}).get("averageUtilization")
    return None if found is None else int(found)
