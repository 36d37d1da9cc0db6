"""Find the Services of a cluster that this computer itself is a node of.

A packet of this computer's own is routed before kube-proxy's rules see it, so a lab's
routes would hide a Service whose address lies in one of the lab's ranges.
"""

from __future__ import annotations

import re
from contextlib import suppress
from ipaddress import IPv4Network

from k8slab.core.process import Runner
from k8slab.errors import CommandFailed, HostProblem

_ASK = (
    ("iptables", "--wait", "-t", "nat", "-S", "KUBE-SERVICES"),
    ("nft", "list", "set", "ip", "kube-proxy", "cluster-ips"),
)
"""What shows kube-proxy's rules, of its mode ``iptables`` and of its mode ``nftables``;
its mode ``ipvs`` gives the addresses to a device, so they are routes."""
_KUBEADM = IPv4Network("10.96.0.0/12")
"""The range of Services that kubeadm gives a cluster unless it is told another one."""


def service_ranges(runner: Runner) -> frozenset[IPv4Network]:
    """Return what holds the Services; nothing where this computer is no node.

    A Service of kubeadm's usual range stands for all of that range, where others will
    be made.

    Args:
        runner: Runs ``iptables`` and ``nft`` on this computer.
    """
    found = set()
    for argv in _ASK:
        with suppress(CommandFailed, HostProblem):
            told = runner.run(list(argv), check=False)
            for address in re.findall(r"\b\d+(?:\.\d+){3}\b", told.stdout):
                network = IPv4Network(address)
                found.add(_KUBEADM if network.subnet_of(_KUBEADM) else network)
    return frozenset(found)
