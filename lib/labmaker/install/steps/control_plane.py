"""Make the master's control plane with ``kubeadm init``."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import yaml

from k8slab.core.patience import stretched
from k8slab.lab_record import MachineRecord
from k8slab.ssh.shell import Shell

from ...bundle import REGISTRY
from ..context import InstallContext
from . import slow

ADMIN_CONF = "/etc/kubernetes/admin.conf"
API_PORT = 6443
CONFIG = "/etc/kubernetes/kubeadm-init.yaml"
PATCHES = "/etc/kubernetes/patches"
TIMEOUT_S = 180.0
_SOCKET = "unix:///run/containerd/containerd.sock"
# The phase after 'bootstrap-token': from then on the API knows the token.
_AFTER_TOKENS = "[kubelet-finalize]"
TOKEN_TTL_MIN = 30
LEASE_S = 40
"""The kubelet's default: how long a node counts as alive after its last heartbeat."""

# The only preflight errors that are ignored, each with its reason.
IGNORED_PREFLIGHT: Mapping[str, str] = {
    "SystemVerification": "it calls cgroup v1 an error, which some hosts still have",
}


# A container's swap and disk are its host's, and no business of the lab's.
_KUBELET_OF_A_CONTAINER: Mapping[str, Any] = {
    "failSwapOn": False,
    "evictionHard": {
        "memory.available": "100Mi",
        "nodefs.available": "0%",
        "imagefs.available": "0%",
    },
    "imageGCHighThresholdPercent": 100,
}
# A container may not write these kernel settings; zero leaves them alone.
_LEFT_ALONE: Mapping[str, Any] = {
    "maxPerCore": 0,
    "min": 0,
    "tcpEstablishedTimeout": "0s",
    "tcpCloseWaitTimeout": "0s",
}


def apply(
    context: InstallContext,
    machine: MachineRecord,
    shell: Shell,
    *,
    token: str,
    on_token: Callable[[], None],
) -> bool:
    """Run ``kubeadm init`` unless the control plane is there; return what changed.

    Args:
        context: The lab.
        machine: The master.
        shell: The master over SSH.
        token: The bootstrap token that the workers will show; lives 30 minutes.
        on_token: Called as soon as the API has the token, before ``init`` has ended.

    Raises:
        CommandFailed: ``kubeadm init`` failed.
    """
    if shell.run(["test", "-s", ADMIN_CONF], check=False).ok:
        return False

    def announce(line: str) -> None:
        if line.startswith(_AFTER_TOKENS):
            on_token()

    shell.put(
        f"{PATCHES}/corednsdeployment.yaml", yaml.safe_dump(coredns_patch(context))
    )
    for name, patch in slow.patches().items():
        shell.put(f"{PATCHES}/{name}", yaml.safe_dump(patch))
    shell.put(CONFIG, yaml.safe_dump_all(init_documents(context, token)), mode=0o600)
    shell.run(
        [
            "kubeadm",
            "init",
            f"--config={CONFIG}",
            "--skip-phases=addon/coredns",
            *ignored(context),
        ],
        timeout=TIMEOUT_S,
        on_line=announce,
    )
    return True


