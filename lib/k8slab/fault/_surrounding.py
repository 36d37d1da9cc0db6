"""Faults of what surrounds a workload: nodes' taints, claims, webhooks, finalizers."""

from __future__ import annotations

from functools import partial
from typing import Any

from ..core.poll import until
from ..errors import ApiError, BadInput
from ..kube.objects import Object
from . import _journal, _shop
from ._kind import NAMESPACE, Fault, Place, Seen
from ._objects import delete, find, of_chapter, patch, write
from ._shop import NAME, Form
from ._workloads import WorkloadFault

TAINT = "maintenance"
FOLDER = "/run/k8slab-shop"
FINALIZER = "k8slab.dev/keep"


class PendingTaints(WorkloadFault):
    """All workers are tainted."""

    name = "pending-taints"
    outside = True
    symptom = "The Pod stays Pending: no node's taints are tolerated."
    cause = f"All workers have the taint {TAINT}=true:NoSchedule."
    cure = f"Take the taint away: kubectl taint nodes NODE {TAINT}-."
    reasons = ("Unschedulable",)
    says = "untolerated taint"

    def inject(self, at: Place) -> None:
        """Taint the workers, and have the Pod made anew until no node takes it."""
        taint = {"key": TAINT, "effect": "NoSchedule", "value": "true"}
        self._taint(at, [taint])
        until(
            partial(self._take_away, at),
            what="the scheduler does not heed the taints",
            want=self.symptom,
            timeout=self.symptom_s,
        )

    def repair(self, at: Place) -> None:
        """Take the taints away."""
        self._taint(at, [])

    def undo(self, at: Place) -> None:
        """Take the taints away, and remove the shop."""
        self.repair(at)
        super().undo(at)

    def undone(self, at: Place) -> Seen:
        """Look whether taints and shop are gone."""
        nodes = at.cluster.find("nodes")
        taints = [t for node in nodes for t in node["spec"].get("taints") or []]
        if any(taint["key"] == TAINT for taint in taints):
            return Seen(False, "a node has the taint still")
        return super().undone(at)

    def _take_away(self, at: Place) -> Seen:
        """Delete Pods that a node took, for the scheduler may learn of taints late."""
        seen = self.shows(at)
        if not seen and any(pod.node for pod in _shop.pods(at) if not pod.terminating):
            _delete_pods(at)
        return seen

    def _taint(self, at: Place, taints: list[Object]) -> None:
        """Give the workers these taints in place of those of `TAINT`."""
        for worker in at.workers:
            # The list is written whole, so nobody else may write it in between.
            until(
                partial(_set_taints, at, worker, taints),
                what=f"the taints of {worker} are not written",
                want="written",
                timeout=10,
            )


def _set_taints(at: Place, worker: str, taints: list[Object]) -> bool:
    """Write a node's taints; say whether nobody else wrote the node meanwhile."""
    node = find(at, "nodes", worker)
    if not node:  # somebody deleted it, and its taints with it
        return True
    before = node["spec"].get("taints") or []
    after = [*(each for each in before if each["key"] != TAINT), *taints]
    version = node["metadata"]["resourceVersion"]
    body = {
        "metadata": {"resourceVersion": version},
        "spec": {"taints": after or None},
    }
    path = f"/api/v1/nodes/{worker}"
    try:
        patch(at, path, body)
    except ApiError as error:
        if error.status != 409:
            raise
        return False
    return True


_MOUNTS = [{"name": "stock", "mountPath": "/stock"}]


