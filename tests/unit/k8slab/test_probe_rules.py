"""kube-proxy's rules: what they say, and when they agree with the endpoint list."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from typing import Any

import pytest

from k8slab import probe
from k8slab.errors import NoMachines, NotReady
from k8slab.folder import LabFolder
from k8slab.kube.cluster import Cluster
from k8slab.kube.namespace import Namespace
from k8slab.kube.objects import Pod
from k8slab.lab_record import ADOPTED
from k8slab.probe import _rules
from k8slab.probe._rules import read

ADDRESSES = ("10.244.1.2", "10.244.1.3", "10.244.2.2")


OWN = "10.96.0.7"


def saved(
    *addresses: str,
    service: str = "x/echo",
    port: str = "",
    sticky: bool = False,
    own: str = OWN,
    chain: str = "KUBE-SVC-A",
    to_port: int = 12345,
) -> str:
    """Return rules as ``iptables-save`` prints those of kube-proxy."""
    lines = [
        f"-A KUBE-SERVICES -d {own}/32 -p tcp -m comment --comment "
        f'"{service}{port} cluster IP" -m tcp --dport 12345 -j {chain}',
        '-A KUBE-SVC-B -m comment --comment "x/echo-node -> 10.244.9.9:1" '
        "-j KUBE-SEP-9",
    ]
    to = [
        f'-A {chain} -m comment --comment "{service}{port} -> {a}:{to_port}"'
        for a in addresses
    ]
    if sticky:
        lines += [
            f"{line} -m recent --rcheck --seconds 10800 --reap --name KUBE-SEP-{i} "
            f"--mask 255.255.255.255 --rsource -j KUBE-SEP-{i}"
            for i, line in enumerate(to)
        ]
    for i, line in enumerate(to):
        left = len(to) - i
        odds = f" -m statistic --mode random --probability {1 / left:.11f}"
        lines.append(f"{line}{odds if left > 1 else ''} -j KUBE-SEP-{i}")
    return "\n".join(lines) + "\n"


def two_ports(web: int = 12345, metrics: int = 9090) -> str:
    """Return the rules of a Service with two ports, in the order of the kernel."""
    return saved(*ADDRESSES, port=":web", to_port=web) + saved(
        *ADDRESSES, port=":metrics", chain="KUBE-SVC-M", to_port=metrics
    )


@pytest.fixture
def pods(fake: Any) -> list[Pod]:
    """Return the Pods that have these addresses."""
    return [Pod.read(fake.pod(f"echo-{a}", ip=a)) for a in ADDRESSES]


@pytest.fixture
def ns(cluster: Cluster, fake: Any) -> Namespace:
    """Return a namespace on machines whose rules are up to date."""
    fake.put(
        "services", {"metadata": {"name": "echo"}, "spec": {"clusterIP": OWN}}, "x"
    )
    for name in cluster.machines:
        say(cluster, name, saved(*ADDRESSES))
    return Namespace(cluster, "x")


def say(cluster: Cluster, machine: str, text: str) -> None:
    """Let a machine print these rules."""
    cluster.on(machine).answer = lambda _: (0, text, "")  # type: ignore[attr-defined]


@pytest.mark.parametrize("port", ["", ":web"])
def test_each_endpoint_has_its_share(port: str) -> None:
    """One third, then half of the rest, then the rest: a third each."""
    found = read(saved(*ADDRESSES, port=port), "node1", "x/echo")

    assert [rule.probability for rule in found.rules] == [0.333, 0.5, 1.0]
    assert [rule.share for rule in found.rules] == [0.333, 0.333, 0.333]
    assert (found.addresses, found.sticky) == (ADDRESSES, False)
    assert found.service == OWN
    assert found.rules[0].endpoint == "10.244.1.2:12345"


@pytest.mark.parametrize("metrics", [9090, 12345])
def test_each_port_of_a_service_shares_its_own_connections(metrics: int) -> None:
    """Three endpoints have a third each, twice; also where both lead to one port."""
    found = read(two_ports(metrics=metrics), "node1", "x/echo")

    assert [rule.share for rule in found.rules] == [0.333] * 6
    ends = [f"{a}:{port}" for port in (12345, metrics) for a in ADDRESSES]
    assert [rule.endpoint for rule in found.rules] == ends
    assert found.addresses == ADDRESSES
    assert "chain" not in repr(found)


def test_a_sticky_service_is_seen() -> None:
    """Its rules look first where the client was before; nothing is counted twice."""
    found = read(saved(*ADDRESSES, sticky=True), "node1", "x/echo")

    assert (found.sticky, len(found.rules)) == (True, 3)


def test_other_services_are_not_meant() -> None:
    """A name that only begins alike is another Service."""
    assert read(saved(*ADDRESSES), "node1", "x/ech").rules == ()
    assert read(saved(*ADDRESSES), "node1", "y/echo").rules == ()


def test_rules_are_read_on_every_machine(ns: Namespace, pods: list[Pod]) -> None:
    """When they lead to the Pods, they are returned by machine."""
    found = probe.rules(ns, "echo", pods)

    assert list(found) == ["master", "node1", "node2"]
    assert {each.addresses for each in found.values()} == {ADDRESSES}


def test_rules_that_are_late_are_waited_for(
    cluster: Cluster, ns: Namespace, pods: list[Pod]
) -> None:
    """A machine that does not know a Pod yet holds the wait up."""
    looks: list[str] = []

    def late(text: str) -> tuple[int, str, str]:
        looks.append(text)
        return (0, saved(*ADDRESSES[: len(looks)]), "")

    cluster.on("node2").answer = late  # type: ignore[attr-defined]
    probe.rules(ns, "echo", pods)

    assert len(looks) == 3


@pytest.mark.parametrize("text", ["", saved(*ADDRESSES, "10.244.2.9")])
def test_a_machine_that_stays_behind_is_named(
    cluster: Cluster, ns: Namespace, pods: list[Pod], text: str
) -> None:
    """One Pod too few is as wrong as one too many."""
    say(cluster, "node2", text)

    with pytest.raises(NotReady, match="other addresses on node2"):
        probe.rules(ns, "echo", pods, timeout=0)


def test_rules_of_a_service_that_was_deleted_are_waited_out(
    cluster: Cluster, ns: Namespace, pods: list[Pod]
) -> None:
    """Made again under its name it has another address, which nobody answers yet."""
    say(cluster, "node1", saved(*ADDRESSES, own="10.96.0.6"))

    with pytest.raises(NotReady, match="other addresses on node1"):
        probe.rules(ns, "echo", pods, timeout=0)


def test_a_service_may_know_nobody(cluster: Cluster, ns: Namespace) -> None:
    """No Pods wanted and no rules there is agreement too."""
    for name in cluster.machines:
        say(cluster, name, "")

    assert probe.rules(ns, "echo", [])["master"].rules == ()


def test_the_port_can_be_part_of_the_question(ns: Namespace, pods: list[Pod]) -> None:
    """The right Pods at another port are not what was asked for."""
    assert probe.rules(ns, "echo", pods, port=12345)
    with pytest.raises(NotReady):
        probe.rules(ns, "echo", pods, port=12346, timeout=0)


@pytest.mark.parametrize("port", [12345, 9090, None])
def test_one_of_several_ports_can_be_the_question(
    cluster: Cluster, ns: Namespace, pods: list[Pod], port: int | None
) -> None:
    """What leads to another port is another question."""
    for name in cluster.machines:
        say(cluster, name, two_ports())

    assert len(probe.rules(ns, "echo", pods, port=port, timeout=0)) == 3
    with pytest.raises(NotReady):
        probe.rules(ns, "echo", pods, port=80, timeout=0)
    with pytest.raises(NotReady):
        probe.rules(ns, "echo", pods[:2], port=port, timeout=0)


def test_a_port_that_leads_to_two_is_not_what_was_asked_for(
    cluster: Cluster, ns: Namespace, pods: list[Pod]
) -> None:
    """As while the list of endpoints is changed: some connections go astray."""
    stale = saved(*ADDRESSES) + saved(*ADDRESSES, to_port=12346)
    say(cluster, "node1", stale)

    for port in (12345, 12346):
        with pytest.raises(NotReady, match=r"other addresses on .*node1"):
            probe.rules(ns, "echo", pods, port=port, timeout=0)


def test_a_service_that_knows_nobody_has_no_port_either(
    cluster: Cluster, ns: Namespace
) -> None:
    """No rules are as right with a port as without."""
    for name in cluster.machines:
        say(cluster, name, "")

    assert probe.rules(ns, "echo", [], port=12345, timeout=0)


@pytest.fixture
def adopted(
    cluster: Cluster, ns: Namespace, fake: Any, monkeypatch: pytest.MonkeyPatch
) -> Namespace:
    """Return a namespace of somebody's cluster, with a Service of two ports."""
    cluster.record = replace(cluster.record, provider=ADOPTED)
    monkeypatch.setattr(_rules, "ADOPTED_S", 0.5)
    ports = [{"port": 80, "targetPort": 12345}, {"port": 81, "targetPort": 9090}]
    service = {"metadata": {"name": "echo"}, "spec": {"clusterIP": OWN, "ports": ports}}
    fake.put("services", service, "x")
    return ns


def test_pods_are_given_time_at_the_port_that_leads_there(
    adopted: Namespace, pods: list[Pod], folder: LabFolder, kubectl: Any
) -> None:
    """The second port of a Service is asked where its endpoints are meant."""
    kubectl('echo "$@" >> $HOME/args')
    for port in (None, 9090):
        with pytest.raises(NoMachines):
            probe.rules(adopted, "echo", pods[:1], port=port)
    args = (folder.root / "client" / "home" / "args").read_text()

    assert re.findall(r"tcp 10\.96\.0\.7 (\d+)", args) == ["80", "81"]


def test_pods_that_cannot_ask_are_given_time_all_the_same(
    adopted: Namespace, pods: list[Pod], kubectl: Any
) -> None:
    """One that begins may do so a moment later."""
    kubectl("echo 'error: unable to upgrade connection' >&2; exit 1")
    began = time.monotonic()

    with pytest.raises(NoMachines):
        probe.rules(adopted, "echo", pods)
    assert time.monotonic() - began >= 0.5
