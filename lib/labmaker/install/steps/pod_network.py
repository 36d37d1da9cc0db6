"""Give a machine's Pods their addresses, and keep routes to the other machines' Pods.

The standard CNI plugins do the first; a systemd unit does the second, at every
boot, before the kubelet.
"""

from __future__ import annotations

import json

from k8slab.lab_record import MachineRecord
from k8slab.ssh.shell import Shell

from ..context import InstallContext
from .admin import kubectl

_CONFLIST = "/etc/cni/net.d/10-lab.conflist"
_SCRIPT = "/usr/local/sbin/pod-routes"
_UNIT = "pod-routes.service"
_ROUTES = ("ip", "-4", "route", "show", "proto", "boot")
"""Shows what `ip route` made, and not what the kernel or DHCP changes by itself."""

# An address that comes by DHCP may come late: until then no route leads to others.
_UNIT_TEXT = f"""\
[Unit]
Description=Routes to the Pods of the other machines
Wants=network-online.target
After=network-online.target
Before=containerd.service kubelet.service
StartLimitIntervalSec=0

[Service]
Type=oneshot
RemainAfterExit=yes
Restart=on-failure
RestartSec=2
ExecStart={_SCRIPT}

[Install]
WantedBy=multi-user.target
"""


def apply(context: InstallContext, machine: MachineRecord, shell: Shell) -> bool:
    """Write the CNI configuration and the routes' unit; return what changed.

    Where a manifest gives Pods their network, there is nothing to do.
    """
    if not context.profile.pod_network:
        return False
    # The order matters: the kubelet is told of a network as soon as the conflist
    # is there, so the routes come first.
    written = [
        shell.put(_SCRIPT, routes_script(context, machine), mode=0o755),
        shell.put(f"/etc/systemd/system/{_UNIT}", _UNIT_TEXT),
    ]
    if any(written):
        shell.run(["systemctl", "enable", _UNIT])  # reads the units anew, too
        shell.run(["systemctl", "restart", _UNIT])
    return shell.put(_CONFLIST, conflist(machine)) or any(written)


def restore(shell: Shell) -> bool:
    """Set a machine's routes anew; return whether one was lost.

    Its unit knows what it did, and not what others took away since.
    """
    before = shell.run(_ROUTES).stdout
    shell.run(["systemctl", "restart", _UNIT])
    return shell.run(_ROUTES).stdout != before


def apply_manifest(context: InstallContext, shell: Shell) -> bool:
    """Give the cluster the Pod network of a manifest.

    Args:
        context: The lab, with the manifest.
        shell: The master over SSH.
    """
    kubectl(shell, "apply", "--filename=-", input=context.network).check()
    return True


def conflist(machine: MachineRecord) -> str:
    """Return the CNI configuration: a bridge, addresses from the machine's range.

    https://www.cni.dev/plugins/current/main/bridge/
    """
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        # Only what leaves the Pods' range is masqueraded, by the routes' script:
        # a Pod on another machine must see the sender's own address.
        "ipMasq": False,
        "hairpinMode": True,
        "ipam": {
            "type": "host-local",
            "ranges": [[{"subnet": str(machine.pods)}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return (
        json.dumps(
            {"cniVersion": "1.0.0", "name": "lab", "plugins": [bridge, ports]}, indent=2
        )
        + "\n"
    )


def routes_script(context: InstallContext, machine: MachineRecord) -> str:
    """Return the script that sets a machine's routes and refusing rules.

    What belongs to no machine is refused here, so that no packet for an unknown
    Pod or Service goes anywhere. Services need a route at all: without one the
    kernel refuses before kube-proxy's rules are asked.
    """
    pods, services = context.ranges.pods, context.ranges.services
    device = context.profile.device(machine.name)
    lines = [
        "#!/bin/sh",
        "set -eu",
        f"ip route replace unreachable {pods}",
        f"ip route replace {services} dev {device}",
    ]
    lines += [
        f"ip route replace {other.pods} via {other.address}"
        for other in context.nodes
        if other.name != machine.name
    ]
    # A connect of the machine's own ignores the ICMP answer and tries once more
    # after a second; a reset ends it at once.
    reset = "-p tcp -j REJECT --reject-with tcp-reset"
    lines.append(_rule(f"OUTPUT -d {services} {reset}", "filter"))
    lines += [
        _rule(f"{chain} -d {services} -j REJECT", "filter")
        for chain in ("FORWARD", "OUTPUT")
    ]
    lines.append(
        _rule(f"POSTROUTING -s {pods} ! -d {pods} -o {device} -j MASQUERADE", "nat")
    )
    return "\n".join(lines) + "\n"


def _rule(rule: str, table: str) -> str:
    """Return a line that appends an iptables rule unless it is there."""
    base = f"iptables --wait -t {table}"
    return f"{base} -C {rule} 2>/dev/null || {base} -A {rule}"
