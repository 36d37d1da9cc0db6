"""Install containerd and see it serve."""

from __future__ import annotations

from k8slab.core.hints import command
from k8slab.core.poll import until
from k8slab.folder import MachineRecord
from k8slab.ssh.shell import Shell

from ..context import InstallContext, install_packages

_SOCKET = "/run/containerd/containerd.sock"
_TIMEOUT_S = 30.0


def apply(context: InstallContext, machine: MachineRecord, shell: Shell) -> bool:
    """Install containerd unless it is there, and wait for it; return what changed.

    Raises:
        NotReady: containerd does not serve within 30 s.
    """
    changed = install_packages(shell, {"containerd": context.versions.of("containerd")})
    until(
        lambda: shell.run(["systemctl", "is-active", "containerd"], check=False).stdout,
        what="containerd is not active",
        want="active",
        done=lambda state: state.strip() == "active",
        failed=lambda state: "it failed" if state.strip() == "failed" else None,
        timeout=_TIMEOUT_S,
        where=machine.name,
        next=command(
            "ssh", shell.lab, f"{machine.name} journalctl -u containerd -n 30"
        ),
    )
    return changed
