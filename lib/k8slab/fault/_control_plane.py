"""Faults of the control plane, made and repaired on the master over SSH."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from ..core.parallel import in_parallel
from ..core.poll import until
from ..errors import ApiError, ApiUnreachable, NotReady
from ..kube.objects import Endpoints, Object, Pod
from ._kind import CLUSTER, Fault, Place, Seen
from ._looking import look, wait
from ._objects import find, patch

MANIFEST = "/etc/kubernetes/manifests/kube-apiserver.yaml"
COPY = "/etc/kubernetes/kube-apiserver.yaml.copy"
CERTIFICATE = "/etc/kubernetes/pki/apiserver-kubelet-client.crt"
DNS = "k8s-app=kube-dns"
READY_S = 5.0
"""Seconds that an undoing waits for the API server before others have their turn."""
# Readable for root only, as kubeadm writes it.
MODE = 0o600


def api_ready(at: Place) -> Seen:
    """Look whether the API server answers, and says of itself that it is ready."""
    at.cluster.version()
    url = f"https://{at.master.address}:6443/readyz"
    ask = ["curl", "-fsS", "-m", "3", "--cacert", "/etc/kubernetes/pki/ca.crt", url]
    asked = at.master.run(ask, check=False)
    return Seen(asked.ok, "ready" if asked.ok else "it answers, and is not ready yet")


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
        look = (
            "tail -qn 5 /var/log/pods/kube-system_kube-apiserver-*/kube-apiserver/*.log"
        )
        said = "--secure-prot" in at.master.script(look, check=False).stdout
        try:
            at.cluster.version()
        except ApiUnreachable:
            return Seen(said, "it does not answer, and its log does not say why yet")
        return Seen(False, "the API server answers")

    def repair(self, at: Place) -> None:
        """Put the manifest back, and have the kubelet read it.

        A kubelet that was started without an API server waits to register its node, and
        does not take a corrected manifest until it is started again.
        """
        at.master.put(MANIFEST, at.saved["manifest"], mode=MODE)
        at.master.run(["rm", "-f", COPY])
        at.master.run(["systemctl", "restart", "kubelet"])

    def healthy(self, at: Place) -> Seen:
        """Look whether the API server is ready."""
        return api_ready(at)


# As kubeadm makes it, with an end in the past. `openssl ca` can set one.
_EXPIRED = r"""
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
cd /etc/kubernetes/pki
subject=$(openssl x509 -in apiserver-kubelet-client.crt -noout -subject \
  -nameopt compat)
openssl req -new -key apiserver-kubelet-client.key -subj "${subject#subject=}" \
  -out "$folder/request"
touch "$folder/index"; echo 1000 > "$folder/serial"
cat > "$folder/conf" <<END
[ca]
default_ca = lab
[lab]
database = $folder/index
serial = $folder/serial
new_certs_dir = $folder
default_md = sha256
policy = any
x509_extensions = client
[any]
organizationName = optional
commonName = supplied
[client]
extendedKeyUsage = clientAuth
END
openssl ca -batch -notext -config "$folder/conf" -cert ca.crt -keyfile ca.key \
  -startdate 20200101000000Z -enddate 20210101000000Z \
  -in "$folder/request" -out "$folder/crt" 2> /dev/null
