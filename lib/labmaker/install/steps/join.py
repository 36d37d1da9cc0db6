"""Join a worker with ``kubeadm join``, on a short-lived token and a pinned CA."""

from __future__ import annotations

import hashlib
import secrets
import string

import yaml
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from k8slab.core.patience import stretched
from k8slab.lab_record import MachineRecord
from k8slab.ssh.shell import Shell

from ..context import InstallContext
from . import slow
from .admin import kubectl
from .control_plane import API_PORT, ignored, node_registration

CLUSTER_CA = "/etc/kubernetes/pki/ca.crt"
_CONFIG = "/etc/kubernetes/kubeadm-join.yaml"
_KUBELET_CONF = "/etc/kubernetes/kubelet.conf"
_TIMEOUT_S = 120.0
_ALPHABET = string.ascii_lowercase + string.digits


def new_token() -> str:
    """Return a random bootstrap token: six characters, a dot, sixteen more.

    https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/
    """
    return ".".join(
        "".join(secrets.choice(_ALPHABET) for _ in range(length)) for length in (6, 16)
    )


def ca_hash(certificate: str) -> str:
    """Return a CA certificate's public-key hash, as ``kubeadm join`` wants it.

    Args:
        certificate: The certificate in PEM.
    """
    key = x509.load_pem_x509_certificate(certificate.encode()).public_key()
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return "sha256:" + hashlib.sha256(spki).hexdigest()


def wait_signed(master: Shell, token: str) -> None:
    """Wait until the cluster vouches for a token, or ``join`` retries after 5 s.

    The controller manager signs ``cluster-info`` with each token; a worker that asks
    before that finds nothing it can verify.

    Args:
        master: The master over SSH.
        token: The bootstrap token.

    Raises:
        CommandFailed: It does not within a minute.
        NotReady: The API server does not answer meanwhile.
    """
    signature = f"{{.data.jws-kubeconfig-{token.partition('.')[0]}}}"
    wait = ["wait", "configmap/cluster-info", f"--for=jsonpath={signature}"]
    wait += ["--namespace=kube-public", f"--timeout={stretched(60):.0f}s"]
    kubectl(master, *wait, timeout=65).check()


def apply(
    context: InstallContext,
    machine: MachineRecord,
    shell: Shell,
    *,
    token: str,
    ca_cert_hash: str,
) -> bool:
    """Run ``kubeadm join`` unless the machine is a node; return what changed.

    The token stands in a file that only root reads, and that is removed at once:
    on a command line every process of the machine could see it.

    Args:
        context: The lab.
        machine: The worker.
        shell: The worker over SSH.
        token: A bootstrap token that the master knows.
        ca_cert_hash: The hash of the master's CA, from `ca_hash`.

    Raises:
        CommandFailed: ``kubeadm join`` failed.
    """
    if shell.run(["test", "-s", _KUBELET_CONF], check=False).ok:
        return False
    config = {
        "apiVersion": "kubeadm.k8s.io/v1beta4",
        "kind": "JoinConfiguration",
        "discovery": {
            "bootstrapToken": {
                "apiServerEndpoint": f"{context.master.address}:{API_PORT}",
                "token": token,
                "caCertHashes": [ca_cert_hash],
            }
        },
        "nodeRegistration": node_registration(machine),
        **slow.timeouts(),
    }
    shell.put(_CONFIG, yaml.safe_dump(config), mode=0o600)
    try:
        shell.run(
            [
                "kubeadm",
                "join",
                f"--config={_CONFIG}",
                *ignored(context),
            ],
            timeout=_TIMEOUT_S,
        )
    finally:
        shell.run(["rm", "-f", _CONFIG])
    return True


def delete_token(master: Shell, token: str) -> None:
    """Delete a bootstrap token from the cluster, by its public first part.

    ``kubeadm token delete`` gives up after ten seconds.
    """
    secret = f"secret/bootstrap-token-{token.partition('.')[0]}"
    delete = ["delete", secret, "--namespace=kube-system", "--ignore-not-found"]
    kubectl(master, *delete).check()
