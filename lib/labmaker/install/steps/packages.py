"""Install what a node needs beside containerd, as the kubelet, from the depot."""

from __future__ import annotations

from k8slab.lab_record import MachineRecord
from k8slab.ssh.shell import Shell

from ...bundle import components
from ..context import InstallContext, install_packages


def apply(context: InstallContext, machine: MachineRecord, shell: Shell) -> bool:
    """Install the packages unless they are there; return what changed."""
    wanted = {
        package: context.versions.of(component)
        for package, component in components.packages().items()
        if component != "containerd"  # the step `runtime` installed and started it
    }
    return install_packages(shell, wanted)
