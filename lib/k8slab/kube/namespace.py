"""Scratch namespaces: one a chapter, fresh at its start and gone at its end."""

from __future__ import annotations

import re
import shlex
from collections.abc import Generator

from ..core.hints import command
from ..errors import ApiError, ApiUnreachable, BadInput, NotReady, Refused
from .api import ClusterApi
from .discovery import Resource
from .follow import follow, still_there
from .objects import Object, Pod

LABEL = "k8slab.dev/chapter"
GRACE_S = 1
REMOVE_S = 90.0
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


class Namespace:
    """One chapter's namespace.

    Args:
        cluster: The cluster it is in.
        name: Its name, which is the chapter's.
    """

    def __init__(self, cluster: ClusterApi, name: str) -> None:
        self.cluster = cluster
        self.name = name

    def __repr__(self) -> str:
        return f"Namespace({self.name!r})"

    @property
    def where(self) -> str:
        """What messages call it."""
        return f"namespace {self.name}"

    def pods(self, selector: str = "") -> list[Pod]:
        """Return its Pods by name, those that are ending included.

        Args:
            selector: Only those with these labels, as in ``app=echo``.
        """
        found = self.cluster.find("Pod", namespace=self.name, selector=selector)
        return [Pod.read(each) for each in found]

    def ready_pods(self, selector: str = "") -> int:
        """Return how many Pods are ready, without those that are ending."""
        return sum(pod.ready and not pod.terminating for pod in self.pods(selector))

    def get(self, kind: str, name: str) -> Object:
        """Return one object as the API has it.

        Raises:
            ApiError: There is none of that name.
        """
        return self.cluster.get(kind, name, namespace=self.name)

    def find(self, kind: str, selector: str = "") -> list[Object]:
        """Return all objects of a kind, as the API has them."""
        return self.cluster.find(kind, namespace=self.name, selector=selector)

    def events(self, about: str = "") -> list[str]:
        """Return Events as lines, the latest last.

        Args:
            about: Only those about the object of this name.
        """
        return self.cluster.events(about, namespace=self.name)

    def watch(
        self,
        kind: str,
        *,
        name: str = "",
        selector: str = "",
        timeout: float,
    ) -> Generator[list[Object], None, None]:
        """Yield its objects as they are, and after every change."""
        return self.cluster.watch(
            kind,
            name=name,
            selector=selector,
            timeout=timeout,
            namespace=self.name,
        )

    def remove(self) -> None:
        """Delete it, with the chapter's objects outside it, and wait until all is gone.

        Removing it again does nothing.

        Raises:
            Refused: It is not a chapter's namespace.
            NotReady: Something in it does not go away.
        """
        _remove(self.cluster, self.name)
        if self.cluster.namespace == self.name:
            self.cluster.namespace = "default"


def scratch(cluster: ClusterApi, name: str) -> Namespace:
    """Return a fresh namespace; see `Cluster.scratch`."""
    if not _NAME.fullmatch(name):
        raise BadInput(
            f"{name!r} cannot be the name of a namespace",
            wanted="lower-case letters, digits and hyphens, at most 63",
            seen=name,
        )
    _remove(cluster, name)
    body = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": {LABEL: name}},
    }
    cluster.connection.send("POST", "/api/v1/namespaces", body=body)
    namespace = Namespace(cluster, name)
    for kind, needed in (
        ("ServiceAccount", "default"),
        ("ConfigMap", "kube-root-ca.crt"),
    ):
        follow(
            namespace,
            kind,
            list,
            what=f"{kind} {needed}",
            want="there",
            done=bool,
            name=needed,
            timeout=60,  # controllers that lost the API server look again late
        )
    return namespace


