"""Look for a firewall beside the one that has a lab's filters.

A packet that one of them accepts goes on to the next, and the lab's own, from machine
to machine, pass through all of them: a bridge's packets are shown to them, too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from k8slab.errors import CommandFailed, HostProblem

from ..computer import Computer
from ..plan import AddressPlan

_OLD_TABLES = "/proc/net/ip_tables_names"
"""Which tables of the older kind there are; to ask for them would make them."""
_OURS = (("ip", "filter", "FORWARD"), ("ip", "filter", "OUTPUT"))
"""The family, table and chains that iptables makes where it writes rules for nft."""
_FAMILIES = ("ip", "inet", "bridge")
_KEPT = "; and write it into its settings, where it outlives a boot"


@dataclass(frozen=True)
class _Firewall:
    """A firewall that drops what none of its rules accepts.

    Attributes:
        seen: What it is.
        told: Its rules, which may let the lab's packets pass.
        cure: What has it let them pass.
        ranges: The addresses that a rule of it must name.
    """

    seen: str
    told: str
    cure: str
    ranges: Sequence[str]


def look(host: Computer, plan: AddressPlan) -> tuple[str, str]:
    """Say which others drop a lab's packets, and what to do; two empty texts for none.

    Args:
        host: This computer.
        plan: The lab's addresses.
    """
    ranges = [str(plan.network), str(plan.pods)]
    every = [
        *_older(host, ranges),
        *_leaving(host, str(plan.network)),
        *_nft(host, ranges, str(plan.network)),
        *_zones(host, ranges),
    ]
    found = [one for one in every if not all(each in one.told for each in one.ranges)]
    return "\n".join(one.seen for one in found), "\n".join(one.cure for one in found)


def _older(host: Computer, ranges: Sequence[str]) -> Iterator[_Firewall]:
    """Yield that of the older iptables, where the newer one is used."""
    command = "iptables-legacy"
    if not (_has_older_filter(host) and host.has(command)) or _uses_older(host):
        return
    told = _said(host, command, "-S", "FORWARD")
    if "-P FORWARD DROP" in told.splitlines():
        cure = f"{command} -I FORWARD -s {','.join(ranges)} -j ACCEPT{_KEPT}"
        seen = f"{command} has the policy DROP for FORWARD"
        yield _Firewall(seen, told, cure, ranges)


def _leaving(host: Computer, machines: str) -> Iterator[_Firewall]:
    """Yield our iptables where it drops what this computer itself sends."""
    if _uses_older(host) and not _has_older_filter(host):
        return
    rules = _said(host, "iptables", "--wait", "-S").splitlines()
    told = "\n".join(each for each in rules if "output" in each.lower())
    if "-P OUTPUT DROP" in rules:
        cure = f"iptables -I OUTPUT -d {machines} -j ACCEPT{_KEPT}"
        if "ufw-user-output" in told:
            cure = f"ufw allow out to {machines}"
        seen = "iptables has the policy DROP for OUTPUT"
        yield _Firewall(seen, told, cure, [machines])


def _nft(host: Computer, ranges: Sequence[str], machines: str) -> Iterator[_Firewall]:
    """Yield the chains of nft that drop by policy, but for those of our iptables."""
    if not host.has("nft"):
        return
    for chain in _chains(_said(host, "nft", "-j", "list", "chains")):
        place = (chain["family"], chain["table"], chain["name"])
        hook, drops = chain.get("hook"), chain.get("policy") == "drop"
        if not drops or place[0] not in _FAMILIES:
            continue
        if place in _OURS and not _uses_older(host):
            continue
        if hook == "forward":
            named, which = ranges, f"saddr '{{ {', '.join(ranges)} }}'"
        elif hook == "output":
            named, which = [machines], f"daddr {machines}"
        else:
            continue
        told = _said(host, "nft", "list", "chain", *place)
        rule = f"{' '.join(place)} ip {which} accept"
        seen = f"the chain {' '.join(place)} of nft has the policy drop"
        yield _Firewall(seen, told, f"nft insert rule {rule}{_KEPT}", named)


def _zones(host: Computer, ranges: Sequence[str]) -> Iterator[_Firewall]:
    """Yield firewalld, which rejects what is forwarded in a zone of no rules."""
    command = "firewall-cmd"
    if not host.has(command) or _said(host, command, "--state").strip() != "running":
        return
    zone = "--zone=trusted"
    added = " ".join([zone, *(f"--add-source={each}" for each in ranges)])
    yield _Firewall(
        "firewalld runs, and does not trust the lab's addresses",
        _said(host, command, zone, "--list-sources"),
        f"{command} {added}; {command} --permanent {added}",
        ranges,
    )


def _has_older_filter(host: Computer) -> bool:
    """Say whether the older iptables has rules that filter, without making any."""
    with suppress(OSError):
        return "filter" in host.read_text(_OLD_TABLES).split()
    return False


def _uses_older(host: Computer) -> bool:
    """Say whether a lab's filters are rules of the older iptables."""
    return "legacy" in _said(host, "iptables", "--version")


def _chains(told: str) -> list[dict[str, str]]:
    """Return the chains in what nft prints as JSON."""
    with suppress(json.JSONDecodeError):
        listed = json.loads(told)["nftables"]
        return [each["chain"] for each in listed if "chain" in each]
    return []


def _said(host: Computer, *argv: str) -> str:
    """Return what a command prints; nothing where it fails."""
    try:
        done = host.run(argv)
    except (CommandFailed, HostProblem):
        return ""
    return done.stdout if done.ok else ""
