"""A new lab takes ranges that nobody has, whoever has the usual ones."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network
from itertools import combinations
from pathlib import Path

import pytest
from fakes.host import FakeHost
from typer.testing import CliRunner

from k8slab.core.phases import Ledger
from k8slab.core.process import Completed
from k8slab.errors import BadInput, BundleError, HostProblem, RangeInUse
from k8slab.folder import LabFolder
from labmaker import bundle, cli, lifecycle
from labmaker.computer import foreign_routes
from labmaker.fleet import dismantle
from labmaker.host.doctor import Finding, raise_on_errors
from labmaker.host.firewall import check_routes, remove_rules, slots_with_rules
from labmaker.lifecycle.preflight import choose_plan
from labmaker.plan import FAMILIES, MAX_WORKERS, SLOTS, AddressPlan
from labmaker.providers import provider_of
from labmaker.settings import Settings

EVERY = [plan for slot in range(SLOTS) for plan in AddressPlan.every(slot)]
Route = dict[str, object]


class Routes(FakeHost):
    """A computer with these routes; those that refuse are listed alone, too."""

    def __init__(self, *routes: Route, proxy: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self.routes += routes
        self.proxy = proxy or {}

    def run(self, argv: Sequence[str], **_: object) -> Completed:
        """Answer ``ip route show``, and what tells the rules of a kube-proxy."""
        if argv[0] != "ip":
            rules = self.proxy.get(argv[0], "")
            return Completed(tuple(argv), self.where, int(not rules), rules, "", 0.0)
        wanted = [r for r in self.routes if r.get("type") == "unreachable"]
        told = wanted if "unreachable" in argv else self.routes
        return Completed(tuple(argv), self.where, 0, json.dumps(told), "", 0.0)


def chosen(home: Path, *routes: Route, slot: int | None = None) -> AddressPlan:
    """Return what a new lab gets on such a computer, which nobody else there has."""
    plan = choose_plan(home, slot, Routes(*routes), ())
    assert not [
        clash for _, clash in foreign_routes(json.dumps(routes), plan, "") if clash
    ]
    return plan


@pytest.mark.parametrize("plan", EVERY, ids=str)
def test_every_plan_has_room_for_the_largest_lab(plan: AddressPlan) -> None:
    """Its machines, and a range of Pods for each; its own ranges do not meet."""
    machines = plan.machines(MAX_WORKERS, "ready")

    assert all(machine.address in plan.network for machine in machines)
    assert all(m.pods.subnet_of(plan.pods) for m in machines if m.pods)
    assert plan.dns in plan.services
    assert not [(a, b) for a, b in combinations(plan.ranges.all, 2) if a.overlaps(b)]


def test_no_two_plans_share_an_address() -> None:
    """Labs side by side may be of different families."""
    ranges = [network for plan in EVERY for network in plan.ranges.all]

    assert len(ranges) == SLOTS * FAMILIES * 3
    assert not [(a, b) for a, b in combinations(ranges, 2) if a.overlaps(b)]
    assert all(network.is_private for network in ranges)


@pytest.mark.parametrize(
    "route",
    [
        {"dst": "10.0.0.0/8", "dev": "wg0", "scope": "link"},
        {"dst": "10.96.0.0/12", "dev": "tun0", "scope": "link"},
        {"dst": "10.240.0.0/12", "dev": "tun0", "scope": "link"},
        {"dst": "172.30.0.0/16", "dev": "br-1234", "scope": "link"},
        {"dst": "172.16.0.0/12", "dev": "wg0", "scope": "link"},
        {"type": "blackhole", "dst": "10.0.0.0/8"},
    ],
    ids=lambda route: str(route["dst"]),
)
def test_a_range_that_covers_every_usual_slot_is_gone_round(
    tmp_path: Path, route: Route
) -> None:
    """For machines, Pods and Services alike another range is free, and is taken."""
    assert chosen(tmp_path, route).family > 0


@pytest.mark.parametrize(
    "route",
    [
        {"dst": "172.30.1.0/24", "dev": "docker1", "scope": "link"},
        {"dst": "10.244.3.0/24", "gateway": "192.0.2.9", "dev": "eth0"},
        {"dst": "10.96.0.0/14", "dev": "tun0", "scope": "link"},
        {"type": "local", "dst": "10.96.0.1", "dev": "lo", "table": "local"},
        {"dst": "10.96.7.0/24", "dev": "wg0", "table": "52"},
    ],
    ids=lambda route: str(route["dst"]),
)
def test_a_smaller_range_costs_its_slots_only(tmp_path: Path, route: Route) -> None:
    """The next of the book's own ranges is taken."""
    plan = chosen(tmp_path, route)

    assert (plan.family, plan.slot > 0) == (0, True)


