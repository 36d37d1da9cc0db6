"""Let the kubelets serve with certificates that the cluster's authority signs.

By default each kubelet signs its own, which nobody can check. With
``serverTLSBootstrap`` it asks the cluster for one, and an administrator has to approve
the request. This is set on the machines alone, not in the cluster's ConfigMap: a node
that joins later would wait, without a certificate, for somebody who approves.

https://kubernetes.io/docs/reference/access-authn-authz/kubelet-tls-bootstrapping/
"""

from __future__ import annotations

from base64 import b64decode
from functools import partial
from ipaddress import IPv4Address

from cryptography import x509
from cryptography.x509.oid import ExtensionOID, NameOID

from k8slab.core.hints import command
from k8slab.core.parallel import in_parallel
from k8slab.core.poll import until
from k8slab.kube.cluster import Cluster
from k8slab.kube.objects import Object
from k8slab.lab_record import MachineRecord

SIGNER = "kubernetes.io/kubelet-serving"
CONFIG = "/var/lib/kubelet/config.yaml"
SETTING = "serverTLSBootstrap: true"
TIMEOUT_S = 90.0
_NODES = "system:nodes"
_USAGES = {"digital signature", "key encipherment", "server auth"}
_CA = "/etc/kubernetes/pki/ca.crt"
_OWN = "/var/lib/kubelet/pki/kubelet-server-"
# The last thing that each script makes or removes is what it looks for at first, so
# that one which was ended half way is done again.
_ASK = f"""\
grep -qx '{SETTING}' {CONFIG} && [ -e {_OWN}current.pem ] && exit 0
grep -qx '{SETTING}' {CONFIG} || echo '{SETTING}' >> {CONFIG}
systemctl restart kubelet
echo changed
"""
_FORGET = f"""\
grep -qx '{SETTING}' {CONFIG} || [ -e {_OWN}current.pem ] || exit 0
sed -i '/^{SETTING}$/d' {CONFIG}
systemctl restart kubelet
rm -f {_OWN}*.pem
"""


def sign(cluster: Cluster) -> bool:
    """Make every kubelet ask for a certificate, and approve what is asked rightly.

    Args:
        cluster: The cluster; all its machines are reached.

    Returns:
        Whether any kubelet's setting was changed.

    Raises:
        NotReady: A kubelet does not serve with one within the deadline.
    """
    changed = _on_each(cluster, _ASK)
    until(
        lambda: _unsigned(cluster),
        what="kubelets do not serve with a certificate of the cluster's",
        want="one on every machine",
        done=lambda names: not names,
        timeout=TIMEOUT_S,
        every=0.5,
        where=cluster.where,
        next=command("kubectl", cluster.lab, "get certificatesigningrequests"),
    )
    return "changed" in changed


def forget(cluster: Cluster) -> None:
    """Let every kubelet sign its own certificate again, and forget all requests.

    Raises:
        NotReady: A kubelet does not answer within the deadline.
    """
    _on_each(cluster, _FORGET)
    for request in _requests(cluster):
        name = request["metadata"]["name"]
        cluster.kubectl(["delete", "csr", name, "--ignore-not-found"])
    until(
        lambda: [m.name for m in cluster.record.nodes if not _serves(cluster, m)],
        what="kubelets do not answer",
        want="an answer on every machine",
        done=lambda names: not names,
        timeout=TIMEOUT_S,
        every=0.5,
        where=cluster.where,
        next=command("kubectl", cluster.lab, "get nodes"),
    )


def unsigned(cluster: Cluster) -> list[str]:
    """Return the machines whose kubelet serves with a certificate of its own."""
    checks = [
        partial(_serves, cluster, machine, _CA) for machine in cluster.record.nodes
    ]
    signed = in_parallel(checks)
    named = zip(cluster.record.nodes, signed, strict=True)
    return [machine.name for machine, well in named if not well]


def rightful(request: Object, machines: tuple[MachineRecord, ...]) -> bool:
    """Say whether a node of the lab asks for a certificate for itself, and no more.

    Args:
        request: The CertificateSigningRequest.
        machines: The lab's nodes.
    """
    spec = request["spec"]
    asks = spec.get("username", "").removeprefix("system:node:")
    machine = next((each for each in machines if each.name == asks), None)
    if machine is None or not spec["username"].startswith("system:node:"):
        return False
    if spec["signerName"] != SIGNER or _NODES not in spec.get("groups", ()):
        return False
    if not set(spec.get("usages", ())) <= _USAGES:
        return False
    wanted = x509.load_pem_x509_csr(b64decode(spec["request"]))
    try:
        san = wanted.extensions.get_extension_for_oid(
            ExtensionOID.SUBJECT_ALTERNATIVE_NAME
        ).value
    except x509.ExtensionNotFound:
        return False
    if not isinstance(san, x509.SubjectAlternativeName):
        return False
    subject = {(each.oid, each.value) for each in wanted.subject}
    names = san.get_values_for_type(x509.DNSName)
    addresses = san.get_values_for_type(x509.IPAddress)
    return (
        wanted.is_signature_valid
        and len(names) + len(addresses) == len(list(san)) > 0
        and subject
        == {
            (NameOID.ORGANIZATION_NAME, _NODES),
            (NameOID.COMMON_NAME, f"system:node:{machine.name}"),
        }
        and set(names) <= {machine.name}
        and set(addresses) <= {IPv4Address(machine.address)}
    )


def _unsigned(cluster: Cluster) -> list[str]:
    """Approve what is asked rightly, and return who has no certificate yet."""
    for request in _requests(cluster):
        if request.get("status", {}).get("conditions"):
            continue  # it was decided
        if rightful(request, cluster.record.nodes):
            cluster.kubectl(["certificate", "approve", request["metadata"]["name"]])
    return unsigned(cluster)


def _requests(cluster: Cluster) -> list[Object]:
    return [
        request
        for request in cluster.find("CertificateSigningRequest")
        if request["spec"]["signerName"] == SIGNER
    ]


def _serves(cluster: Cluster, machine: MachineRecord, ca: str = "") -> bool:
    """Say whether a kubelet answers; that it wants to know who asks is an answer.

    Args:
        cluster: The cluster, whose master asks.
        machine: The kubelet's.
        ca: The file of the authority that must have signed its certificate, if any.
    """
    argv = ["curl", "--silent", "--max-time", "3", "--output", "/dev/null"]
    argv += ["--cacert", ca] if ca else ["--insecure"]
    argv.append(f"https://{machine.address}:10250/healthz")
    return cluster.on(cluster.machines[0]).run(argv, check=False).ok


def _on_each(cluster: Cluster, script: str) -> list[str]:
    nodes = cluster.record.nodes
    scripts = [partial(cluster.on(node.name).script, script) for node in nodes]
    return [done.stdout.strip() for done in in_parallel(scripts)]
