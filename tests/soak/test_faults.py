"""Every fault is undone when the process that injected it is killed."""

from __future__ import annotations

import faulty
import pytest
from faulty import Proof
from labs import Lab

from k8slab import fault, wait
from k8slab.kube import snapshot
from k8slab.kube.cluster import Cluster
from k8slab.kube.namespace import Namespace

WHERE = {fault.NAMESPACE: "t-killed", fault.MACHINE: "node2", fault.CLUSTER: ""}


@pytest.fixture(scope="module")
def proofs(main: Lab) -> tuple[dict[str, Proof], list[str]]:
    """Return how each fault went, and what all of them left."""
    found: dict[str, Proof] = {}
    with main.cluster() as cluster:
        before = snapshot.take(cluster)
        for group in (faulty.SIDE_BY_SIDE, *faulty.GROUPS, {faulty.ALONE: "t-alone"}):
            found |= faulty.prove_all(cluster, group.items())
        return found, snapshot.difference(before, snapshot.take(cluster))


@pytest.mark.parametrize("name", faulty.ANYWHERE)
def test_every_fault_is_seen_and_repaired(
    proofs: tuple[dict[str, Proof], list[str]], name: str
) -> None:
    """Healthy, injected, symptom, repaired, healthy, gone; and nothing is left."""
    assert proofs[0][name].problem == ""
    assert proofs[1] == []


@pytest.mark.parametrize("name", faulty.ANYWHERE)
def test_every_fault_of_a_killed_kernel_is_undone(main: Lab, name: str) -> None:
    """By the next connection, with nothing left."""
    with main.cluster() as cluster:
        before = snapshot.take(cluster)

    faulty.kill(main.name, main.home.folder, [(name, WHERE[fault.find(name).needs])])
    with main.cluster() as cluster:
        Namespace(cluster, "t-killed").remove()
        after = snapshot.take(cluster)

    assert snapshot.difference(before, after) == []


def repair(cluster: Cluster, name: str) -> None:
    """Repair a drawn fault as an operator would, wherever it is."""
    if name == "powered-off":
        for each in map(cluster.machine, cluster.machines):
            if not each.is_on():
                each.power_on()
        return
    on_worker = fault.find(name).needs == fault.MACHINE
    workers = cluster.machines[1:] if on_worker else cluster.machines[:1]
    for machine in workers:
        cluster.on(machine).script(f"({faulty.BY_HAND[name]}) || true")


@pytest.mark.parametrize("name", faulty.DRAWN)
def test_each_fault_that_can_be_drawn_is_judged_by_health_alone(
    main: Lab, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """No, then yes after a repair by hand, and only then its name; nothing is left."""
    with main.cluster() as cluster:
        before = snapshot.take(cluster)
        hidden = fault.draw(7, among=[name], cluster=cluster)
        try:
            first = fault.judge(hidden)
            told = capsys.readouterr().out
            repair(cluster, name)
            second = wait.until(
                lambda: fault.judge(hidden),
                what="the judge",
                want="healthy",
                timeout=fault.find(name).health_s,
            )
        finally:
            hidden.close()
        after = snapshot.take(cluster)

    assert (bool(first), bool(second)) == (False, True)
    assert name not in told
    assert f"it was {name}" in capsys.readouterr().out
    assert snapshot.difference(before, after) == []
