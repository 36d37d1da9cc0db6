"""Faults of one workload: each breaks the shop, and its repair makes it whole."""

from __future__ import annotations

from typing import Any, ClassVar

from ..errors import BadInput
from ..kube.objects import Pod
from . import _journal, _shop
from ._kind import NAMESPACE, Fault, Place, Seen
from ._shop import NAME, PORT, Form


class WorkloadFault(Fault):
    """A fault that is a form of the shop.

    Attributes:
        whole: Its form before and after.
        broken: Its form with the fault.
        reasons: The states of a Pod that are the symptom.
        says: A word that the Pod's message must hold, too.
        steady_s: How long it has to be ready to count as healthy, in seconds.
    """

    needs = NAMESPACE
    whole: ClassVar[Form] = Form()
    broken: ClassVar[Form] = Form()
    reasons: ClassVar[tuple[str, ...]] = ()
    says: ClassVar[str] = ""
    steady_s: ClassVar[float] = 0

    def check(self, at: Place) -> None:
        """Refuse a namespace with a shop that is the reader's own.

        Raises:
            BadInput: There is one; nothing was changed.
        """
        super().check(at)
        seen = _shop.is_gone(at, self.others)
        # A shop of another fault is left where the reader repaired it.
        if not seen and not _journal.noted(at.cluster.folder, at.name):
            raise BadInput(
                f"the fault {self.name} would replace what is there, and remove it",
                where=f"namespace {at.name}",
                wanted=f"a namespace without {NAME}",
                seen=seen.words,
                next="take a namespace of its own: cluster.scratch('practice')",
            )

    def save(self, at: Place) -> dict[str, Any]:
        """Keep which namespace it is: another one may get its name."""
        return {"uid": _shop.known_uid(at)}

    def prepare(self, at: Place) -> None:
        """Make the shop, whole."""
        _shop.put(at, self.whole)

    def inject(self, at: Place) -> None:
        """Give it the broken form."""
        _shop.put(at, self.broken)

    def shows(self, at: Place) -> Seen:
        """Look for a Pod in one of the states."""
        seen = [pod for pod in _shop.pods(at) if not pod.terminating]
        found = [pod for pod in seen if self.is_symptom(pod)]
        states = ", ".join(f"{p.state} after {p.restarts} restarts" for p in seen)
        return Seen(bool(found), states or "no Pod")

    def is_symptom(self, pod: Pod) -> bool:
        """Say whether a Pod is in the state that the fault leads to."""
        return pod.reason in self.reasons and self.says in pod.message

    def repair(self, at: Place) -> None:
        """Give it the whole form."""
        _shop.put(at, self.whole)

    def healthy(self, at: Place) -> Seen:
        """Look whether it is ready, and its Service answers."""
        return _shop.works(at, steady_s=self.steady_s)

    def undo(self, at: Place) -> None:
        """Remove it, unless its namespace was made anew."""
        if not _shop.is_elsewhere(at):
            _shop.remove(at, self.others)

    def undone(self, at: Place) -> Seen:
        """Look whether it is gone, as it is with its namespace."""
        if _shop.is_elsewhere(at):
            return Seen(True, "its namespace was made anew")
        return _shop.is_gone(at, self.others)

    @property
    def others(self) -> list[str]:
        """The plurals of the objects it has beside the Deployment and the Service."""
        return sorted({*self.whole.others, *self.broken.others})


class ImagePull(WorkloadFault):
    """The image's tag does not exist."""

    name = "image-pull"
    symptom = "The Pod stays in ErrImagePull, then in ImagePullBackOff."
    cause = "The image has a tag that the registry does not have."
    cure = "Give the container an image that exists, with kubectl set image."
    reasons = ("ErrImagePull", "ImagePullBackOff")
    broken = Form({"image": "registry.lab/echo:9"})


class CrashLoop(WorkloadFault):
    """The program refuses its arguments."""

    name = "crash-loop"
    symptom = "The Pod's restarts count up, and it stays in CrashLoopBackOff."
    cause = "The program ends at once, for it does not understand its arguments."
    cure = "Read why with kubectl logs --previous, and correct the arguments."
    reasons = ("CrashLoopBackOff",)
    broken = Form({"command": ["echo-server", "port=12345"]})


_HUNGRY = (
    "stock = b'x' * 200_000_000\nimport os\nos.execvp('echo-server', ['echo-server'])\n"
)


class OutOfMemory(WorkloadFault):
    """The limit is smaller than what the program needs."""

    name = "out-of-memory"
    symptom = "The container's last state is OOMKilled, with exit code 137."
    cause = "Its memory limit is lower than what the program takes at its start."
    cure = "Raise the container's limit, or make the program take less."
    whole = Form(
        {
            "command": ["python3", "-c", _HUNGRY],
            "resources": {"limits": {"memory": "256Mi"}},
        }
    )
    broken = Form({**whole.container, "resources": {"limits": {"memory": "64Mi"}}})

    def is_symptom(self, pod: Pod) -> bool:
        """Say whether its container was killed for its memory."""
        return "OOMKilled" in (pod.reason, pod.last_reason)