class ClaimWithoutClass(WorkloadFault):
    """The claim names no class, and there is no volume."""

    name = "claim-without-class"
    outside = True
    symptom = "The Pod and its PersistentVolumeClaim stay Pending."
    cause = "The claim has no StorageClass, and no PersistentVolume fits it."
    cure = "Make a PersistentVolume that fits, or a claim that names a StorageClass."
    reasons = ("Unschedulable",)
    says = "unbound immediate PersistentVolumeClaims"
    whole = Form(
        {"volumeMounts": _MOUNTS}, {"volumes": [{"name": "stock", "emptyDir": {}}]}
    )
    broken = Form(
        {"volumeMounts": _MOUNTS},
        {"volumes": [{"name": "stock", "persistentVolumeClaim": {"claimName": NAME}}]},
        others={
            "persistentvolumeclaims": {
                "spec": {
                    "accessModes": ["ReadWriteOnce"],
                    "storageClassName": "",
                    "resources": {"requests": {"storage": "1Gi"}},
                }
            }
        },
    )

    def repair(self, at: Place) -> None:
        """Make a volume that fits."""
        if find(at, "persistentvolumes", _volume(at)):
            return
        body = {
            "metadata": of_chapter(_volume(at), at.name),
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "storageClassName": "",
                "capacity": {"storage": "1Gi"},
                "claimRef": {"namespace": at.name, "name": NAME},
                "persistentVolumeReclaimPolicy": "Retain",
                "hostPath": {"path": FOLDER, "type": "DirectoryOrCreate"},
            },
        }
        write(at, "persistentvolumes", body)

    def undo(self, at: Place) -> None:
        """Remove shop, claim and volume, and the volume's folder."""
        super().undo(at)
        delete(at, "persistentvolumes", _volume(at))
        for worker in at.workers:
            at.cluster.on(worker).run(["rm", "-rf", FOLDER])

    def undone(self, at: Place) -> Seen:
        """Look whether shop, claim and volume are gone."""
        if find(at, "persistentvolumes", _volume(at)):
            return Seen(False, "the PersistentVolume is still there")
        return super().undone(at)


class WebhookSilent(WorkloadFault):
    """A webhook has to be asked about Pods, and nobody answers."""

    name = "webhook-silent"
    outside = True
    symptom = "No Pod is made: the ReplicaSet's Events say failed calling webhook."
    cause = "A ValidatingWebhookConfiguration names a Service that does not exist."
    cure = "Bring its Service back; delete the configuration only if nobody needs it."

    def inject(self, at: Place) -> None:
        """Have new Pods of this namespace checked, and have the Pod made anew."""
        write(at, "validatingwebhookconfigurations", _gate(at))
        until(
            lambda: self._refusal(at),
            what="the API server does not ask the webhook",
            want="a refusal",
            timeout=self.symptom_s,
        )
        _delete_pods(at)

    def shows(self, at: Place) -> Seen:
        """Look whether the Deployment says that its Pods are not made."""
        status = find(at, "deployments", NAME).get("status") or {}
        failures = [
            str(condition.get("message"))
            for condition in status.get("conditions") or []
            if condition["type"] == "ReplicaFailure" and condition["status"] == "True"
        ]
        seen = ", ".join(failures)
        return Seen("failed calling webhook" in seen, seen or "Pods are made")

    def repair(self, at: Place) -> None:
        """Delete the configuration, and have the Pod made at once."""
        delete(at, "validatingwebhookconfigurations", _gate_name(at))
        # Or the ReplicaSet would try again much later, as it has failed often.
        _shop.put(at, Form({"env": [{"name": "ATTEMPT", "value": "2"}]}))

    def undo(self, at: Place) -> None:
        """Delete the configuration, and remove the shop."""
        delete(at, "validatingwebhookconfigurations", _gate_name(at))
        super().undo(at)

    def undone(self, at: Place) -> Seen:
        """Look whether configuration and shop are gone."""
        if find(at, "validatingwebhookconfigurations", _gate_name(at)):
            return Seen(False, "the webhook is still there")
        return super().undone(at)

    def _refusal(self, at: Place) -> str:
        """Return why a Pod would be refused now, or nothing."""
        container = {"name": NAME, "image": at.cluster.record.images["echo"]}
        pod = {"metadata": {"generateName": NAME}, "spec": {"containers": [container]}}
        path = at.cluster.catalogue.find("pods").path(at.name)
        try:
            at.cluster.connection.send("POST", path, query={"dryRun": "All"}, body=pod)
        except ApiError as error:
            return error.message
        return ""