@pytest.mark.parametrize(
    "routes",
    [
        [{"dst": "0.0.0.0/1", "dev": "tun0"}, {"dst": "128.0.0.0/1", "dev": "tun0"}],
        [{"dst": "default", "dev": "wg0", "table": "51820"}],
        [{"dst": "10.0.0.0/8", "gateway": "192.0.2.9", "dev": "eth0"}],
        [{"dst": "0.0.0.0/2", "dev": "tun0"}, {"dst": "8.0.0.0/7", "dev": "tun0"}],
    ],
    ids=["halves", "default", "router", "quarter"],
)
def test_a_vpn_for_everything_is_no_reason_to_refuse(
    tmp_path: Path, routes: list[Route]
) -> None:
    """The lab's own routes are narrower and win; it has the book's addresses."""
    assert chosen(tmp_path, *routes) == AddressPlan(0)


_IPTABLES = """-N KUBE-SERVICES
-A KUBE-SERVICES -d %s/32 -p tcp -m tcp --dport 443 -j KUBE-SVC-NPX46M4PTMTKRN6Y
-A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS
"""
_NFT = "table ip kube-proxy { set cluster-ips { elements = { 10.97.0.10, %s } } }"


@pytest.mark.parametrize(
    "proxy",
    [
        {"iptables": _IPTABLES % "10.96.0.1"},
        {"nft": _NFT % "10.96.0.1"},
        {"iptables": _IPTABLES % "10.103.7.9"},
    ],
    ids=["iptables", "nftables", "last slot"],
)
def test_services_of_a_cluster_that_this_computer_is_of_are_not_hidden(
    tmp_path: Path, proxy: dict[str, str]
) -> None:
    """All of kubeadm's range is left to them: more will be made there."""
    plan = choose_plan(tmp_path, None, Routes(proxy=proxy), ())

    assert plan.family > 0
    assert not plan.services.overlaps(IPv4Network("10.96.0.0/12"))


def test_services_elsewhere_do_not_matter(tmp_path: Path) -> None:
    """As those of k3s and MicroK8s."""
    proxy = {"iptables": _IPTABLES % "10.43.0.1" + _IPTABLES % "10.152.183.1"}

    assert choose_plan(tmp_path, None, Routes(proxy=proxy), ()) == AddressPlan(0)


def test_several_networks_at_once_leave_the_last_range(tmp_path: Path) -> None:
    """A VPN, docker's networks and a home network."""
    taken = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]
    routes: list[Route] = [{"dst": each, "dev": "wg0"} for each in taken]

    assert chosen(tmp_path, *routes).pods.subnet_of(IPv4Network("198.18.0.0/15"))


def test_two_labs_beside_a_vpn_have_different_ranges(tmp_path: Path) -> None:
    """The second knows the first by its folder, or by its routes."""
    vpn: Route = {"dst": "10.0.0.0/8", "dev": "wg0"}
    first = chosen(tmp_path, vpn)
    settings = Settings("a", first.slot, 2, "ready", "podman", "1", first.family)
    record = settings.record(lambda _: ((), ()), {})
    LabFolder(tmp_path, "a").save(record)
    by_folder = chosen(tmp_path, vpn)
    refusing: list[Route] = [
        {"type": "unreachable", "dst": str(each)} for each in first.ranges.all
    ]
    host = Routes(vpn, *refusing)
    by_routes = choose_plan(tmp_path / "other", None, host, ())

    assert Settings.of(record).plan == first
    assert slots_with_rules(host) == {first.slot}
    assert first.slot not in (by_folder.slot, by_routes.slot)


@pytest.mark.parametrize("taken", [False, True])
def test_a_lab_made_anew_keeps_its_range_if_nobody_took_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: bool
) -> None:
    """Between its end and its beginning another lab may come up."""
    settings = Settings("a", 3, 2, "ready", "podman", "1")
    LabFolder(tmp_path, "a").save(settings.record(lambda _: ((), ()), {}))
    ranges = AddressPlan(3).ranges.all if taken else ()
    refusing: list[Route] = [{"type": "unreachable", "dst": str(r)} for r in ranges]
    host = Routes(*refusing)
    plans = []

    def up(name: str | None, *, slot: int | None, **_: object) -> Ledger:
        plans.append(choose_plan(tmp_path, slot, host, ()))
        return Ledger()

    def down(name: str | None, **_: object) -> None:
        LabFolder(tmp_path, "a").remove()

    monkeypatch.setenv("K8SLAB_HOME", str(tmp_path))
    monkeypatch.setattr(lifecycle, "up", up)
    monkeypatch.setattr(lifecycle, "down", down)
    monkeypatch.setattr(lifecycle, "require_root", lambda what: None)
    monkeypatch.setattr(bundle, "opened", lambda: None)
    lifecycle.reset("a")

    assert plans == [AddressPlan(0) if taken else AddressPlan(3)]


