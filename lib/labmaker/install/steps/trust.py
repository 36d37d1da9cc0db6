"""Make a machine trust the depot: its certificate, its packages and its images."""

from __future__ import annotations

from k8slab.lab_record import MachineRecord
from k8slab.ssh.shell import Shell

from ...bundle import REGISTRY
from ..context import InstallContext
from ..profile import DEPOT_CA, KEYRING

__all__ = ["DEPOT_CA", "apply", "registry_hosts"]
_CONF, _SOURCE = (
    "/etc/apt/apt.conf.d/50depot",
    "/etc/apt/sources.list.d/kubernetes.list",
)


def apply(context: InstallContext, machine: MachineRecord, shell: Shell) -> bool:
    """Write the depot's certificate, key, source and registry; return what changed."""
    host = context.sources.packages_host
    registry = f"/etc/containerd/certs.d/{REGISTRY}/hosts.toml"
    # The authority is named for the depot's two names alone, not for the whole
    # machine: nothing else that the machine may ever talk to is trusted by it.
    apt_conf = f'Acquire::https::{host}::CaInfo "{DEPOT_CA}";\n' if host else ""
    files: dict[str, str | bytes] = {
        DEPOT_CA: context.ca,
        KEYRING: context.apt_key,
        _CONF: apt_conf,
        _SOURCE: context.sources.packages and context.sources.packages + "\n",
        registry: registry_hosts(context),
    }
    written = [shell.put(path, text) for path, text in files.items() if text]
    return any(written)


def registry_hosts(context: InstallContext) -> str:
    """Return where containerd pulls the images of the lab's registry from.

    https://github.com/containerd/containerd/blob/main/docs/hosts.md
    """
    mirror = context.sources.mirror
    lines = [f'server = "https://{REGISTRY}"', "", f'[host."{mirror}"]']
    lines.append('  capabilities = ["pull", "resolve"]')
    if context.ca:
        lines.append(f'  ca = "{DEPOT_CA}"')
    if context.sources.mirror_is_path:
        lines.append("  override_path = true")
    return "\n".join(lines) + "\n"