cat "$folder/crt"
"""


class ExpiredCertificate(Fault):
    """The certificate that the API server shows to kubelets has expired."""

    name = "expired-certificate"
    needs = CLUSTER
    symptom = "kubectl logs, exec and port-forward are refused, and most else works."
    cause = "The API server's certificate as a client of the kubelets has expired."
    cure = "kubeadm certs renew apiserver-kubelet-client; then restart the API server."
    health_s = 120

    def save(self, at: Place) -> dict[str, Any]:
        """Keep the certificate; it is no secret."""
        return {"certificate": at.master.read(CERTIFICATE)}

    def inject(self, at: Place) -> None:
        """Put an expired one in its place."""
        at.master.put(CERTIFICATE, at.master.script(_EXPIRED).stdout)
        self._take_effect(at, self.shows)

    def shows(self, at: Place) -> Seen:
        """Look whether logs are refused by a server that answers."""
        if not (seen := api_ready(at)):
            return seen
        asked = self._logs(at)
        return Seen("provide credentials" in asked, asked or "logs are shown")

    def repair(self, at: Place) -> None:
        """Put the old one back, unless it was renewed."""
        check = ["openssl", "x509", "-checkend", "0", "-noout", "-in", CERTIFICATE]
        if not at.master.run(check, check=False).ok:
            at.master.put(CERTIFICATE, at.saved["certificate"])
        if not look(at, self.healthy):
            self._take_effect(at, self.healthy)

    def undo(self, at: Place) -> None:
        """Do the same once the API server is ready.

        Where it starts, kubelets are at work that must not be ended again and again.
        """
        what = "the API server is not ready"
        wait(at, api_ready, what=what, want="ready", timeout=READY_S)
        self.repair(at)

    @staticmethod
    def _take_effect(at: Place, seen: Callable[[Place], Seen]) -> None:
        """Have the kubelets end their connections until new ones show the new file.

        The API server keeps what it read of the file for a moment.
        """
        restart = ["systemctl", "restart", "kubelet"]
        machines = [at.cluster.on(name) for name in at.cluster.machines]

        def again() -> Seen:
            in_parallel([partial(machine.run, restart) for machine in machines])
            with suppress(NotReady):
                return wait(at, seen, what="no effect", want="effect", timeout=4)
            return Seen(False, "no effect yet")

        with suppress(NotReady):  # whoever waits for symptom or health says it better
            until(again, what="no effect", want="effect", timeout=30)

    def healthy(self, at: Place) -> Seen:
        """Look whether logs are shown."""
        if not (seen := api_ready(at)):
            return seen
        asked = self._logs(at)
        return Seen(not asked, asked or "logs are shown")

    @staticmethod
    def _logs(at: Place) -> str:
        """Return why a log is not shown, or nothing."""
        name = f"etcd-{at.master.where}"
        argv = ["logs", name, "--namespace=kube-system", "--tail=1"]
        done = at.cluster.kubectl(argv, check=False)
        return "" if done.ok else str(done)


_COREDNS = "/apis/apps/v1/namespaces/kube-system/deployments/coredns"
_ENDING = Seen(False, "earlier Pods of CoreDNS are ending")


class BrokenDns(Fault):
    """The name service's configuration has a typo."""

    name = "dns-broken"
    needs = CLUSTER
    symptom = "Names do not resolve in Pods, and CoreDNS is in CrashLoopBackOff."
    cause = "The Corefile in the ConfigMap coredns names a plugin that does not exist."
    cure = (
        "Correct the Corefile; then kubectl rollout restart deployment coredns -n "
        "kube-system."
    )

    def save(self, at: Place) -> dict[str, Any]:
        """Keep the Corefile, and how many Pods CoreDNS has."""
        return {"corefile": _corefile(at), "replicas": _dns_wanted(at)}

    def inject(self, at: Place) -> None:
        """Misspell a plugin, and have CoreDNS start with that."""
        _configure(at, at.saved["corefile"].replace("kubernetes ", "kubernets ", 1))

    def shows(self, at: Place) -> Seen:
        """Look whether CoreDNS ends again and again, and nobody is behind its name."""
        pods = _dns_pods(at)
        if any(pod.terminating for pod in pods):  # which may answer still
            return _ENDING
        states = [pod.state for pod in pods if pod.restarts > 0]
        ready = len(_dns_endpoints(at).ready)
        words = f"{ready} endpoints of the name service, CoreDNS {', '.join(states)}"
        return Seen(ready == 0 and "CrashLoopBackOff" in states, words)

    def repair(self, at: Place) -> None:
        """Put the Corefile back, and have CoreDNS start with that.

        It gets its Pods back, too, where somebody took them away; an entry of an
        earlier version does not say how many there were.
        """
        if _dns_wanted(at) == 0:
            patch(at, _COREDNS, {"spec": {"replicas": at.saved.get("replicas", 1)}})
        if _corefile(at) != at.saved["corefile"] or not self.healthy(at):
            _configure(at, at.saved["corefile"])

    def healthy(self, at: Place) -> Seen:
        """Look whether all of CoreDNS is ready, and there is any."""
        found = _coredns(at)
        ready = (found.get("status") or {}).get("readyReplicas", 0)
        known = len(_dns_endpoints(at).ready)
        wanted = found["spec"]["replicas"]
        words = f"{ready} of {wanted} ready, {known} endpoints"
        return Seen(0 < wanted == ready == known, words)

    def undone(self, at: Place) -> Seen:
        """Look whether it has its old Corefile, and is ready."""
        if _corefile(at) != at.saved["corefile"]:
            return Seen(False, "the Corefile is another one")
        if any(pod.terminating for pod in _dns_pods(at)):
            return _ENDING
        return self.healthy(at)


def _coredns(at: Place) -> Object:
    return at.cluster.get("deployments", "coredns", namespace="kube-system")


def _dns_wanted(at: Place) -> int:
    """Return how many Pods CoreDNS is to have."""
    return int(_coredns(at)["spec"]["replicas"])


def _dns_pods(at: Place) -> list[Pod]:
    found = at.cluster.find("pods", namespace="kube-system", selector=DNS)
    return [Pod.read(each) for each in found]


def _corefile(at: Place) -> str:
    """Return the Corefile; nothing where somebody took it, or all of it, away."""
    found = find(Place(at.cluster, "kube-system"), "configmaps", "coredns")
    return str((found.get("data") or {}).get("Corefile", ""))


def _configure(at: Place, corefile: str) -> None:
    """Write the Corefile, and delete CoreDNS's Pods."""
    path = "/api/v1/namespaces/kube-system/configmaps"
    body = {"data": {"Corefile": corefile}}
    try:
        patch(at, f"{path}/coredns", body)
    except ApiError as error:
        if error.status != 404:
            raise
        made = {"metadata": {"name": "coredns"}, **body}
        at.cluster.connection.send("POST", path, body=made)
    at.cluster.connection.send(
        "DELETE",
        "/api/v1/namespaces/kube-system/pods",
        query={"labelSelector": DNS, "gracePeriodSeconds": "1"},
    )


def _dns_endpoints(at: Place) -> Endpoints:
    slices = at.cluster.find(
        "endpointslices",
        namespace="kube-system",
        selector="kubernetes.io/service-name=kube-dns",
    )
    return Endpoints.read("kube-dns", slices)
