"""Install kubelet, kubeadm and kubectl from the depot."""

from __future__ import annotations

from ..machines.machine import Machine
from .site import Shell, Site, install_packages


def apply(site: Site, machine: Machine, shell: Shell) -> bool:
    """Install the Kubernetes packages unless they are there; return what changed."""
    kubernetes = dict.fromkeys(
        ("kubelet", "kubeadm", "kubectl"), site.versions.kubernetes
    )
    return install_packages(shell, {**kubernetes, "kubernetes-cni": site.versions.cni})
