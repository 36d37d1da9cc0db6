"""Scratch namespaces: one a chapter, fresh at its start and gone at its end."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Generator, Iterator, Mapping
from datetime import datetime
from operator import itemgetter

from ..core.hints import command
from ..errors import ApiError, ApiUnreachable, BadInput, InUse, NotReady, Refused
from .api import ClusterApi
from .discovery import Resource
from .follow import follow, still_there
from .holder import Holder
from .objects import Object, Pod, event_began

LABEL = "k8slab.dev/chapter"
GRACE_S = 1
REMOVE_S = 90.0
FILLED_S = 60.0  # controllers that lost the API server look again late
# What is in every namespace, or is made of something else that is told.
_BY_ITSELF = frozenset(
    ("ControllerRevision", "EndpointSlice", "Endpoints", "Event", "Lease", "PodMetrics")
)
_GIVEN = frozenset((("ServiceAccount", "default"), ("ConfigMap", "kube-root-ca.crt")))
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

        Raises:
            BadInput: The labels are a Pod's name.
        """
        found = self.cluster.find("Pod", namespace=self.name, selector=selector)
        return [Pod.read(each) for each in found]

    def ready_pods(self, selector: str = "") -> int:
        """Return how many Pods are ready, without those that are ending."""
        return sum(pod.ready and not pod.terminating for pod in self.pods(selector))

    def get(self, kind: str, name: str) -> Object:
        """Return one object as the API has it.

        Raises:
            BadInput: That can be no object's name, or there is no such kind.
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

        Raises:
            BadInput: That can be no object's name.
        """
        return self.cluster.events(about, namespace=self.name)

    def moments(self, reason: str) -> dict[str, tuple[datetime, int]]:
        """Return when an Event of a reason first came, by its object's name.

        The kubelet writes them to the second, so the API server's own count of changes
        stands behind the time: of two events in one second, the later has the higher.
        The API server forgets events in an hour.

        Args:
            reason: What happened, as in ``"Started"`` or ``"Killing"``.
        """
        times = [
            (
                each["involvedObject"]["name"],
                (event_began(each), int(each["metadata"]["resourceVersion"])),
            )
            for each in self.find("events")
            if each.get("reason") == reason
        ]
        return dict(sorted(times, key=itemgetter(1), reverse=True))

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

        Removing it again does nothing. It stays the default of ``%kubectl``, which then
        says that it is not there: a cell that is run too late makes and deletes nothing
        in another namespace.

        Raises:
            Refused: It is not a chapter's namespace.
            InUse: Another process has taken it over.
            NotReady: Something in it does not go away.
        """
        _remove(self.cluster, self.name)


def scratch(
    cluster: ClusterApi, name: str, *, take_over: bool = False
) -> tuple[Namespace, str]:
    """Return a fresh namespace, and what was removed; see `Cluster.scratch`."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise BadInput(
            f"{name!r} cannot be the name of a namespace",
            wanted="lower-case letters, digits and hyphens, at most 63",
            seen=name,
        )
    removed = _remove(cluster, name, take_over=take_over, tell=True)
    body = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": name,
            "labels": {LABEL: name},
            "annotations": Holder.this().annotations,
        },
    }
    try:
        cluster.connection.send("POST", "/api/v1/namespaces", body=body)
    except ApiError as error:
        if error.status == 409:  # of two that begin at once, one makes it
            _check_holder(cluster, cluster.get("Namespace", name))
        raise
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
            timeout=FILLED_S,
            next="see whether the controller manager runs, which makes it:\n"
            "kubectl get pods -n kube-system -l tier=control-plane",
        )
    return namespace, _told(removed)


def _check_holder(cluster: ClusterApi, namespace: Object) -> None:
    """Refuse a namespace that another living process works in."""
    holder = Holder.of(namespace)
    if holder is None or not holder.is_other:
        return
    name = namespace["metadata"]["name"]
    raise InUse(
        f"somebody else works in the namespace {name}; nothing was changed",
        where=cluster.where,
        wanted="one kernel at a time for a chapter",
        seen=f"it is held by {holder}",
        next=(
            "go on there, or end that one: in JupyterLab, Kernel > Shut Down Kernel\n"
            "or remove what it made, and take the namespace over:\n"
            f'cluster = lab.connect(); ns = cluster.scratch("{name}", take_over=True)'
        ),
    )


def _told(removed: list[str]) -> str:
    """Say in one line what was removed."""
    if not removed:
        return "an earlier run left nothing"
    return "removed what an earlier run left: " + ", ".join(removed)


def _contents(cluster: ClusterApi, name: str) -> str:
    """Return what is in a namespace in words, as in ``2 Pods, 1 Service``."""
    found = Counter(
        kind.kind
        for kind, each in _objects(cluster, name)
        if kind.kind not in _BY_ITSELF
        and (kind.kind, each["metadata"]["name"]) not in _GIVEN
    )
    counts = [f"{n} {kind if n == 1 else _plural(kind)}" for kind, n in found.items()]
    return ", ".join(sorted(counts, key=lambda each: each.split()[1])) or "nothing"


