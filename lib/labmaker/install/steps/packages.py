"""Install kubelet, kubeadm, kubectl and crictl from the depot."""

from __future__ import annotations

from k8slab.lab_record import MachineRecord
from k8slab.ssh.shell import Shell

from ..context import InstallContext, install_packages


def apply(context: InstallContext, machine: MachineRecord, shell: Shell) -> bool:
    """Install the Kubernetes packages unless they are there; return what changed."""
    kubernetes = dict.fromkeys(
        ("kubelet", "kubeadm", "kubectl"), context.versions.kubernetes
    )
    beside = {
        "cri-tools": context.versions.of("cri-tools"),
        "kubernetes-cni": context.versions.of("cni"),
    }
    return install_packages(shell, {**kubernetes, **beside})
