"""The add-on that tells what nodes and Pods use: for ``kubectl top`` and the HPA."""

from __future__ import annotations

from k8slab.errors import ApiError
from k8slab.kube.cluster import Cluster

from . import kubelet_certificates
from .base import AddOn

_NODES = "/apis/metrics.k8s.io/v1beta1/nodes"


class MetricsServer(AddOn):
    """It asks every kubelet, whose certificates it checks, and answers the API server.

    A machine that a chapter adds afterwards has a certificate of its own making, so
    there are no figures of it.
    """

    name = "metrics-server"
    what = "figures for 'kubectl top' and for autoscaling"
    components = ("metrics-server",)

    def prepare(self, cluster: Cluster) -> bool:
        """Have the cluster sign the kubelets' certificates."""
        return kubelet_certificates.sign(cluster)

    def health(self, cluster: Cluster) -> str:
        """Return what does not work; it works when there are figures of each node."""
        if trouble := super().health(cluster):
            return trouble
        try:
            seen = cluster.connection.send("GET", _NODES)
        except ApiError as error:
            if error.status not in (404, 503):
                raise
            return f"the API server has no figures: HTTP status {error.status}"
        told = {each["metadata"]["name"] for each in seen.get("items") or []}
        lacking = [m.name for m in cluster.record.nodes if m.name not in told]
        return f"no figures of {', '.join(lacking)}" if lacking else ""

    def remove(self, cluster: Cluster) -> None:
        """Let the kubelets sign their own certificates again."""
        kubelet_certificates.forget(cluster)
