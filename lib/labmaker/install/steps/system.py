"""Prepare a machine's name, its hosts file and what Pods need of the kernel."""

from __future__ import annotations

import re

from k8slab.lab_record import LabRecord, MachineRecord
from k8slab.ssh.shell import Shell

from ...bundle import REGISTRY
from ..context import DEPOT_HOST, InstallContext

# Forwarding carries packets between a machine's Pods and the others'; bridged
# packets must pass iptables, or a Pod cannot reach a Service served beside it.
# https://kubernetes.io/docs/setup/production-environment/container-runtimes/
_SYSCTL = """\
net.ipv4.ip_forward = 1
net.bridge.bridge-nf-call-iptables = 1
"""
_SYSCTL_FILE = "/etc/sysctl.d/90-kubernetes.conf"
MODULES = ("overlay", "br_netfilter")
"""What containerd and bridged packets need; a container's host has loaded them."""
_MODULES_FILE = "/etc/modules-load.d/kubernetes.conf"
_BEGIN, _END = "# k8slab: begin", "# k8slab: end"
_HOSTS = "/etc/hosts"
# Where cloud-init writes the file anew at each boot, the file says what it is made of.
_TEMPLATE = re.compile(r"the master file in (/etc/cloud/templates/\S+)")


def apply(context: InstallContext, machine: MachineRecord, shell: Shell) -> bool:
    """Set host name, ``/etc/hosts`` and kernel settings; return what changed.

    A machine that was there keeps its name, and what its hosts file has.
    """
    changed = False
    hosts = hosts_file(context)
    if context.profile.made_here:
        if shell.run(["hostname"]).stdout.strip() != machine.name:
            shell.run(["hostnamectl", "set-hostname", machine.name])
            changed = True
    else:
        before = shell.read(_HOSTS)
        if (found := _TEMPLATE.search(before)) and _is_there(shell, found[1]):
            template = with_hosts(shell.read(found[1]), hosts)
            changed |= shell.put(found[1], template)
        hosts = with_hosts(before, hosts)
    changed |= shell.put(_HOSTS, hosts)
    if not context.profile.contained:
        changed |= shell.put(_MODULES_FILE, "\n".join(MODULES) + "\n")
        shell.run(["modprobe", "--all", *MODULES])
    if shell.put(_SYSCTL_FILE, _SYSCTL):
        shell.run(["sysctl", "--load", _SYSCTL_FILE])
        changed = True
    return changed


def _is_there(shell: Shell, path: str) -> bool:
    return shell.run(["test", "-f", path], check=False).ok


def hosts_file(context: InstallContext) -> str:
    """Return the hosts file that every machine of the lab has."""
    if not context.profile.made_here:
        return _names(context.record, context.depot_on)
    lines = ["127.0.0.1 localhost"]
    lines += [f"{machine.address} {machine.name}" for machine in context.nodes]
    lines.append(f"{context.depot.address} depot {DEPOT_HOST} {REGISTRY}")
    return "\n".join(lines) + "\n"


def _names(record: LabRecord, depot_on: str) -> str:
    """Return the lab's lines in the hosts file of machines that were there."""
    lines = [f"{machine.address} {machine.name}" for machine in record.nodes]
    lines += [f"{m.address} {REGISTRY}" for m in record.nodes if m.name == depot_on]
    return "\n".join(lines) + "\n"


def restore_hosts(record: LabRecord, depot_on: str, shell: Shell) -> bool:
    """Give a machine's hosts file the lab's part again; return whether it was lost.

    Args:
        record: The lab.
        depot_on: The machine that serves images; empty where none does.
        shell: A machine that was there.
    """
    before, lines = shell.read(_HOSTS), _names(record, depot_on)
    if with_hosts("", lines) in before:
        return False
    return shell.put(_HOSTS, with_hosts(before, lines))


def with_hosts(before: str, lines: str) -> str:
    """Return somebody's hosts file with the lab's lines in a marked part at its end.

    Args:
        before: The file as it is, with or without such a part.
        lines: The lab's lines.
    """
    kept = without_hosts(before)
    if kept and not kept.endswith("\n"):
        kept += "\n"
    return f"{kept}{_BEGIN}\n{lines}{_END}\n"


def without_hosts(text: str) -> str:
    """Return a hosts file without the lab's part; all else stays."""
    kept, _, rest = text.partition(f"{_BEGIN}\n")
    return kept + rest.partition(f"{_END}\n")[2]
