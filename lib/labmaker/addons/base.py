"""The protocol of an add-on, and what most of them share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from k8slab.core.hints import command
from k8slab.core.poll import until
from k8slab.errors import ApiError, BadInput
from k8slab.kube.cluster import Cluster
from k8slab.kube.objects import Object

from ..bundle import source

LABEL = "k8slab.dev/addon"
"""What every object of an add-on is labelled with, and its name."""
TIMEOUT_S = 120.0
_WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet")
# What others are made in, of or with comes first; the rest in any order.
_FIRST = (
    "Namespace",
    "CustomResourceDefinition",
    "ServiceAccount",
    "ConfigMap",
    "ClusterRole",
    "Role",
)
# How the API server answers for a kind that it does not know any more.
_GONE = (404, 405)
# What asks the add-on comes last, and so is the first to go.
_LAST = ("APIService", "ValidatingWebhookConfiguration")


class AddOn:
    """One add-on. A module each has a class of these, and names what is special.

    Attributes:
        name: Its name; its manifests lie in ``manifests/addons/NAME/``.
        what: What it is for, in a few words.
        needs: The add-ons that must be enabled before.
        components: The components of the bundle whose images it uses.
        kinds: Those whose manifests are the kinds of object that it brings.
    """

    name: str
    what: str
    needs: tuple[str, ...] = ()
    components: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()

    def objects(self, cluster: Cluster) -> list[Object]:
        """Return its objects in the order in which they are made.

        Args:
            cluster: The cluster, for those that depend on its addresses.
        """
        return labelled(self.name, read(manifests(self.name)))

    def prepare(self, cluster: Cluster) -> bool:
        """Change what has to be changed on the machines before its objects are made.

        Done again it changes nothing; it returns whether it changed anything.
        """
        return False

    def health(self, cluster: Cluster) -> str:
        """Return in words what of it does not work now; nothing when all does."""
        trouble = unavailable(cluster, self.objects(cluster))
        return "; ".join([trouble, *_pods(cluster, self.name)]) if trouble else ""

    def ready(self, cluster: Cluster, *, timeout: float = TIMEOUT_S) -> None:
        """Wait until all of it works.

        Raises:
            NotReady: It does not within the deadline.
        """
        until(
            lambda: self.health(cluster),
            what=f"the add-on {self.name} does not work",
            want="all of it available",
            done=lambda trouble: not trouble,
            timeout=timeout,
            every=0.5,
            where=cluster.where,
            next=command("kubectl", cluster.lab, "get pods --all-namespaces"),
        )

    def in_use(self, cluster: Cluster) -> list[str]:
        """Return what readers made with it and would lose, as objects in words."""
        return []

    def remove(self, cluster: Cluster) -> None:
        """Undo what `prepare` did, and remove what it left on the machines.

        Its objects are gone by then. Done again it changes nothing.
        """


def manifests(name: str) -> Path:
    """Return the folder of an add-on's manifests."""
    return source().parent / "manifests" / "addons" / name


def read(folder: Path) -> list[Object]:
    """Return the objects of a folder's manifests, one a file."""
    return [
        yaml.safe_load(path.read_text(encoding="utf-8"))
        for path in sorted(folder.glob("*.yaml"))
    ]


def labelled(name: str, objects: Sequence[Object]) -> list[Object]:
    """Return objects, and their Pods, with the label; in the order to make them."""
    return sorted((_labelled(name, obj) for obj in objects), key=_place)


def _labelled(name: str, obj: Object) -> Object:
    meta = dict(obj["metadata"])
    made = {**obj, "metadata": meta}
    meta["labels"] = {**meta.get("labels", {}), LABEL: name}
    if obj["kind"] in _WORKLOADS:
        template = _labelled(name, {"kind": "Pod", **obj["spec"]["template"]})
        del template["kind"]
        made["spec"] = {**obj["spec"], "template": template}
    return made


def _place(obj: Object) -> int:
    kind = obj["kind"]
    if kind in _FIRST:
        return _FIRST.index(kind)
    return len(_FIRST) + (1 + _LAST.index(kind) if kind in _LAST else 0)


def unavailable(cluster: Cluster, objects: Sequence[Object]) -> str:
    """Return which workloads are not available, in words; nothing if all are."""
    trouble = []
    for obj in objects:
        if obj["kind"] not in _WORKLOADS:
            continue
        kind, meta = obj["kind"], obj["metadata"]
        try:
            seen = cluster.get(kind, meta["name"], namespace=meta["namespace"])
        except ApiError as error:
            if error.status != 404:
                raise
            trouble.append(f"there is no {kind} {meta['name']}")
            continue
        available, wanted = _available(seen)
        if available < wanted or not _observed(seen):
            trouble.append(f"{kind} {meta['name']}: {available} of {wanted} available")
    return "; ".join(trouble)


def of_readers(cluster: Cluster, name: str, kinds: Iterable[str]) -> list[str]:
    """Return the objects of an add-on's kinds that are not its own, in words.

    Args:
        cluster: The cluster, in which the kinds may not be there yet, or any more.
        name: The add-on.
        kinds: The kinds, each with its group.
    """
    return [
        named(kind.partition(".")[0], each)
        for kind in kinds
        for each in _found(cluster, kind)
        if (each["metadata"].get("labels") or {}).get(LABEL) != name
    ]


def named(kind: str, obj: Object) -> str:
    """Return an object in words, with its namespace where it is in one."""
    meta = obj["metadata"]
    return f"{kind} " + "/".join(filter(None, (meta.get("namespace"), meta["name"])))


def _found(cluster: Cluster, kind: str) -> list[Object]:
    """Return all objects of a kind, of which there may be none yet or any more."""
    try:
        return cluster.find(kind)
    except BadInput:
        return []
    except ApiError as error:
        if error.status not in _GONE:
            raise
        return []


def _pods(cluster: Cluster, name: str) -> list[str]:
    """Return which Pods of an add-on are not ready, and why."""
    pods = cluster.pods(f"{LABEL}={name}")
    return [f"Pod {pod.name}: {pod.state}" for pod in pods if not pod.ready]


def _available(obj: Object) -> tuple[int, int]:
    status: dict[str, Any] = obj.get("status") or {}
    if obj["kind"] == "DaemonSet":
        wanted = int(status.get("desiredNumberScheduled", 1))
        return int(status.get("numberAvailable", 0)), max(1, wanted)
    replicas = int(obj["spec"].get("replicas", 1))
    return int(status.get("availableReplicas", 0)), max(1, replicas)


def _observed(obj: Object) -> bool:
    seen = (obj.get("status") or {}).get("observedGeneration", 0)
    return bool(seen >= obj["metadata"].get("generation", 0))
