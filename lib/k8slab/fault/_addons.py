"""Faults of add-ons."""

from __future__ import annotations

from typing import Any

from ..core.hints import command
from ..errors import ApiError, BadInput
from ._kind import CLUSTER, Fault, Place, Seen
from ._objects import find, patch

ADDON = "metrics-server"
_SCALE = f"/apis/apps/v1/namespaces/kube-system/deployments/{ADDON}/scale"
_FIGURES = "/apis/metrics.k8s.io/v1beta1/nodes"


class MetricsServerAway(Fault):
    """Nobody serves the figures of nodes and Pods."""

    name = "metrics-server-away"
    needs = CLUSTER
    addon = ADDON
    symptom = "kubectl top is refused, and autoscalers show <unknown>."
    cause = "The Deployment metrics-server in kube-system has no Pods."
    cure = (
        "Scale it: kubectl scale deployment metrics-server -n kube-system --replicas=1."
    )

    def check(self, at: Place) -> None:
        """Refuse a cluster that has no metrics-server."""
        super().check(at)
        if _is_there(at):
            return
        step = command("addon enable", at.cluster.lab, ADDON)
        if at.cluster.record.is_inventory:
            step = at.cluster.record.another
        raise BadInput(
            f"the fault {self.name} breaks the add-on {ADDON}",
            where=at.cluster.where,
            wanted="it is enabled",
            seen="it is not",
            next=step,
        )

    def save(self, at: Place) -> dict[str, Any]:
        """Keep the number of its Pods."""
        return {"replicas": _replicas(at)}

    def inject(self, at: Place) -> None:
        """Take its Pods away."""
        _write(at, 0)

    def shows(self, at: Place) -> Seen:
        """Look whether the API server has nobody to ask for figures."""
        try:
            at.cluster.connection.send("GET", _FIGURES)
        except ApiError as error:
            return Seen(error.status == 503, f"HTTP status {error.status}")
        return Seen(False, "there are figures")

    def repair(self, at: Place) -> None:
        """Give it its Pods back, unless somebody did."""
        if _replicas(at) == 0:
            _write(at, at.saved["replicas"])

    def healthy(self, at: Place) -> Seen:
        """Look whether there are figures of every machine."""
        if _replicas(at) == 0:
            return Seen(False, f"{ADDON} has no Pods")
        if any(pod.terminating for pod in at.cluster.pods(f"k8s-app={ADDON}")):
            return Seen(False, f"earlier Pods of {ADDON} are ending")
        found = at.cluster.connection.send("GET", _FIGURES)
        told = {each["metadata"]["name"] for each in found.get("items") or []}
        lacking = [name for name in at.cluster.machines if name not in told]
        words = f"no figures of {', '.join(lacking)}" if lacking else "all have figures"
        return Seen(not lacking, words)

    def undo(self, at: Place) -> None:
        """Give it its Pods back, unless the add-on is gone."""
        if _is_there(at):
            self.repair(at)

    def undone(self, at: Place) -> Seen:
        """Look whether there are figures, or nobody who could tell them."""
        return self.healthy(at) if _is_there(at) else Seen(True, "the add-on is gone")


def _is_there(at: Place) -> bool:
    """Say whether the cluster has a metrics-server, with Pods or without."""
    return bool(find(Place(at.cluster, "kube-system"), "deployments", ADDON))


def _replicas(at: Place) -> int:
    """Return how many Pods it is to have; the API says nothing where it is none."""
    scale = at.cluster.connection.send("GET", _SCALE)
    return int(scale["spec"].get("replicas", 0))


def _write(at: Place, replicas: int) -> None:
    patch(at, _SCALE, {"spec": {"replicas": replicas}})
