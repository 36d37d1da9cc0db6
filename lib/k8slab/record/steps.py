"""Read changes of API objects as the steps from a wish to a Pod that is ready."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..kube.objects import Object

# Whoever makes an object that nothing owns is the one who typed the command.
OPERATOR = "kubectl"
_SERVER = "API server"
_CONTROLLERS = {
    "Deployment": "deployment controller",
    "ReplicaSet": "replicaset controller",
    "ReplicationController": "replication controller",
}
_REPORTS = {
    "Pulling": "image asked for",
    "Pulled": "image there",
    "Created": "container created",
    "Started": "container started",
    "Killing": "container told to end",
}
_CONDITIONS = {
    "PodReadyToStartContainers": "Pod sandbox ready",
    "Ready": "Pod ready",
}
_BEGINNINGS = {"Pod scheduled", *_CONDITIONS.values()}


@dataclass(frozen=True)
class Change:
    """One change of one object, as a watch told it.

    Attributes:
        at_s: Seconds since the recording began.
        kind: The object's kind.
        type: ``ADDED``, ``MODIFIED`` or ``DELETED``.
        object: The object after the change.
    """

    at_s: float
    kind: str
    type: str
    object: Object

    @property
    def name(self) -> str:
        """The object's name."""
        return str(self.object["metadata"].get("name", ""))

    @property
    def revision(self) -> int:
        """The version of the whole store that this change made."""
        return int(self.object["metadata"].get("resourceVersion", 0))


@dataclass(frozen=True)
class Step:
    """Something that happened.

    Attributes:
        at_ms: Milliseconds since the recording began, as the watch told it.
        who: The program that did it.
        what: What it did, in words that stay the same.
        about: The name of the object concerned.
        detail: What is different each time, such as the machine; or empty.
    """

    at_ms: int
    who: str
    what: str
    about: str
    detail: str = ""


def read(changes: Iterable[Change]) -> list[Step]:
    """Return the steps in the order in which they were stored, each once.

    Each kind has a watch of its own, so what is heard first need not be stored first.
    Of a Pod that was there before only its end is a step. One that is made anew under
    its old name has steps of its own.
    """
    readers = {"Pod": _pod, "Event": _event, "Deployment": _deployment}
    found: dict[tuple[str, str, str], Step] = {}
    new: set[tuple[str, str]] = set()
    for change in sorted(changes, key=lambda change: change.revision):
        uid = _uid(change)
        if change.kind == "Pod" and change.type == "ADDED":
            new.add((change.name, uid))
        for step in readers.get(change.kind, _stored)(change):
            known = (step.about, uid) in new or step.what not in _BEGINNINGS
            if known or change.kind != "Pod":
                found.setdefault((step.what, step.about + step.detail, uid), step)
    return list(found.values())


def _step(change: Change, who: str, what: str, detail: str = "") -> Step:
    return Step(round(1000 * change.at_s), who, what, change.name, detail)


def _stored(change: Change) -> Iterator[Step]:
    if change.type == "ADDED":
        yield _step(change, _maker(change.object), f"{change.kind} stored")
    if change.type == "DELETED":
        yield _step(change, _SERVER, f"{change.kind} gone")


def _deployment(change: Change) -> Iterator[Step]:
    """Yield its beginning and end, and that all its Pods are those that it wants now.

    Until its controller has looked, the status is of what was wanted before.
    """
    yield from _stored(change)
    spec, status = change.object.get("spec") or {}, change.object.get("status") or {}
    wanted, version = spec.get("replicas", 1), change.object["metadata"]
    is_looked_at = status.get("observedGeneration", 0) >= version.get("generation", 0)
    new, all_there = status.get("updatedReplicas", 0), status.get("replicas", 0)
    available = min(status.get("availableReplicas", 0), new)
    if wanted and is_looked_at and all_there <= new and available >= wanted:
        yield _step(change, _CONTROLLERS["Deployment"], "Deployment available")


def _pod(change: Change) -> Iterator[Step]:
    yield from _stored(change)
    node = (change.object.get("spec") or {}).get("nodeName", "")
    if node and change.type == "MODIFIED":
        yield _step(change, "scheduler", "Pod scheduled", node)
    if "deletionTimestamp" in change.object["metadata"]:
        yield _step(change, _SERVER, "Pod told to end")
    for condition in (change.object.get("status") or {}).get("conditions") or []:
        what = _CONDITIONS.get(condition["type"])
        if what and condition["status"] == "True":
            yield _step(change, "kubelet", what, node)


def _event(change: Change) -> Iterator[Step]:
    event, about = change.object, _about(change.object)
    what = _REPORTS.get(event.get("reason", ""))
    if what is None or about.get("kind") != "Pod" or change.type == "DELETED":
        return
    source = event.get("source") or event.get("deprecatedSource") or {}
    node = source.get("host", "")
    at_ms = round(1000 * change.at_s)
    yield Step(at_ms, "kubelet", what, str(about.get("name", "")), node)


def _about(event: Object) -> Object:
    """Return whom an Event is about; ``events.k8s.io`` has another name for it."""
    return event.get("involvedObject") or event.get("regarding") or {}


def _uid(change: Change) -> str:
    """Return the UID of the object that a change is about; empty where none is told."""
    is_event = change.kind == "Event"
    meta = _about(change.object) if is_event else change.object["metadata"]
    return str(meta.get("uid", ""))


def _maker(obj: Object) -> str:
    owners = obj["metadata"].get("ownerReferences") or []
    kind = next((each["kind"] for each in owners if each.get("controller")), "")
    return _CONTROLLERS.get(kind, f"{kind} controller" if kind else OPERATOR)
