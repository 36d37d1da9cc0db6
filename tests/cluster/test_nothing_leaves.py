"""Nothing leaves a lab: first by the routing tables, then by one connect each."""

import re
import socket
import subprocess
import time

import pytest
from labs import AT_ONCE_S, OUTSIDE, Lab, route

from k8slab import wait
from labmaker.plan import AddressPlan

MACHINES = ("master", "node1", "node2", "depot")
NODES = MACHINES[:3]
# The image has a Python with very few modules.
CONNECT = """\
import socket, sys, time
for address in sys.argv[1:]:
    started = time.monotonic()
    try:
        socket.create_connection((address, 80), 5).close()
        said = "connected"
    except OSError:
        said = "refused"
    print(address, said, time.monotonic() - started)
"""


def unknown(plan: AddressPlan) -> list[str]:
    """Return a Pod address of no machine, and a Service address of no Service."""
    return [str(plan.pods[250 * 256 + 9]), str(plan.services[200 * 256 + 9])]


@pytest.mark.parametrize("machine", MACHINES)
def test_no_machine_has_a_way_out(main: Lab, machine: str) -> None:
    """There is no default route, and an outside address has none."""
    with main.shell(machine) as shell:
        table = shell.run(["ip", "route", "show", "default"]).stdout
        ways = {address: route(address, shell) for address in OUTSIDE}
        near = route(main.plan.network[11], shell)

    assert table == ""
    assert set(ways.values()) == {"refused"}
    assert near in ("eth0", "lo")


@pytest.mark.parametrize("machine", NODES)
def test_a_node_refuses_unknown_pods_and_services(main: Lab, machine: str) -> None:
    """Pods by an unreachable route; Services by rules, since they need a route."""
    pod, service = unknown(main.plan)
    with main.shell(machine) as shell:
        ways = [route(pod, shell), route(service, shell)]
        rules = shell.run(["iptables", "-S"]).stdout

    assert ways == ["refused", "eth0"]
    for chain in ("OUTPUT", "FORWARD"):
        assert f"-A {chain} -d {main.plan.services} -j REJECT" in rules


def test_this_computer_refuses_pods_and_services(main: Lab) -> None:
    """By routes of its own; machines are behind the lab's bridge."""
    plan = main.plan
    refused = [plan.pods[257], plan.pods[513], plan.services[1], *unknown(plan)]

    assert {route(address) for address in refused} == {"refused"}
    assert route(plan.network[11]).startswith("podman")


def connect(address: str, port: int = 80) -> float:
    """Connect from this computer, whose routes refuse; return the seconds it took."""
    assert route(address) == "refused", "a packet would have left"
    started = time.monotonic()
    with pytest.raises(OSError, match=r"No route to host|unreachable"):
        socket.create_connection((str(address), port), 5).close()
    return time.monotonic() - started


def test_a_connect_from_this_computer_is_refused_at_once(main: Lab) -> None:
    """A Pod that is there, a Service that is there, and unknown ones."""
    with main.cluster() as cluster:
        pod = next(p.ip for p in cluster.pods("k8s-app=kube-dns"))
        service = cluster.get("Service", "kubernetes", namespace="default")
    there = [pod, service["spec"]["clusterIP"]]

    seconds = [connect(address) for address in [*there, *unknown(main.plan)]]

    assert max(seconds) < AT_ONCE_S


@pytest.mark.parametrize("machine", NODES)
def test_a_connect_from_a_machine_is_refused_at_once(main: Lab, machine: str) -> None:
    """To the outside, an unknown Pod and an unknown Service."""
    script = """
    for address in {}; do
      began=$(date +%s%N)
      said=connected
      timeout 5 bash -c "exec 3<>/dev/tcp/$address/80" 2>/dev/null || said=$?
      echo "$address $said $(( ($(date +%s%N) - began) / 1000000 ))"
    done
    """
    addresses = [OUTSIDE[0], *unknown(main.plan)]
    with main.shell(machine) as shell:
        assert route(OUTSIDE[0], shell) == "refused"
        said = shell.script(script.format(" ".join(addresses))).stdout
    rows = [line.split() for line in said.splitlines()]

    assert [row[0] for row in rows] == addresses
    assert {row[1] for row in rows} == {"1"}
    assert max(int(row[2]) for row in rows) < 1000 * AT_ONCE_S


def test_a_connect_from_a_pod_is_refused_at_once(main: Lab) -> None:
    """Pods have a default route, to their machine; it leads no further.

    A Pod for each address: the kernel answers one sender only a few times a second.
    """
    addresses = dict(
        zip(("out", "pod", "svc"), (OUTSIDE[0], *unknown(main.plan)), strict=True)
    )
    with main.cluster() as cluster:
        ns = cluster.scratch("leaving")
        for name in addresses:
            make = ["run", name, "--image=registry.lab/echo:1", "--restart=Never"]
            cluster.kubectl([*make, "--labels=app=leaver"])
        pods = wait.pods(ns, "app=leaver", ready=3)
        for node in {pod.node for pod in pods}:
            with main.shell(node) as shell:
                assert route(OUTSIDE[0], shell) == "refused"
        answers = {}
        for name, address in addresses.items():
            connect = ["exec", name, "--", "python3", "-c", CONNECT, address]
            answers[name] = cluster.kubectl(connect).stdout.split()
        ns.remove()
    slow = {name for name, said in answers.items() if float(said[2]) >= AT_ONCE_S}

    assert {name: said[1] for name, said in answers.items()} == dict.fromkeys(
        addresses, "refused"
    )
    assert slow == set()


def test_this_computer_rejects_what_a_machine_sends_elsewhere(main: Lab) -> None:
    """By its filters, in the first place; no packet is sent to see that."""
    chain, bridge = f"K8SLAB-{main.plan.slot}", route(main.plan.network[11])
    rules = subprocess.run(
        ["iptables", "-S"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    forward = [rule for rule in rules if rule.startswith("-A FORWARD")]
    foreign = [rule for rule in forward if not re.search(r"-j K8SLAB-\d$", rule)]
    own = [rule for rule in rules if rule.startswith(f"-A {chain} ")]

    assert f"-A FORWARD -j {chain}" in forward[: len(forward) - len(foreign)]
    assert [rule.partition(" --reject")[0] for rule in own] == [
        f"-A {chain} -i {bridge} -o {bridge} -j ACCEPT",
        f"-A {chain} -i {bridge} -j REJECT",
        f"-A {chain} -o {bridge} -j REJECT",
    ]
