"""The workload that breaks: a Deployment of one Pod with its Service."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ..errors import BadInput, NotBegun
from ..kube.objects import Endpoints, Object, Pod
from ..probe._exchange import Target, exchange
from ._kind import Place, Seen
from ._objects import delete, find, write

NAME, PORT = "shop", 12345
LABELS = {"app": NAME}


@dataclass(frozen=True)
class Form:
    """One form of the shop, whole or broken: what differs from the plain one.

    Attributes:
        container: Fields of its container.
        pod: Fields of its Pods' spec.
        service: Fields of its Service's spec.
        others: Objects beside the two, by the plural of their kind.
    """

    container: Mapping[str, object] = field(default_factory=dict)
    pod: Mapping[str, object] = field(default_factory=dict)
    service: Mapping[str, object] = field(default_factory=dict)
    others: Mapping[str, Object] = field(default_factory=dict)


def uid(at: Place) -> str:
    """Return the UID of its namespace; an empty one where that is not there."""
    found = find(at, "namespaces", at.name)
    return str(found["metadata"].get("uid", "")) if found else ""


def known_uid(at: Place) -> str:
    """Return the UID of its namespace.

    Raises:
        BadInput: There is none of that name; nothing was changed.
    """
    if found := uid(at):
        return found
    raise BadInput(
        "there is no such namespace, in which something could be broken",
        where=at.cluster.where,
        wanted="a namespace of the lab, as cluster.scratch returns one",
        seen=at.name,
        next=f'make it: ns = cluster.scratch("{at.name}")',
    )


def is_elsewhere(at: Place) -> bool:
    """Say whether its namespace was made anew since its UID was saved.

    What is in a namespace goes with it; so what has the shop's name there now is
    somebody else's.
    """
    saved = at.saved.get("uid")  # an entry of an earlier version has none
    return bool(saved) and uid(at) not in ("", saved)


def put(at: Place, form: Form) -> None:
    """Make the shop have a form, whatever it was before.

    Raises:
        NotBegun: Its namespace was made anew since its UID was saved.
    """
    if is_elsewhere(at):
        raise NotBegun(
            f"the namespace was made anew, and {NAME} went with the one before",
            where=f"namespace {at.name}",
            wanted=f"UID {at.saved['uid']}",
            seen=f"UID {uid(at)}",
            next="run the cell again that injected the fault",
        )
    for plural, body in form.others.items():
        write(at, plural, {"metadata": {"name": NAME}, **body})
    write(at, "deployments", _deployment(at, form))
    write(at, "services", _service(form))


def remove(at: Place, plurals: Sequence[str]) -> None:
    """Delete the shop with its other objects."""
    for plural in ("deployments", "services", *plurals):
        delete(at, plural, NAME)


def is_gone(at: Place, plurals: Sequence[str]) -> Seen:
    """Look whether nothing of the shop is left."""
    kinds = ("deployments", "services", *plurals)
    kept = [f"{plural} {NAME}" for plural in kinds if find(at, plural, NAME)]
    kept += [f"Pod {pod.name}" for pod in pods(at)]
    return Seen(not kept, ", ".join(kept) or "nothing is left")


def pods(at: Place) -> list[Pod]:
    """Return its Pods, those that are ending included."""
    selector = ",".join(f"{key}={value}" for key, value in LABELS.items())
    found = at.cluster.find("pods", namespace=at.name, selector=selector)
    return [Pod.read(each) for each in found]


def works(at: Place, *, steady_s: float = 0) -> Seen:
    """Look whether it is ready and answers by way of its Service.

    Args:
        at: Where it is.
        steady_s: How many seconds it has to have been ready.
    """
    deployment = find(at, "deployments", NAME)
    if not deployment:
        return Seen(False, f"there is no Deployment {NAME}")
    status, spec = deployment.get("status") or {}, deployment["spec"]
    wanted = spec.get("replicas", 1)
    counted = [status.get(f"{n}Replicas", 0) for n in ("ready", "updated")]
    current = status.get("observedGeneration") == deployment["metadata"]["generation"]
    alone = status.get("replicas", 0) == wanted
    if not (current and alone and wanted > 0 and counted == [wanted, wanted]):
        states = ", ".join(pod.state for pod in pods(at)) or "no Pod"
        return Seen(False, f"{counted[0]} of {wanted} ready: {states}")
    if steady_s and _ready_for(at) < steady_s:
        return Seen(False, f"ready for less than {steady_s:g} s")
    return answers(at)


def answers(at: Place) -> Seen:
    """Look whether its Service has endpoints, and something answers behind it.

    The master asks; where nobody knows one, a Pod of the shop does.
    """
    known = endpoints(at)
    if not known.ready:
        return Seen(False, f"the Service {NAME} has no endpoints")
    spec = find(at, "services", NAME).get("spec") or {}
    ports = spec.get("ports") or []
    if not ports:  # deleted a moment ago: its endpoints go after it
        return Seen(False, f"there is no Service {NAME}")
    asks = _ready_pod(at) if at.cluster.record.is_adopted else at.cluster.machines[0]
    if asks is None:
        return Seen(False, "no Pod is ready")
    way = Target(spec.get("clusterIP", ""), ports[0]["port"], "the Service's port")
    if exchange(at.cluster, way, from_=asks, timeout=2).failure:
        return Seen(False, f"{len(known.ready)} endpoints, and nothing answers")
    return Seen(True, f"{len(known.ready)} endpoints, and the Service answers")


def _ready_pod(at: Place) -> Pod | None:
    ready = (pod for pod in pods(at) if pod.ready and not pod.terminating)
    return next(ready, None)


def endpoints(at: Place) -> Endpoints:
    """Return whom its Service knows."""
    selector = f"kubernetes.io/service-name={NAME}"
    slices = at.cluster.find("endpointslices", namespace=at.name, selector=selector)
    return Endpoints.read(NAME, slices)


def _ready_for(at: Place) -> float:
    """Return for how many seconds its Pods have been ready, the last of them."""
    found = at.cluster.find("pods", namespace=at.name, selector=f"app={NAME}")
    since = [
        condition["lastTransitionTime"]
        for pod in found
        for condition in (pod.get("status") or {}).get("conditions") or []
        if condition["type"] == "Ready" and condition["status"] == "True"
    ]
    last = max(since, default="")
    return time.time() - datetime.fromisoformat(last).timestamp() if last else 0.0


def _deployment(at: Place, form: Form) -> Object:
    container: Object = {
        "name": NAME,
        "image": at.cluster.record.images["echo"],
        "ports": [{"containerPort": PORT}],
        "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
        **form.container,
    }
    pod = {"terminationGracePeriodSeconds": 1, "containers": [container], **form.pod}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": NAME, "labels": LABELS},
        "spec": {
            "replicas": 1,
            # So that a fault shows at once: no old Pod goes on serving.
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": LABELS},
            "template": {"metadata": {"labels": LABELS}, "spec": pod},
        },
    }


def _service(form: Form) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": NAME},
        "spec": {"selector": LABELS, "ports": [{"port": PORT}], **form.service},
    }
