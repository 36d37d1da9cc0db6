"""The address plan of a lab."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from itertools import combinations

import pytest

from k8slab.errors import BadInput
from labmaker.plan import MAX_WORKERS, SLOTS, AddressPlan


def test_labs_side_by_side_never_meet() -> None:
    """No range of any slot overlaps another range of it or of any other slot."""
    ranges = [r for slot in range(SLOTS) for r in AddressPlan(slot).ranges.all]
    meeting = [(a, b) for a, b in combinations(ranges, 2) if a.overlaps(b)]

    assert (len(ranges), meeting) == (24, [])


def test_all_ranges_are_private() -> None:
    """Every range is one that no public address is in."""
    plans = [AddressPlan(slot) for slot in range(SLOTS)]

    assert all(r.is_private for plan in plans for r in plan.ranges.all)


@pytest.mark.parametrize("slot", [-1, SLOTS])
def test_a_slot_out_of_range_is_refused(slot: int) -> None:
    """The error names the number given and the range."""
    with pytest.raises(BadInput) as caught:
        AddressPlan(slot)

    assert (caught.value.seen, caught.value.wanted) == (str(slot), "0 to 7")


def test_the_first_lab_has_the_books_addresses() -> None:
    """The addresses that the book prints are those of slot 0."""
    plan = AddressPlan(0)
    machines = {m.name: str(m.address) for m in plan.machines(2, "ready")}

    assert machines == {
        "master": "172.30.1.11",
        "node1": "172.30.1.12",
        "node2": "172.30.1.13",
        "depot": "172.30.1.5",
    }
    assert plan.ranges.all == (
        IPv4Network("172.30.1.0/24"),
        IPv4Network("10.244.0.0/16"),
        IPv4Network("10.96.0.0/16"),
    )
    assert (plan.gateway, plan.dns) == (
        IPv4Address("172.30.1.1"),
        IPv4Address("10.96.0.10"),
    )


def test_each_machine_has_its_own_place() -> None:
    """Addresses and Pod ranges are distinct and inside the plan's ranges."""
    plan = AddressPlan(3)
    machines = plan.machines(MAX_WORKERS, "bare")
    addresses = [m.address for m in machines]
    pods = [m.pods for m in machines if m.pods is not None]

    assert len({*addresses, plan.gateway}) == MAX_WORKERS + 3
    assert all(address in plan.network for address in addresses)
    assert len(set(pods)) == MAX_WORKERS + 1
    assert all(r.subnet_of(plan.pods) and r.prefixlen == 24 for r in pods)


def test_only_the_depot_differs_in_image_and_pods() -> None:
    """All machines start from the given image, but the depot; it runs no Pods."""
    machines = AddressPlan(0).machines(1, "bare")

    assert [(m.name, m.image, m.is_master, m.pods is None) for m in machines] == [
        ("master", "bare", True, False),
        ("node1", "bare", False, False),
        ("depot", "depot", False, True),
    ]


@pytest.mark.parametrize("workers", [0, -1, MAX_WORKERS + 1])
def test_a_number_of_workers_out_of_range_is_refused(workers: int) -> None:
    """The error names the number given and what to do."""
    with pytest.raises(BadInput) as caught:
        AddressPlan(0).machines(workers, "ready")

    assert (caught.value.seen, "--nodes" in caught.value.next) == (str(workers), True)
