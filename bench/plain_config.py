"""Write down kubeadm's configuration as one who changes only what the host forces."""

from __future__ import annotations

from typing import Any

from k8slab.install.control_plane import node_registration
from k8slab.install.site import REGISTRY, Site

TOKEN_TTL = "30m0s"  # noqa: S105 - a lifetime, not a token


def documents(site: Site, token: str) -> list[dict[str, Any]]:
    """Return the documents for ``kubeadm init``: its defaults, on this host.

    Nothing here is tuned: RSA keys, leader election, the usual limits on requests,
    two replicas of CoreDNS that are looked at every ten seconds.

    Args:
        site: The lab.
        token: The bootstrap token that the workers will show.
    """
    init = {
        "apiVersion": "kubeadm.k8s.io/v1beta4",
        "kind": "InitConfiguration",
        "bootstrapTokens": [{"token": token, "ttl": TOKEN_TTL}],
        # The machines have no default route from which to guess an address.
        "localAPIEndpoint": {"advertiseAddress": str(site.master.address)},
        "nodeRegistration": node_registration(site.master),
    }
    cluster = {
        "apiVersion": "kubeadm.k8s.io/v1beta4",
        "kind": "ClusterConfiguration",
        # What the images are called, and the ranges that this computer fences.
        "kubernetesVersion": f"v{site.versions.kubernetes}",
        "imageRepository": REGISTRY,
        "dns": {"imageTag": f"v{site.versions.coredns}"},
        "etcd": {"local": {"imageTag": site.versions.etcd_image_tag}},
        "networking": {"serviceSubnet": str(site.plan.services)},
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
        "clusterCIDR": str(site.plan.pods),
        # A container may not write these kernel settings; zero leaves them alone.
        "conntrack": {
            "maxPerCore": 0,
            "min": 0,
            "tcpEstablishedTimeout": "0s",
            "tcpCloseWaitTimeout": "0s",
        },
    }
    return [init, cluster, kubelet, proxy]
