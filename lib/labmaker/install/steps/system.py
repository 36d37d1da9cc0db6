"""Prepare a machine's name, its hosts file and the kernel settings Pods need."""

from __future__ import annotations

from k8slab.folder import MachineRecord
from k8slab.ssh.shell import Shell

from ...bundle import REGISTRY
from ..context import DEPOT, InstallContext

# Forwarding carries packets between a machine's Pods and the others'; bridged
# packets must pass iptables, or a Pod cannot reach a Service served beside it.
# https://kubernetes.io/docs/setup/production-environment/container-runtimes/
_SYSCTL = """\
net.ipv4.ip_forward = 1
net.bridge.bridge-nf-call-iptables = 1
"""
_SYSCTL_FILE = "/etc/sysctl.d/90-kubernetes.conf"


def apply(context: InstallContext, machine: MachineRecord, shell: Shell) -> bool:
    """Set host name, ``/etc/hosts`` and kernel settings; return what changed."""
    changed = False
    if shell.run(["hostname"]).stdout.strip() != machine.name:
        shell.run(["hostnamectl", "set-hostname", machine.name])
        changed = True
    changed |= shell.put("/etc/hosts", hosts_file(context))
    if shell.put(_SYSCTL_FILE, _SYSCTL):
        shell.run(["sysctl", "--load", _SYSCTL_FILE])
        changed = True
    return changed


def hosts_file(context: InstallContext) -> str:
    """Return the hosts file that every machine of the lab has."""
    lines = ["127.0.0.1 localhost"]
    lines += [f"{machine.address} {machine.name}" for machine in context.nodes]
    lines.append(f"{context.depot.address} depot {DEPOT} {REGISTRY}")
    return "\n".join(lines) + "\n"