def _plural(kind: str) -> str:
    if kind.endswith("y"):
        return f"{kind[:-1]}ies"
    return f"{kind}es" if kind.endswith("s") else f"{kind}s"


def _remove(
    cluster: ClusterApi, name: str, *, take_over: bool = False, tell: bool = False
) -> list[str]:
    """Remove a chapter's objects; return what they were, in words.

    Args:
        cluster: Where they are.
        name: The chapter's name.
        take_over: Also when another process works there.
        tell: Count what is in the namespace; some forty requests.
    """
    removed: list[str] = []
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
        if not take_over:
            _check_holder(cluster, found)
        removed.append(f"namespace {name}")
        if tell:
            removed[0] += f" with {_contents(cluster, name)}"
        if _end(cluster, name, found["metadata"]["uid"]):
            # Meanwhile somebody made another one, which has to be judged anew.
            return _remove(cluster, name, take_over=take_over, tell=tell)
    return removed + _remove_labelled(cluster, name)


def _end(cluster: ClusterApi, name: str, uid: str) -> list[Object]:
    """Delete the namespace that has a UID, and wait until it is gone.

    Returns:
        What has its name by then; mostly nothing.
    """
    path = f"/api/v1/namespaces/{name}"
    # Once it is marked, nothing new can be made in it; so the Pods that are told
    # to be quick are the last ones, and the 5 s the API takes anyway are enough.
    if _delete(cluster, path, uid=uid) or _is_ending(cluster, path, uid):
        quick = {"gracePeriodSeconds": str(GRACE_S)}
        _delete(cluster, f"{path}/pods", query=quick)
    try:
        return follow(
            cluster,
            "Namespace",
            list,
            what=f"no Namespace named {name}",
            want="gone",
            done=lambda seen: uid not in {each["metadata"]["uid"] for each in seen},
            show=still_there,
            name=name,
            timeout=REMOVE_S,
        )
    except NotReady as error:
        raise _stuck(cluster, name, error) from error


def _is_ending(cluster: ClusterApi, path: str, uid: str) -> bool:
    """Say whether somebody deleted the namespace with a UID before, and it is there.

    The API server refuses to delete it once more.
    """
    try:
        meta = cluster.connection.send("GET", path)["metadata"]
    except ApiError as error:
        if error.status != 404:
            raise
        return False
    return meta["uid"] == uid and "deletionTimestamp" in meta


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
        seen="\n".join([error.seen, *(_keeper(kind, each) for kind, each in held)]),
        waited_s=error.waited_s,
        next=cure,
    )


def _held(cluster: ClusterApi, name: str) -> list[tuple[Resource, Object]]:
    """Return the objects of a namespace that a finalizer keeps."""
    return [
        (kind, each)
        for kind, each in _objects(cluster, name)
        if each["metadata"].get("finalizers")
    ]


def _objects(cluster: ClusterApi, name: str) -> Iterator[tuple[Resource, Object]]:
    """Yield all objects of a namespace; it ends early where the API does not answer."""
    try:
        for kind in cluster.catalogue.resources():
            if kind.namespaced and {"list", "delete"} <= kind.verbs:
                listed = cluster.connection.send("GET", kind.path(name))
                for each in listed.get("items") or []:
                    yield kind, each
    except (ApiError, ApiUnreachable):
        return  # what is told with them goes on without the rest


def _keeper(kind: Resource, obj: Object) -> str:
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


def _remove_labelled(cluster: ClusterApi, chapter: str) -> list[str]:
    """Delete the chapter's objects that are in no namespace, by label; name them."""
    removed = []
    selector = f"{LABEL}={chapter}"
    # Asked for anew: an add-on may have brought kinds, or taken them, since.
    for kind in cluster.catalogue.resources():
        if kind.namespaced or not {"list", "delete"} <= kind.verbs:
            continue
        if kind.kind in ("Node", "Namespace", "ComponentStatus"):
            continue
        full = f"{kind.plural}.{kind.group}".rstrip(".")
        try:
            there = cluster.find(full, selector=selector)
        except ApiError as error:
            if error.status not in (403, 404):
                raise
            # Who may not list what is in no namespace has made none of it; and with a
            # kind that has gone meanwhile went all its objects.
            continue
        for each in there:
            _delete(cluster, kind.path(name=each["metadata"]["name"]))
            removed.append(f"{kind.kind} {each['metadata']['name']}")
    return removed


def _delete(
    cluster: ClusterApi,
    path: str,
    *,
    query: Mapping[str, str] | None = None,
    uid: str = "",
) -> bool:
    """Delete what a path names; say whether that was done.

    Args:
        cluster: Where it is.
        path: An object, or all of a kind in a namespace.
        query: Parameters of the query.
        uid: Only an object with this UID: another one may have its name by now.
    """
    options: Object = {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": {"uid": uid},
    }
    try:
        # With a body, the API server does not read the query.
        body = options if uid else None
        cluster.connection.send("DELETE", path, query=query, body=body)
    except ApiError as error:
        # Gone, already on its way, or another one.
        if error.status not in (404, 409):
            raise
        return False
    return True
