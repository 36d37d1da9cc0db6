"""The add-on that gives Services of type LoadBalancer an address."""

from __future__ import annotations

from k8slab.errors import LabError
from k8slab.kube.cluster import Cluster
from k8slab.kube.objects import Object

from .base import AddOn, labelled, manifests, named, of_readers, read

NAMESPACE = "metallb-system"
INTERFACE = "eth0"
_GROUP = "metallb.io"
_API = f"{_GROUP}/v1beta1"
# Those of which readers make objects; the speakers make those of the others.
_OF_READERS = (
    "BFDProfile",
    "BGPAdvertisement",
    "BGPPeer",
    "Community",
    "IPAddressPool",
    "L2Advertisement",
)


class MetalLB(AddOn):
    """Addresses of the lab's own plan, announced on the machines' network alone.

    That network leads nowhere else, and this computer reaches them by its route to the
    machines: no other lab and no other network sees them.
    """

    name = "metallb"
    what = "addresses for Services of type LoadBalancer"
    components = ("metallb",)

    def objects(self, cluster: Cluster) -> list[Object]:
        """Return its objects: the manifests, and the lab's pool with how it is told.

        Raises:
            LabError: The lab's plan has no addresses for load balancers.
        """
        pool = cluster.ranges.load_balancers
        if pool is None:
            raise LabError(
                "the lab has no addresses for load balancers",
                where=cluster.where,
                wanted="a range of them in lab.json",
                seen="none: the lab was made before there were any",
                next=cluster.record.anew,
            )
        told = {"ipAddressPools": ["lab"], "interfaces": [INTERFACE]}
        own = [
            _custom("IPAddressPool", {"addresses": [str(pool)]}),
            _custom("L2Advertisement", told),
        ]
        return labelled(self.name, [*read(manifests(self.name)), *own])

    def in_use(self, cluster: Cluster) -> list[str]:
        """Return the Services that have an address, and what goes with its kinds."""
        served = [
            named("Service", each)
            for each in cluster.find("Service")
            if (each.get("status", {}).get("loadBalancer") or {}).get("ingress")
        ]
        kinds = [f"{kind}.{_GROUP}" for kind in _OF_READERS]
        return served + of_readers(cluster, self.name, kinds)


def _custom(kind: str, spec: Object) -> Object:
    meta = {"name": "lab", "namespace": NAMESPACE}
    return {"apiVersion": _API, "kind": kind, "metadata": meta, "spec": spec}
