"""Give Kubernetes' parts the time that a slow machine needs: ``K8SLAB_PATIENCE``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from k8slab.core.env import patience

# kubeadm's defaults in seconds:
# https://kubernetes.io/docs/reference/config-api/kubeadm-config.v1beta4/#kubeadm-k8s-io-v1beta4-Timeouts
_KUBEADM = {
    "controlPlaneComponentHealthCheck": 240,
    "kubeletHealthCheck": 240,
    "kubernetesAPICall": 60,
    "etcdAPICall": 120,
    "tlsBootstrap": 300,
    "discovery": 300,
    "upgradeManifests": 300,
}
_ETCD_MS = {"heartbeat-interval": 100, "election-timeout": 1000}
_ETCD_MOST = 50
"""etcd takes no election timeout above 50 s."""
_STATIC = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
_PROBES = {"livenessProbe": 8, "startupProbe": 24}
"""The failures after which a kubelet gives a control plane's part up."""
_PROBE_S = 15
_LOOKED_AT = ("etcd", "kube-apiserver", "kube-scheduler")
"""Those that a kubelet asks every second whether they are ready, over TLS."""


def timeouts() -> dict[str, Any]:
    """Return kubeadm's section ``timeouts``; nothing on a usual machine."""
    factor = patience()
    if factor == 1:
        return {}
    return {"timeouts": {name: f"{s * factor:.0f}s" for name, s in _KUBEADM.items()}}


def etcd() -> dict[str, str]:
    """Return etcd's arguments; none on a usual machine."""
    factor = min(patience(), _ETCD_MOST)
    if factor == 1:
        return {}
    return {name: f"{ms * factor:.0f}" for name, ms in _ETCD_MS.items()}


def patches() -> dict[str, dict[str, Any]]:
    """Return kubeadm's patches of static Pods by file; none on a usual machine.

    A part that is slow to answer is not dead, and would only be slower when it starts
    again.
    """
    factor = patience()
    if factor == 1:
        return {}
    return {f"{part}+strategic.yaml": _pod(part, factor) for part in _STATIC}


def named(name: str, values: Sequence[Any]) -> Mapping[str, Any]:
    """Return a section by its name, unless it is empty."""
    return {name: list(values)} if values else {}


def _pod(part: str, factor: float) -> dict[str, Any]:
    probes = {
        probe: {
            "failureThreshold": round(failures * factor),
            "timeoutSeconds": round(_PROBE_S * factor),
        }
        for probe, failures in _PROBES.items()
    }
    if part in _LOOKED_AT:
        probes["readinessProbe"] = {"periodSeconds": math.ceil(factor)}
    return {"spec": {"containers": [{"name": part, **probes}]}}
