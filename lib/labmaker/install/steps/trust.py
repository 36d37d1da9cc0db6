"""Make a machine trust the depot: its certificate, its packages and its images."""

from __future__ import annotations

from k8slab.folder import MachineRecord
from k8slab.ssh.shell import Shell

from ...bundle import REGISTRY
from ..context import DEPOT, InstallContext

CA_FILE = "/etc/k8slab/depot-ca.crt"
_KEYRING = "/etc/apt/keyrings/kubernetes.gpg"

# The authority is named for the depot's two names alone, not for the whole
# machine: nothing else that the machine may ever talk to is trusted by it.
_APT_CONF = f'Acquire::https::{DEPOT}::CaInfo "{CA_FILE}";\n'
_APT_SOURCE = f"deb [signed-by={_KEYRING}] https://{DEPOT}/apt lab main\n"
# https://github.com/containerd/containerd/blob/main/docs/hosts.md
_REGISTRY_HOSTS = f"""\
server = "https://{REGISTRY}"

[host."https://{REGISTRY}"]
  capabilities = ["pull", "resolve"]
  ca = "{CA_FILE}"
"""


def apply(context: InstallContext, machine: MachineRecord, shell: Shell) -> bool:
    """Write the depot's certificate, key, source and registry; return what changed."""
    written = [
        shell.put(CA_FILE, context.ca),
        shell.put(_KEYRING, context.apt_key),
        shell.put("/etc/apt/apt.conf.d/50depot", _APT_CONF),
        shell.put("/etc/apt/sources.list.d/kubernetes.list", _APT_SOURCE),
        shell.put(f"/etc/containerd/certs.d/{REGISTRY}/hosts.toml", _REGISTRY_HOSTS),
    ]
    return any(written)