class PendingResources(WorkloadFault):
    """The Pod requests more than any node has."""

    name = "pending-resources"
    symptom = "The Pod stays Pending, and no node is named for it."
    cause = "It requests 250 processors, where 250m, a quarter of one, was meant."
    cure = "Request what a node can give."
    reasons = ("Unschedulable",)
    says = "Insufficient cpu"
    whole = Form({"resources": {"requests": {"cpu": "25m"}}})
    broken = Form({"resources": {"requests": {"cpu": "250"}}})


def _with_token(key: str) -> Form:
    """Return a form that takes a variable from this key of its Secret."""
    reference = {"secretKeyRef": {"name": NAME, "key": key}}
    secret = {"stringData": {"token": "only-for-practice"}}
    variable = {"name": "TOKEN", "valueFrom": reference}
    return Form({"env": [variable]}, others={"secrets": secret})


class MissingSecretKey(WorkloadFault):
    """The Secret has no such key."""

    name = "missing-secret-key"
    symptom = "The Pod stays in CreateContainerConfigError."
    cause = "A variable is taken from a key that the Secret does not have."
    cure = "Correct the key in the Pod's template, or add it to the Secret."
    reasons = ("CreateContainerConfigError",)
    whole = _with_token("token")
    broken = _with_token("tokens")


_SLOW = ["sh", "-c", "sleep 6; exec echo-server"]
_ALIVE = {"tcpSocket": {"port": PORT}, "periodSeconds": 1, "failureThreshold": 2}


class EagerLiveness(WorkloadFault):
    """The liveness probe does not wait for a slow start."""

    name = "eager-liveness"
    symptom = "The Pod never gets ready; its restarts count up, killed by its probe."
    cause = "The liveness probe gives up before the program has started."
    cure = "Add a startupProbe that gives the program time."
    whole = Form(
        {
            "command": _SLOW,
            "livenessProbe": _ALIVE,
            "startupProbe": {**_ALIVE, "failureThreshold": 60},
        }
    )
    broken = Form({"command": _SLOW, "livenessProbe": _ALIVE})

    def is_symptom(self, pod: Pod) -> bool:
        """Say whether it was killed and started again."""
        return pod.restarts > 0 and not pod.ready


class SelectorMismatch(WorkloadFault):
    """The Service selects another label than the Pods have."""

    name = "selector-mismatch"
    symptom = "The Pod is ready, and the Service has no endpoints."
    cause = "The Service selects the label name=shop, and the Pods have app=shop."
    cure = "Make the Service's selector say what the Pods' labels say."
    broken = Form(service={"selector": {"name": NAME}})

    def shows(self, at: Place) -> Seen:
        """Look whether a ready Pod is not among the endpoints."""
        ready = sum(pod.ready and not pod.terminating for pod in _shop.pods(at))
        known = len(_shop.endpoints(at).ready)
        return Seen(ready > 0 and known == 0, f"{ready} ready, {known} endpoints")


class WrongPort(WorkloadFault):
    """The Service sends to a port that nobody listens on."""

    name = "wrong-port"
    symptom = "The Service has endpoints, and a connection to it is refused."
    cause = "The Service's targetPort is one that the program does not listen on."
    cure = "Make targetPort the port that the program listens on."
    broken = Form(service={"ports": [{"port": PORT, "targetPort": 12354}]})

    def shows(self, at: Place) -> Seen:
        """Look whether there are endpoints, and none answers."""
        ready = sum(pod.ready and not pod.terminating for pod in _shop.pods(at))
        known = len(_shop.endpoints(at).ready)
        seen = _shop.answers(at)
        return Seen(ready > 0 and known > 0 and not seen, seen.words)


def _with_cache(limit: str) -> Form:
    """Return a form that writes 16 MiB into a volume with this limit."""
    write = "head -c 16777216 /dev/zero > /cache/stock; exec echo-server"
    container = {
        "command": ["sh", "-c", write],
        "volumeMounts": [{"name": "cache", "mountPath": "/cache"}],
    }
    volume = {"name": "cache", "emptyDir": {"sizeLimit": limit}}
    return Form(container, {"volumes": [volume]})


class DiskFull(WorkloadFault):
    """The Pod writes more than it may keep on its node's disk."""

    name = "disk-full"
    symptom = "Pods end as Evicted, and new ones take their place again and again."
    cause = "The Pod writes more into its emptyDir volume than its sizeLimit allows."
    cure = "Raise the volume's sizeLimit, or make the program write less."
    symptom_s = 90
    health_s = 120
    steady_s = 20  # kubelets measure every ten seconds

    whole = _with_cache("64Mi")
    broken = _with_cache("4Mi")

    def shows(self, at: Place) -> Seen:
        """Look for a Pod that was evicted; its container may have ended well."""
        found = at.cluster.find("pods", namespace=at.name, selector=f"app={NAME}")
        states = [each["status"] for each in found]
        evicted = [s.get("message", "") for s in states if s.get("reason") == "Evicted"]
        return Seen(bool(evicted), ", ".join(evicted) or "no Pod was evicted")