class StuckNamespace(Fault):
    """A finalizer keeps an object, and that its namespace."""

    name = "stuck-namespace"
    needs = NAMESPACE
    outside = True  # the second namespace
    symptom = "A namespace that was deleted stays Terminating."
    cause = "An object in it has a finalizer that nobody takes away."
    cure = (
        "Find the object by the namespace's conditions; bring its controller back, or, "
        "if that is gone for good, remove the finalizer."
    )

    def check(self, at: Place) -> None:
        """Refuse a namespace whose second one is the reader's own.

        Raises:
            BadInput: There is one; nothing was changed.
        """
        super().check(at)
        noted = self.name in _journal.noted(at.cluster.folder, at.name)
        if not noted and find(at, "namespaces", _old(at)):
            raise BadInput(
                f"the fault {self.name} would remove what is there",
                where=at.cluster.where,
                wanted=f"no namespace {_old(at)}",
                seen=f"namespace {_old(at)}",
                next="take a namespace of its own: cluster.scratch('practice')",
            )

    def save(self, at: Place) -> dict[str, Any]:
        """Keep which namespace it is; refuse one that is not there."""
        return {"uid": _shop.known_uid(at)}

    def prepare(self, at: Place) -> None:
        """Make a second namespace."""
        write(at, "namespaces", {"metadata": of_chapter(_old(at), at.name)})

    def inject(self, at: Place) -> None:
        """Make an object in it that cannot go, and delete it."""
        body = {"metadata": {"name": "archive", "finalizers": [FINALIZER]}}
        write(Place(at.cluster, _old(at)), "configmaps", body)
        delete(at, "namespaces", _old(at))

    def shows(self, at: Place) -> Seen:
        """Look whether it says that a finalizer remains."""
        status = find(at, "namespaces", _old(at)).get("status") or {}
        held = [
            str(condition.get("message"))
            for condition in status.get("conditions") or []
            if condition["type"] == "NamespaceFinalizersRemaining"
            and condition["status"] == "True"
        ]
        return Seen(bool(held), ", ".join(held) or status.get("phase", "not there"))

    def repair(self, at: Place) -> None:
        """Remove the finalizer."""
        path = f"/api/v1/namespaces/{_old(at)}/configmaps/archive"
        body = {"metadata": {"finalizers": None}}
        try:
            patch(at, path, body)
        except ApiError as error:
            if error.status != 404:
                raise

    def healthy(self, at: Place) -> Seen:
        """Look whether it is there for use, or gone."""
        found = find(at, "namespaces", _old(at))
        phase = (found.get("status") or {}).get("phase", "gone")
        return Seen(phase in ("Active", "gone"), phase)

    def undo(self, at: Place) -> None:
        """Remove the finalizer, and the namespace."""
        self.repair(at)
        try:
            delete(at, "namespaces", _old(at))
        except ApiError as error:
            if error.status != 409:  # it is on its way
                raise

    def undone(self, at: Place) -> Seen:
        """Look whether it is gone."""
        found = bool(find(at, "namespaces", _old(at)))
        return Seen(not found, "still there" if found else "gone")


def _old(at: Place) -> str:
    return f"{at.name}-old"


def _volume(at: Place) -> str:
    return f"{at.name}-{NAME}"


def _gate_name(at: Place) -> str:
    return f"{at.name}-gate"


def _gate(at: Place) -> Object:
    return {
        "metadata": of_chapter(_gate_name(at), at.name),
        "webhooks": [
            {
                "name": "gate.k8slab.dev",
                "clientConfig": {"service": {"namespace": at.name, "name": "gate"}},
                "namespaceSelector": {
                    "matchLabels": {"kubernetes.io/metadata.name": at.name}
                },
                "rules": [
                    {
                        "apiGroups": [""],
                        "apiVersions": ["v1"],
                        "operations": ["CREATE"],
                        "resources": ["pods"],
                    }
                ],
                "admissionReviewVersions": ["v1"],
                "failurePolicy": "Fail",
                "sideEffects": "None",
                "timeoutSeconds": 2,
            }
        ],
    }


def _delete_pods(at: Place) -> None:
    """Delete the shop's Pods, so that their controller makes new ones."""
    path = at.cluster.catalogue.find("pods").path(at.name)
    at.cluster.connection.send("DELETE", path, query={"labelSelector": f"app={NAME}"})
