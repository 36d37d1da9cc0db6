"""Install containerd and see it serve."""

from __future__ import annotations

from ..machines.machine import Machine
from ..wait import until
from .site import Shell, Site, install_packages

_SOCKET = "/run/containerd/containerd.sock"
_TIMEOUT_S = 30.0


def apply(site: Site, machine: Machine, shell: Shell) -> bool:
    """Install containerd unless it is there, and wait for it; return what changed.

    Raises:
        NotReady: containerd does not serve within 30 s.
    """
    changed = install_packages(shell, {"containerd": site.versions.containerd})
    until(
        lambda: shell.run(["systemctl", "is-active", "containerd"], check=False).stdout,
        what="containerd is not active",
        want="active",
        done=lambda state: state.strip() == "active",
        failed=lambda state: "it failed" if state.strip() == "failed" else None,
        timeout=_TIMEOUT_S,
        where=machine.name,
        next=f"k8slab ssh {machine.name} journalctl -u containerd -n 30",
    )
    return changed