def _remove(cluster: ClusterApi, name: str) -> None:
    path = f"/api/v1/namespaces/{name}"
    try:
        found = cluster.connection.send("GET", path)
    except ApiError as error:
        if error.status != 404:
            raise
    else:
        labels = found["metadata"].get("labels") or {}
        if labels.get(LABEL) != name:
            raise Refused(
                f"the namespace {name} is not a chapter's, so it is left alone",
                where=cluster.where,
                wanted=f"the label {LABEL}={name}",
                seen=str(sorted(labels)),
                next="choose another name",
            )
        # Once it is marked, nothing new can be made in it; so the Pods that are told
        # to be quick are the last ones, and the 5 s the API takes anyway are enough.
        _delete(cluster, path, query={})
        quick = {"gracePeriodSeconds": str(GRACE_S)}
        _delete(cluster, f"{path}/pods", query=quick)
        try:
            follow(
                cluster,
                "Namespace",
                list,
                what=f"no Namespace named {name}",
                want="gone",
                done=lambda seen: not seen,
                show=still_there,
                name=name,
                timeout=REMOVE_S,
            )
        except NotReady as error:
            raise _stuck(cluster, name, error) from error
    _remove_labelled(cluster, name)


def _stuck(cluster: ClusterApi, name: str, error: NotReady) -> NotReady:
    """Return the error that says who keeps a namespace, and how it goes after all."""
    held = _held(cluster, name)
    status = command("status", cluster.lab)
    cure = f"see whether all machines run: {status}; then run this cell again"
    if held:
        kind, each = held[0]
        patch = ["kubectl", "patch", kind.plural, each["metadata"]["name"]]
        patch += ["-n", name, "--type=merge", "-p", '{"metadata":{"finalizers":null}}']
        cure = (
            "let whoever set the finalizer do its work, or take it off as below; "
            f"then run this cell again\n{shlex.join(patch)}"
        )
    return NotReady(
        error.what,
        where=error.where,
        wanted=error.wanted,
        seen="\n".join([error.seen, *(_holder(kind, each) for kind, each in held)]),
        waited_s=error.waited_s,
        next=cure,
    )


def _held(cluster: ClusterApi, name: str) -> list[tuple[Resource, Object]]:
    """Return the objects of a namespace that a finalizer keeps."""
    found: list[tuple[Resource, Object]] = []
    try:
        for kind in cluster.catalogue.resources():
            if kind.namespaced and {"list", "delete"} <= kind.verbs:
                listed = cluster.connection.send("GET", kind.path(name))
                found += [
                    (kind, each)
                    for each in listed.get("items") or []
                    if each["metadata"].get("finalizers")
                ]
    except (ApiError, ApiUnreachable):
        return found  # the wait failed already, perhaps for the same reason
    return found


def _holder(kind: Resource, obj: Object) -> str:
    """Return which finalizers keep an object, and who set them."""
    meta = obj["metadata"]
    owners = {
        entry.get("manager", "")
        for entry in meta.get("managedFields") or []
        if "f:finalizers" in ((entry.get("fieldsV1") or {}).get("f:metadata") or {})
    }
    by = f", set by {', '.join(sorted(owners))}" if owners else ""
    names = ", ".join(meta["finalizers"])
    return f"{kind.kind} {meta['name']} is kept by the finalizer {names}{by}"


def _remove_labelled(cluster: ClusterApi, chapter: str) -> None:
    """Delete the chapter's objects that are in no namespace, by their label."""
    selector = f"{LABEL}={chapter}"
    for kind in cluster.catalogue.resources():
        if kind.namespaced or not {"list", "delete"} <= kind.verbs:
            continue
        if kind.kind in ("Node", "Namespace", "ComponentStatus"):
            continue
        full = f"{kind.plural}.{kind.group}".rstrip(".")
        for each in cluster.find(full, selector=selector):
            _delete(cluster, kind.path(name=each["metadata"]["name"]), query={})


def _delete(cluster: ClusterApi, path: str, *, query: dict[str, str]) -> None:
    try:
        cluster.connection.send("DELETE", path, query=query)
    except ApiError as error:
        # Gone, or already on its way.
        if error.status not in (404, 409):
            raise
