"""The records that waits, namespaces and pictures share: API objects, read once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

Object = dict[str, Any]
T = TypeVar("T")


class Waited(list[T]):
    """What a wait that succeeded found: a list that is true, also when it is empty.

    Only waits return it. One that returns has seen what it waited for, also when that
    is "none"; otherwise it raises. So ``assert wait.gone(…)`` and a check of the result
    mean what they say. Any other list, as of `Namespace.pods`, is false when empty.
    """

    def __bool__(self) -> bool:
        """Return True: the wait succeeded."""
        return True


@dataclass(frozen=True)
class Pod:
    """A Pod as one look saw it.

    Attributes:
        name: Its name.
        namespace: The namespace it is in.
        node: The machine it runs on; empty while it has none.
        phase: ``Pending``, ``Running``, ``Succeeded``, ``Failed`` or ``Unknown``.
        ready: Whether its Ready condition is true.
        ip: Its address; empty while it has none.
        restarts: How often its containers were restarted, in all; those that prepare
            it count, too.
        labels: Its labels.
        reason: Why it is not running as meant, as `kubectl get` shows it; or empty.
        message: The sentence that explains the reason; or empty.
        controller: The name of the object that keeps it; empty when nothing does.
        controller_kind: That object's kind, as in ``ReplicationController``; or empty.
        images: The images of its containers.
        terminating: Whether it has been asked to end.
        last_exit_code: How the container that ended last ended; -1 while none has.
        last_reason: That end in a word, as in ``Completed`` or ``Error``; or empty.
        uid: Its UID; another Pod of the same name has another one.
        crashes: The most restarts of a container that is in ``CrashLoopBackOff`` now.
    """

    name: str
    namespace: str
    node: str
    phase: str
    ready: bool
    ip: str
    restarts: int
    labels: Mapping[str, str]
    reason: str
    message: str
    controller: str
    controller_kind: str
    images: tuple[str, ...]
    terminating: bool
    last_exit_code: int
    last_reason: str
    uid: str
    crashes: int = field(default=0, repr=False)

    @property
    def finished(self) -> bool:
        """Whether it ended for good."""
        return self.phase in ("Succeeded", "Failed")

    @property
    def state(self) -> str:
        """Its state in one word, the most telling first."""
        if self.terminating:
            return "Terminating"
        return self.reason or ("Ready" if self.ready else self.phase)

    @classmethod
    def read(cls, obj: Object) -> Pod:
        """Read a Pod object of the API."""
        meta, spec, status = _parts(obj)
        both = [
            *(status.get("initContainerStatuses") or []),
            *(status.get("containerStatuses") or []),
        ]
        reason, message = _trouble(status, both)
        owner, end = _controller(meta), _last_end(both)
        return cls(
            name=meta.get("name", ""),
            namespace=meta.get("namespace", ""),
            node=spec.get("nodeName", ""),
            phase=status.get("phase", "Unknown"),
            ready=_condition(status, "Ready"),
            ip=status.get("podIP", ""),
            restarts=sum(c.get("restartCount", 0) for c in both),
            labels=dict(meta.get("labels") or {}),
            reason=reason,
            message=message,
            controller=owner["name"] if owner else "",
            controller_kind=owner["kind"] if owner else "",
            images=tuple(c.get("image", "") for c in spec.get("containers") or []),
            terminating="deletionTimestamp" in meta,
            last_exit_code=int(end.get("exitCode", -1)),
            last_reason=end.get("reason", ""),
            uid=meta.get("uid", ""),
            crashes=_crashes(both),
        )


@dataclass(frozen=True)
class Node:
    """A machine as the cluster sees it.

    Attributes:
        name: Its name.
        ready: Whether its Ready condition is true.
        schedulable: Whether new Pods may go there.
        labels: Its labels.
        message: What its kubelet says about it.
    """

    name: str
    ready: bool
    schedulable: bool
    labels: Mapping[str, str]
    message: str

    @classmethod
    def read(cls, obj: Object) -> Node:
        """Read a Node object of the API."""
        meta, spec, status = _parts(obj)
        ready = [c for c in status.get("conditions") or [] if c["type"] == "Ready"]
        return cls(
            name=meta.get("name", ""),
            ready=_condition(status, "Ready"),
            schedulable=not spec.get("unschedulable", False),
            labels=dict(meta.get("labels") or {}),
            message=ready[0].get("message", "") if ready else "",
        )


@dataclass(frozen=True)
class Endpoints:
    """Whom a Service knows.

    Attributes:
        service: The Service's name.
        ready: Addresses that get connections, sorted.
        unready: Addresses that do not, sorted.
    """

    service: str
    ready: tuple[str, ...]
    unready: tuple[str, ...]

    @classmethod
    def read(cls, service: str, slices: Iterable[Object]) -> Endpoints:
        """Read the EndpointSlice objects of one Service."""
        ready: set[str] = set()
        unready: set[str] = set()
        for each in slices:
            for endpoint in each.get("endpoints") or []:
                conditions = endpoint.get("conditions") or {}
                into = ready if conditions.get("ready") is not False else unready
                into.update(endpoint.get("addresses") or [])
        return cls(service, tuple(sorted(ready)), tuple(sorted(unready - ready)))


def event_line(event: Object) -> str:
    """Return an Event as one line: type, reason, count, about whom, message."""
    series = event.get("series") or {}
    count = series.get("count") or event.get("count") or 1
    times = f" (x{count})" if count > 1 else ""
    about = (event.get("involvedObject") or {}).get("name", "")
    message = " ".join(str(event.get("message", "")).split())
    kind, reason = event.get("type", "Normal"), event.get("reason", "")
    return f"{kind} {reason}{times} {about}: {message}"


def event_time(event: Object) -> str:
    """Return when an Event was last seen, as text that sorts by time."""
    series = event.get("series") or {}
    stamps = (
        series.get("lastObservedTime"),
        event.get("lastTimestamp"),
        event.get("eventTime"),
        (event.get("metadata") or {}).get("creationTimestamp"),
    )
    return str(next((stamp for stamp in stamps if stamp), ""))


def event_began(event: Object) -> datetime:
    """Return when an Event was first seen."""
    made = (event.get("metadata") or {}).get("creationTimestamp")
    stamp = event.get("firstTimestamp") or event.get("eventTime") or made
    return datetime.fromisoformat(str(stamp))


def _parts(obj: Object) -> tuple[Object, Object, Object]:
    return obj.get("metadata") or {}, obj.get("spec") or {}, obj.get("status") or {}


def _condition(status: Object, kind: str) -> bool:
    conditions = status.get("conditions") or []
    return any(c["type"] == kind and c["status"] == "True" for c in conditions)


def _controller(meta: Object) -> Object | None:
    owners = meta.get("ownerReferences") or []
    return next((owner for owner in owners if owner.get("controller")), None)


def _last_end(containers: list[Object]) -> Object:
    """Return how the container that ended last ended; empty while none has."""
    ends = [
        (container.get(when) or {}).get("terminated") or {}
        for container in containers
        for when in ("state", "lastState")
    ]
    ends = [end for end in ends if "exitCode" in end]
    return max(ends, key=lambda end: end.get("finishedAt") or "", default={})


def _crashes(containers: list[Object]) -> int:
    """Return the most restarts of a container that crashes; 0 when none does."""
    crashing = (
        container.get("restartCount", 0)
        for container in containers
        if ((container.get("state") or {}).get("waiting") or {}).get("reason")
        == "CrashLoopBackOff"
    )
    return max(crashing, default=0)


def _trouble(status: Object, containers: list[Object]) -> tuple[str, str]:
    """Return reason and message: the first container's that has one, or the Pod's.

    A container that ended well is no reason while another one of the Pod runs.
    """
    dull = ("PodInitializing", "ContainerCreating")
    main = status.get("containerStatuses") or []
    runs = any("running" in (each.get("state") or {}) for each in main)
    for state in ("waiting", "terminated"):
        for container in containers:
            found = (container.get("state") or {}).get(state) or {}
            ended_well = state == "terminated" and found.get("exitCode") == 0
            goes_on = runs or container not in main
            if found.get("reason") in dull or (ended_well and goes_on):
                continue
            if found.get("reason"):
                return found["reason"], found.get("message", "")
    if status.get("reason"):
        return status["reason"], status.get("message", "")
    for condition in status.get("conditions") or []:
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return condition.get("reason", ""), condition.get("message", "")
    return "", ""
