"""The add-on that serves HTTP by host and path: Gateways, and Ingresses."""

from __future__ import annotations

from k8slab.errors import ApiError, BadInput
from k8slab.kube.cluster import Cluster
from k8slab.kube.objects import Object

from .base import AddOn, named, of_readers

NAMESPACE = "traefik"
NAME = "traefik"
"""What its Service and both of its classes are called."""
_GROUP = "gateway.networking.k8s.io"


class Traefik(AddOn):
    """One proxy at one address, with the kinds of the Gateway API.

    It asks nobody outside for newer versions, and tells nobody what it does.
    """

    name = "traefik"
    what = "Gateways and Ingresses: HTTP by host and path"
    needs = ("metallb",)
    components = ("traefik",)
    kinds = ("gateway-api",)

    def health(self, cluster: Cluster) -> str:
        """Return what does not work; it works when it has an address and its class."""
        if trouble := super().health(cluster):
            return trouble
        try:
            door = cluster.get("Service", NAME, namespace=NAMESPACE)
            classes = cluster.find(f"gatewayclasses.{_GROUP}")
        except (ApiError, BadInput) as error:
            return error.what
        if not (door["status"].get("loadBalancer") or {}).get("ingress"):
            return f"Service {NAME} has no address"
        accepted = [each["metadata"]["name"] for each in classes if _accepted(each)]
        return "" if NAME in accepted else f"GatewayClass {NAME} is not accepted"

    def in_use(self, cluster: Cluster) -> list[str]:
        """Return what goes with its kinds, and the Ingresses that it serves."""
        kinds = {r.kind for r in cluster.catalogue.resources() if r.group == _GROUP}
        used = of_readers(cluster, self.name, [f"{k}.{_GROUP}" for k in sorted(kinds)])
        served = [
            named("Ingress", each)
            for each in cluster.find("Ingress")
            if each["spec"].get("ingressClassName") == NAME
        ]
        return used + served


def _accepted(gateway_class: Object) -> bool:
    conditions = (gateway_class.get("status") or {}).get("conditions") or []
    return {"Accepted": "True"}.items() <= {
        each["type"]: each["status"] for each in conditions
    }.items()