def coredns_patch(context: InstallContext) -> dict[str, Any]:
    """Return what kubeadm is to change in CoreDNS's Deployment.

    One replica is enough for two cores. It is placed before a node says that it is
    Ready, looked at every second (kubeadm's default is ten), and reaches the API
    server by its own address: by that of the Service it would have to wait for
    kube-proxy, and then for its own next try.
    """
    container = {
        "name": "coredns",
        "env": [
            {"name": "KUBERNETES_SERVICE_HOST", "value": str(context.master.address)},
            {"name": "KUBERNETES_SERVICE_PORT", "value": str(API_PORT)},
        ],
        "readinessProbe": {"periodSeconds": math.ceil(stretched(1))},
    }
    tolerations = [
        {"key": "CriticalAddonsOnly", "operator": "Exists"},
        {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"},
        {"key": "node.kubernetes.io/not-ready", "operator": "Exists"},
    ]
    template = {"spec": {"tolerations": tolerations, "containers": [container]}}
    return {"spec": {"replicas": 1, "template": template}}


def init_documents(context: InstallContext, token: str) -> list[dict[str, Any]]:
    """Return the documents of ``kubeadm init``'s configuration file.

    https://kubernetes.io/docs/reference/config-api/kubeadm-config.v1beta4/
    """
    address = str(context.master.address)
    kubeadm = "kubeadm.k8s.io/v1beta4"
    init = {
        "apiVersion": kubeadm,
        "kind": "InitConfiguration",
        "bootstrapTokens": [{"token": token, "ttl": token_ttl()}],
        "localAPIEndpoint": {"advertiseAddress": address, "bindPort": API_PORT},
        "nodeRegistration": node_registration(context.master),
        "patches": {"directory": PATCHES},
        **slow.timeouts(),
    }
    alone = {"leader-elect": "false"}  # there is one master, so nobody to elect
    cluster = {
        "apiVersion": kubeadm,
        "kind": "ClusterConfiguration",
        "kubernetesVersion": f"v{context.versions.kubernetes}",
        "imageRepository": REGISTRY,
        # Small keys: making RSA keys costs seconds on two cores.
        "encryptionAlgorithm": "ECDSA-P256",
        "networking": networking(context),
        "dns": {"imageTag": context.versions.tag("coredns")},
        "etcd": {
            "local": {
                "imageTag": context.versions.tag("etcd"),
                **slow.named("extraArgs", _arguments(slow.etcd())),
            }
        },
        "controllerManager": {
            "extraArgs": _arguments(
                {
                    **alone,
                    # The default of 20 requests a second makes it spend five
                    # seconds building its controllers; nothing happens until then.
                    "kube-api-qps": "300",
                    "kube-api-burst": "600",
                    "horizontal-pod-autoscaler-sync-period": "5s",
                }
            )
        },
        "scheduler": {"extraArgs": _arguments(alone)},
    }
    kubelet = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "cgroupDriver": context.profile.cgroup_driver,
        **({"failCgroupV1": False} if context.profile.cgroup_v1 else {}),
        # A manifest dropped into the static Pods' folder is seen within a second.
        "fileCheckFrequency": f"{stretched(1):g}s",
        # A kubelet that starts may call its node not ready at first, as its runtime has
        # not answered yet; by default it would tell better only ten seconds later.
        # A heartbeat that takes longer than this, or than its Lease, is given up.
        "nodeStatusUpdateFrequency": f"{min(stretched(2), LEASE_S):g}s",
        # What has not changed would be written as often; by default it is every 5m.
        "nodeStatusReportFrequency": f"{stretched(10):g}s",
        **(_KUBELET_OF_A_CONTAINER if context.profile.contained else {}),
    }
    proxy = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        # On machines that were there, kube-proxy's own default.
        **({"mode": "iptables"} if context.profile.made_here else {}),
        "clusterCIDR": str(context.ranges.pods),
        **({"conntrack": _LEFT_ALONE} if context.profile.contained else {}),
    }
    return [init, cluster, kubelet, proxy]


def networking(context: InstallContext) -> dict[str, str]:
    """Return the cluster's ranges as kubeadm takes them.

    Our own Pod network has a range for each machine; for another one, the controller
    manager gives each node a part of the Pods' range.
    """
    pods = {} if context.profile.pod_network else {"podSubnet": context.ranges.pods}
    ranges = {"serviceSubnet": context.ranges.services, **pods}
    return {name: str(network) for name, network in ranges.items()}


def ignored(context: InstallContext) -> list[str]:
    """Return the option that makes kubeadm ignore what the machines cannot help."""
    if not context.profile.cgroup_v1:
        return []
    return [f"--ignore-preflight-errors={','.join(IGNORED_PREFLIGHT)}"]


def token_ttl() -> str:
    """Return how long a bootstrap token lives, as kubeadm takes it."""
    return f"{stretched(TOKEN_TTL_MIN):.0f}m0s"


def node_registration(machine: MachineRecord) -> dict[str, Any]:
    """Return how a machine registers as a node, for init and join alike."""
    return {
        "name": machine.name,
        "criSocket": _SOCKET,
        "imagePullPolicy": "IfNotPresent",
        "kubeletExtraArgs": _arguments({"node-ip": str(machine.address)}),
    }


def _arguments(flags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in flags.items()]
