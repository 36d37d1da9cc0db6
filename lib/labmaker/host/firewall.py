"""Keep a lab's packets on this computer: its bridge, refusing routes and filters.

The danger: a packet for a lab's address for which this computer has no route
leaves by its default route. So, as long as a lab exists, each of its ranges has a
route that refuses, and the bridge that serves the machines' range is made, with
its address, before the first machine is.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from ipaddress import IPv4Address

from k8slab.core.process import Runner
from k8slab.errors import HostProblem

from ..plan import SLOTS, AddressPlan

# A route of the bridge itself (metric 0) wins over this one while it is there.
_REFUSING_METRIC = 4096
_HOOKS = {"filter": "FORWARD", "nat": "POSTROUTING"}


def _chain(plan: AddressPlan) -> str:
    return f"K8SLAB-{plan.slot}"


def apply_rules(
    plan: AddressPlan, bridge: str, runner: Runner, *, hooks: Sequence[str] = ()
) -> None:
    """Make the bridge, the refusing routes and the filters, and prove the routes.

    Repeating it mends what is missing, as after a restart of this computer.

    Args:
        plan: The lab's addresses.
        bridge: The name of the lab's bridge.
        runner: Runs ``ip`` and ``iptables`` on this computer.
        hooks: Chains beside ``FORWARD`` that ask the filters first, where they are.

    Raises:
        HostProblem: A route does not lead where it must.
    """
    for network in plan.ranges.all:
        runner.run(
            [
                "ip",
                "route",
                "replace",
                "unreachable",
                str(network),
                "metric",
                str(_REFUSING_METRIC),
            ]
        )
    if not runner.run(["ip", "link", "show", bridge], check=False).ok:
        # Without an address of its own it takes its machines' lowest, another one with
        # each that comes; the others would answer to the old one for many seconds.
        mac = ["address", plan.bridge_mac]
        runner.run(["ip", "link", "add", bridge, *mac, "type", "bridge"])
    address = f"{plan.gateway}/{plan.network.prefixlen}"
    runner.run(["ip", "address", "replace", address, "dev", bridge])
    runner.run(["ip", "link", "set", bridge, "up"])
    _filters(plan, bridge, runner, hooks)
    check_routes(plan, bridge, runner)


def remove_rules(
    plan: AddressPlan, bridge: str | None, runner: Runner, *, hooks: Sequence[str] = ()
) -> None:
    """Remove the filters, the bridge and the refusing routes; the last come last."""
    chain = _chain(plan)
    for table, standard in _HOOKS.items():
        base = ["iptables", "--wait", "-t", table]
        if runner.run([*base, "-n", "-L", chain], check=False).ok:
            for hook in (standard, *(hooks if table == "filter" else ())):
                runner.run([*base, "-D", hook, "-j", chain], check=False)
            runner.run([*base, "-F", chain])
            runner.run([*base, "-X", chain])
    if bridge is not None:
        runner.run(["ip", "link", "delete", bridge], check=False)
    for network in plan.ranges.all:
        metric = ["metric", str(_REFUSING_METRIC)]
        runner.run(
            ["ip", "route", "delete", "unreachable", str(network), *metric], check=False
        )


def forget_neighbours(addresses: Sequence[IPv4Address], runner: Runner) -> None:
    """Ask anew which card has an address: a machine that was started has another one.

    Without that, this computer sends to the card that is gone for up to a minute, if
    it heard of it just before, and the machine says nothing by which it learns better.

    Args:
        addresses: Those of machines that have just been started.
        runner: Runs ``ip`` on this computer.
    """
    for address in addresses:
        runner.run(["ip", "neighbour", "flush", "to", str(address)], check=False)


def bridge_of(plan: AddressPlan, runner: Runner) -> str | None:
    """Return the name of a lab's bridge by its address, or None without a bridge.

    Args:
        plan: The lab's addresses.
        runner: Runs ``ip`` on this computer.
    """
    argv = ["ip", "-json", "-4", "address", "show"]
    for device in json.loads(runner.run(argv).stdout or "[]"):
        held = {each.get("local") for each in device.get("addr_info", ())}
        if str(plan.gateway) in held:
            return str(device["ifname"])
    return None


def slots_with_rules(runner: Runner) -> frozenset[int]:
    """Return the slots with firewall rules on this computer, whoever has the labs.

    Args:
        runner: Runs ``ip`` on this computer.
    """
    argv = ["ip", "-json", "-4", "route", "show", "type", "unreachable"]
    routes = json.loads(runner.run(argv).stdout or "[]")
    refused = {route["dst"] for route in routes}
    plans = (plan for slot in range(SLOTS) for plan in AddressPlan.every(slot))
    return frozenset(
        plan.slot for plan in plans if refused & {str(r) for r in plan.ranges.all}
    )


def check_routes(plan: AddressPlan, bridge: str, runner: Runner) -> None:
    """Prove from the routing table that no packet for the lab can leave.

    Args:
        plan: The lab's addresses.
        bridge: The name of the lab's bridge.
        runner: Runs ``ip`` on this computer.

    Raises:
        HostProblem: A route does not lead where it must; no packet was sent.
    """
    for address, wanted in (
        (plan.network[11], bridge),
        (plan.pods[257], "unreachable"),
        (plan.services[1], "unreachable"),
    ):
        seen = route_to(address, runner)
        if seen != wanted:
            raise HostProblem(
                "a packet for the lab would not stay on this computer",
                where=f"ip route get {address}",
                wanted=wanted,
                seen=seen,
                next="look at 'ip rule' and 'ip route show table all', remove the rule "
                "or the route that leads elsewhere, as a VPN sets, and repeat the "
                "command",
            )


def route_to(address: IPv4Address | str, runner: Runner) -> str:
    """Return the device a packet would leave by, or ``unreachable``.

    Args:
        address: Where the packet would go; none is sent.
        runner: Runs ``ip`` on the machine in question.
    """
    argv = ["ip", "-json", "route", "get", str(address)]
    asked = runner.run(argv, check=False)
    if not asked.ok:
        return "unreachable"
    route = json.loads(asked.stdout)[0]
    refused = route.get("type") in ("unreachable", "prohibit", "blackhole")
    return "unreachable" if refused else str(route.get("dev", "?"))


def _filters(
    plan: AddressPlan, bridge: str, runner: Runner, hooks: Sequence[str]
) -> None:
    """Let the lab talk to itself unchanged, and to nobody else.

    Where bridged packets pass through iptables (``bridge-nf-call-iptables``), a
    provider's masquerading would show every Pod the gateway as its peer; hence the
    early ACCEPT in the ``nat`` table.
    """
    chain = _chain(plan)
    # A chain that is declared is made, or emptied when it is there.
    rules = [
        "*filter",
        f":{chain} - [0:0]",
        f"-A {chain} -i {bridge} -o {bridge} -j ACCEPT",
        f"-A {chain} -i {bridge} -j REJECT",
        f"-A {chain} -o {bridge} -j REJECT",
        "COMMIT",
        "*nat",
        f":{chain} - [0:0]",
        f"-A {chain} -o {bridge} -j ACCEPT",
        "COMMIT",
    ]
    runner.run(
        ["iptables-restore", "--wait", "--noflush"], input="\n".join(rules) + "\n"
    )
    for table, hook in _HOOKS.items():
        base = ["iptables", "--wait", "-t", table]
        # First in line, also after the provider has put its own rules there.
        runner.run([*base, "-D", hook, "-j", chain], check=False)
        runner.run([*base, "-I", hook, "1", "-j", chain])
    for hook in hooks:
        base = ["iptables", "--wait", "-t", "filter"]
        runner.run([*base, "-D", hook, "-j", chain], check=False)
        runner.run([*base, "-I", hook, "1", "-j", chain], check=False)
