"""Install containerd, fit it to the machine and see it serve."""

from __future__ import annotations

import re

from k8slab.core.hints import command
from k8slab.core.poll import until
from k8slab.lab_record import MachineRecord
from k8slab.ssh.shell import Shell

from ..context import InstallContext, install_packages
from ..profile import Profile

_CONFIG = "/etc/containerd/config.toml"
_TIMEOUT_S = 30.0


def apply(context: InstallContext, machine: MachineRecord, shell: Shell) -> bool:
    """Install containerd unless it is there, and wait for it; return what changed.

    Raises:
        NotReady: containerd does not serve within 30 s.
    """
    changed = install_packages(shell, {"containerd": context.versions.of("containerd")})
    if not context.profile.made_here:
        fitted = fit(shell.read(_CONFIG), context.profile)
        if shell.put(_CONFIG, fitted):
            shell.run(["systemctl", "restart", "containerd"])
            changed = True
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


def fit(config: str, profile: Profile) -> str:
    """Return containerd's settings for a machine, of those that its package has.

    The package's are for a container on cgroup v1; each of these keys stands once.
    """
    limits = str(profile.contained).lower()
    wanted = {
        "SystemdCgroup": str(profile.cgroup_driver == "systemd").lower(),
        "restrict_oom_score_adj": limits,
        "disable_apparmor": limits,
    }
    for key, value in wanted.items():
        config = re.sub(rf"(?m)^(\s*{key} = )\w+$", rf"\g<1>{value}", config)
    return config
