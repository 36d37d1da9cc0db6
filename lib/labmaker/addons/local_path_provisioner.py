"""The add-on that makes a volume on a node when a claim asks for one."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

from k8slab.core.parallel import in_parallel
from k8slab.core.poll import until
from k8slab.errors import NotReady
from k8slab.kube.cluster import Cluster
from k8slab.kube.objects import Object

from .base import AddOn

FOLDER = "/opt/local-path-provisioner"
PROVISIONER = "rancher.io/local-path"
_MADE_BY = "pv.kubernetes.io/provisioned-by"
_RECLAIM_S = 30.0


class LocalPathProvisioner(AddOn):
    """Volumes of the class ``local-path``: folders on the node of the first Pod."""

    name = "local-path-provisioner"
    what = "storage class that makes volumes on nodes"
    components = ("local-path-provisioner",)

    def in_use(self, cluster: Cluster) -> list[str]:
        """Return the volumes it made; those that are being deleted it waits for."""
        with suppress(NotReady):  # it is told what is left
            until(
                lambda: [v for v in _volumes(cluster) if _is_passing(v)],
                what="volumes are not deleted",
                want="none whose claim is gone",
                done=lambda passing: not passing,
                timeout=_RECLAIM_S,
                every=0.5,
                where=cluster.where,
            )
        return [f"PersistentVolume {v['metadata']['name']}" for v in _volumes(cluster)]

    def remove(self, cluster: Cluster) -> None:
        """Remove its folder on every node."""
        in_parallel(
            [
                partial(cluster.on(name).run, ["rm", "-rf", FOLDER])
                for name in cluster.machines
            ]
        )


def _volumes(cluster: Cluster) -> list[Object]:
    return [
        volume
        for volume in cluster.find("PersistentVolume")
        if (volume["metadata"].get("annotations") or {}).get(_MADE_BY) == PROVISIONER
    ]


def _is_passing(volume: Object) -> bool:
    """Say whether the provisioner is about to delete a volume."""
    state = (
        volume.get("status", {}).get("phase"),
        volume["spec"]["persistentVolumeReclaimPolicy"],
    )
    return state == ("Released", "Delete")
