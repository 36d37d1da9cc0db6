"""Write down kubeadm's configuration as one who changes only what the host forces."""

from __future__ import annotations

from typing import Any

from labmaker.bundle import REGISTRY
from labmaker.install.context import InstallContext
from labmaker.install.steps.control_plane import node_registration

TOKEN_TTL = "30m0s"  # noqa: S105 - a lifetime, not a token


def documents(context: InstallContext, token: str) -> list[dict[str, Any]]:
    """Return the documents for ``kubeadm init``: its defaults, on this host.

    Nothing here is tuned: RSA keys, leader election, the usual limits on requests,
    two replicas of CoreDNS that are looked at every ten seconds.

    Args:
        context: The lab.
        token: The bootstrap token that the workers will show.
    """
    init = {
        "apiVersion": "kubeadm.k8s.io/v1beta4",
        "kind": "InitConfiguration",
        "bootstrapTokens": [{"token": token, "ttl": TOKEN_TTL}],
        # The machines have no default route from which to guess an address.
        "localAPIEndpoint": {"advertiseAddress": str(context.master.address)},
        "nodeRegistration": node_registration(context.master),
    }
    cluster = {
        "apiVersion": "kubeadm.k8s.io/v1beta4",
        "kind": "ClusterConfiguration",
        # What the images are called, and the ranges that the firewall rules cover.
        "kubernetesVersion": f"v{context.versions.kubernetes}",
        "imageRepository": REGISTRY,
        "dns": {"imageTag": context.versions.tag("coredns")},
        "etcd": {"local": {"imageTag": context.versions.tag("etcd")}},
        "networking": {"serviceSubnet": str(context.ranges.services)},
    }
    kubelet = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        # cgroup v1, swap, and a disk that is the host's.
        "cgroupDriver": "cgroupfs",
        "failCgroupV1": False,
        "failSwapOn": False,
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": "0%",
            "imagefs.available": "0%",
        },
        "imageGCHighThresholdPercent": 100,
    }
    proxy = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "clusterCIDR": str(context.ranges.pods),
        # A container may not write these kernel settings; zero leaves them alone.
        "conntrack": {
            "maxPerCore": 0,
            "min": 0,
            "tcpEstablishedTimeout": "0s",
            "tcpCloseWaitTimeout": "0s",
        },
    }
    return [init, cluster, kubelet, proxy]
