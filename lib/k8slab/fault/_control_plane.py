"""Faults of the control plane, made and repaired on the master over SSH."""

from __future__ import annotations

from typing import Any

from ..errors import LabMissing
from ._kind import CLUSTER, Fault, Place, Seen

MANIFEST = "/etc/kubernetes/manifests/kube-apiserver.yaml"
COPY = "/etc/kubernetes/kube-apiserver.yaml.copy"
# Readable for root only, as kubeadm writes it.
MODE = 0o600


def api_ready(at: Place) -> Seen:
    """Look whether the API server is ready, and the master's kubelet has seen it."""
    name = f"kube-apiserver-{at.master.where}"
    pod = at.cluster.get("pods", name, namespace="kube-system")
    conditions = pod["status"].get("conditions") or []
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    return Seen(ready, "ready" if ready else "it answers, and is not ready yet")


class BadStaticManifest(Fault):
    """The API server's manifest has a typo."""

    name = "bad-static-manifest"
    needs = CLUSTER
    symptom = "kubectl says that the connection to the server was refused."
    cause = f"A flag is misspelt in {MANIFEST}, so the API server ends at once."
    cure = "Read its last words below /var/log/pods, and correct the manifest."
    symptom_s = 60
    health_s = 120

    def save(self, at: Place) -> dict[str, Any]:
        """Keep the manifest."""
        return {"manifest": at.master.read(MANIFEST)}

    def inject(self, at: Place) -> None:
        """Misspell a flag; a copy of the manifest lies outside the folder."""
        manifest = at.saved["manifest"]
        at.master.put(COPY, manifest, mode=MODE)
        spoilt = manifest.replace("--secure-port=", "--secure-prot=")
        at.master.put(MANIFEST, spoilt, mode=MODE)

    def shows(self, at: Place) -> Seen:
        """Look whether the API server is silent, and its log says why."""
        look = "cat /var/log/pods/kube-system_kube-apiserver-*/kube-apiserver/*.log"
        log = at.master.script(look, check=False).stdout
        said = "unknown flag: --secure-prot" in log
        try:
            at.cluster.version()
        except LabMissing:
            return Seen(said, "it does not answer, and its log does not say why yet")
        return Seen(False, "the API server answers")

    def repair(self, at: Place) -> None:
        """Put the manifest back."""
        at.master.put(MANIFEST, at.saved["manifest"], mode=MODE)
        at.master.run(["rm", "-f", COPY])

    def healthy(self, at: Place) -> Seen:
        """Look whether the API server is ready."""
        return api_ready(at)