def test_what_cannot_be_made_anew_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a bundle, nothing could take its place."""

    def opened() -> None:
        raise BundleError("there is no bundle")

    settings = Settings("a", 3, 2, "ready", "podman", "1")
    LabFolder(tmp_path, "a").save(settings.record(lambda _: ((), ()), {}))
    monkeypatch.setenv("K8SLAB_HOME", str(tmp_path))
    monkeypatch.setattr(lifecycle, "require_root", lambda what: None)
    monkeypatch.setattr(bundle, "opened", opened)
    monkeypatch.setattr(lifecycle, "down", lambda *_, **__: pytest.fail("removed"))

    with pytest.raises(BundleError):
        lifecycle.reset("a")


def test_addresses_that_alone_are_taken_are_told_apart() -> None:
    """A lab that is made anew takes others then."""
    taken = Finding("addresses", False, "10.244.0.0/16 is taken", "free", "--slot 1")
    other = Finding("memory", False, "1 GiB", "3 GiB", "close programs")
    with pytest.raises(RangeInUse):
        raise_on_errors([taken])
    with pytest.raises(HostProblem) as caught:
        raise_on_errors([taken, other])

    assert not isinstance(caught.value, RangeInUse)


@pytest.mark.parametrize("slot", [3, 5])
def test_a_reset_tells_that_addresses_are_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slot: int
) -> None:
    """A reader may have written them down; where they stayed nothing is said."""

    def made(number: int) -> None:
        settings = Settings("a", number, 2, "ready", "podman", "1")
        LabFolder(tmp_path, "a").save(settings.record(lambda _: ((), ()), {}))

    def reset(name: str | None, **_: object) -> Ledger:
        made(slot)
        return Ledger()

    monkeypatch.setenv("K8SLAB_HOME", str(tmp_path))
    monkeypatch.setattr(lifecycle, "reset", reset)
    made(3)
    said = CliRunner().invoke(cli.app, ["reset", "--name", "a"])

    assert said.exit_code == 0, said.output
    assert ("172.30.6.0/24" in said.output) == (slot == 5)


def test_a_slot_that_is_asked_for_is_the_books_while_it_has_any(
    tmp_path: Path,
) -> None:
    """Where it is in use the doctor names another; beside a VPN it moves, too."""
    one: Route = {"dst": "172.30.4.0/24", "dev": "br0"}
    vpn: Route = {"dst": "10.0.0.0/8", "dev": "wg0"}

    assert choose_plan(tmp_path, 3, Routes(one), ()) == AddressPlan(3)
    assert chosen(tmp_path, vpn, slot=3) == AddressPlan(3, 1)
    with pytest.raises(BadInput):
        choose_plan(tmp_path, 8, Routes(), ())


@pytest.mark.parametrize("family", range(FAMILIES))
def test_a_lab_of_another_home_keeps_its_range_over_a_restart(
    tmp_path: Path, family: int
) -> None:
    """Its routes are gone then; its provider still has the network."""
    networks = [AddressPlan(0, family).network]

    assert choose_plan(tmp_path, None, Routes(), networks) == AddressPlan(1)
    assert choose_plan(tmp_path, 1, Routes(), networks) == AddressPlan(1)
    with pytest.raises(RangeInUse):
        choose_plan(tmp_path, 0, Routes(), networks)


@pytest.mark.parametrize(
    "network", ["172.30.1.0/25", "172.30.0.0/15", "10.244.7.0/24", "10.96.0.0/16"]
)
def test_a_network_without_a_route_is_not_met(tmp_path: Path, network: str) -> None:
    """As podman's, whose bridge comes with the first container."""
    mine = IPv4Network(network)
    plan = choose_plan(tmp_path, None, Routes(), [mine])

    assert not [own for own in plan.ranges.all if own.overlaps(mine)]
    if mine.prefixlen >= 16:
        with pytest.raises(RangeInUse, match="there already") as caught:
            choose_plan(tmp_path, 0, Routes(), [mine])
        assert caught.value.seen == network


def test_a_lab_elsewhere_is_taken_down_as_it_was_made() -> None:
    """Its routes are those of its own plan, also when its record is gone."""

    class Asked(FakeHost):
        def run(self, argv: Sequence[str], **_: object) -> Completed:
            self.asked.append(tuple(argv))
            return Completed(tuple(argv), self.where, 0, "", "", 0.0)

    plan, host = AddressPlan(2, 1), Asked()
    dismantle(provider_of("podman", "test", host, host=host), [plan], host)
    removed = {argv[4] for argv in host.asked if "unreachable" in argv}

    assert removed == {str(network) for network in plan.ranges.all}
    remove_rules(AddressPlan(2), None, host)


def test_a_network_elsewhere_belongs_to_its_slot() -> None:
    """The provider tells it by its range."""
    plan = AddressPlan(5, 2)

    class Told(FakeHost):
        def run(self, argv: Sequence[str], **_: object) -> Completed:
            said = f'"subnet": "{plan.network}"' if "inspect" in argv else "0123"
            return Completed(tuple(argv), self.where, 0, said, "", 0.0)

    host = Told()
    assert provider_of("podman", "test", host, host=host).slots() == {5}


def test_a_route_of_another_table_can_be_found(tmp_path: Path) -> None:
    """A VPN sets its routes in a table of its own, which 'ip route' does not show."""
    routes = Routes()
    routes.routes = [{"dst": "172.30.1.11", "dev": "wg0", "table": "51820"}]
    with pytest.raises(HostProblem, match="would not stay") as caught:
        check_routes(AddressPlan(0), "lab", routes)

    assert caught.value.seen == "wg0"
    for command in ("'ip rule'", "'ip route show table all'"):
        assert command in caught.value.next
