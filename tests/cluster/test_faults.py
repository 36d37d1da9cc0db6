"""Faults break what they say, show it, and are undone on every way out."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator

import faulty
import pytest
from faulty import Proof
from labs import Lab

from k8slab import fault
from k8slab.kube import snapshot
from k8slab.kube.cluster import Cluster
from k8slab.kube.namespace import Namespace

# Which may be broken at the same time, and where. Those of namespaces are beside them.
GROUPS = (
    {"kubelet-stopped": "node1", "powered-off": "node2"},
    {"kubelet-misconfigured": "node1", "containerd-stopped": "node2"},
    {"pod-network-away": "node1", "disk-pressure": "node2"},
    {"dns-broken": "", "pending-taints": "t-taints", "pod-route-away": "node1"},
    {"expired-certificate": ""},
    {"bad-static-manifest": ""},
)
# It writes and is evicted by the kubelet's own slow rounds: beside others that takes
# longer than its deadline, and alone most of two minutes. Soak has it.
ALONE = "disk-full"
APART = {ALONE, *(name for group in GROUPS for name in group)}
SIDE_BY_SIDE = {
    name: f"t-{name}" for name in fault.names(fault.NAMESPACE) if name not in APART
}


@pytest.fixture(scope="module")
def cluster(main: Lab) -> Iterator[Cluster]:
    """Return the shared lab's cluster."""
    with main.cluster() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def proofs(cluster: Cluster) -> tuple[dict[str, Proof], list[str]]:
    """Return how each fault went, and what all of them left."""
    before = snapshot.take(cluster)
    found: dict[str, Proof] = {}
    for group in (SIDE_BY_SIDE, *GROUPS):
        found |= faulty.prove_all(cluster, group.items())
    return found, snapshot.difference(before, snapshot.take(cluster))


@pytest.mark.parametrize("name", [each for each in fault.names() if each != ALONE])
def test_a_fault_is_seen_and_repaired(
    proofs: tuple[dict[str, Proof], list[str]],
    name: str,
    record_property: Callable[[str, object], None],
) -> None:
    """Healthy, injected, symptom, repaired, healthy, gone."""
    proof = proofs[0][name]
    record_property("seconds", repr(proof))

    assert proof.problem == ""


def test_all_faults_together_leave_nothing(
    proofs: tuple[dict[str, Proof], list[str]],
) -> None:
    """Neither in the cluster nor on its machines."""
    assert proofs[1] == []


# One of each kind; soak has them all.
DRAWN = [
    random.Random(f"killed in {needs}").choice(fault.names(needs))  # noqa: S311 - a seed
    for needs in (fault.NAMESPACE, fault.MACHINE, fault.CLUSTER)
]


@pytest.mark.parametrize("name", DRAWN)
def test_what_a_killed_kernel_leaves_is_undone_by_the_next_connection(
    main: Lab, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Which says so, and leaves nothing."""
    needs = fault.find(name).needs
    where = {fault.NAMESPACE: "t-killed", fault.MACHINE: "node2", fault.CLUSTER: ""}
    with main.cluster() as cluster:
        before = snapshot.take(cluster)

    faulty.kill(main.name, main.home.folder, [(name, where[needs])])
    with main.cluster() as cluster:
        Namespace(cluster, "t-killed").remove()
        after = snapshot.take(cluster)

    assert name in capsys.readouterr().err
    assert snapshot.difference(before, after) == []


def test_two_faults_at_once_are_undone_in_reverse(
    main: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    """The latest first."""
    both = [("pod-route-away", "node1"), ("kubelet-misconfigured", "node1")]
    with main.cluster() as cluster:
        before = snapshot.take(cluster)

    faulty.kill(main.name, main.home.folder, both)
    with main.cluster() as cluster:
        after = snapshot.take(cluster)

    lines = capsys.readouterr().err.splitlines()
    assert [
        name in line for (name, _), line in zip(both[::-1], lines, strict=True)
    ] == [
        True,
        True,
    ]
    assert snapshot.difference(before, after) == []


def test_up_undoes_what_a_killed_kernel_left(main: Lab) -> None:
    """Before it looks whether the lab is healthy."""
    faulty.kill(main.name, main.home.folder, [("pod-route-away", "node1")])

    said = main.run("up")
    with main.shell("node1") as shell:
        routes = shell.run(["ip", "route"]).stdout

    assert said.returncode == 0, said.text
    assert "undone, as an ended session left it: pod-route-away" in said.text
    assert str(main.record.nodes[-1].pods) in routes


def test_a_fault_of_a_living_session_is_left_alone(cluster: Cluster, main: Lab) -> None:
    """Another session that connects meanwhile does not undo it."""
    with fault.inject("pod-route-away", "node1", cluster=cluster) as injected:
        said = main.run("heal")
        seen = injected.symptom

    assert said.returncode == 0, said.text
    assert seen.ok
    assert injected.health.ok


def test_a_drawn_fault_is_named_only_after_its_repair(
    cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    """The reader repairs it by hand, and the judge says what it was."""
    quick = ("selector-mismatch", "wrong-port")
    namespace = cluster.scratch("t-drawn")
    hidden = fault.draw(7, among=quick, namespace=namespace, cluster=cluster)
    try:
        first, shown = fault.judge(hidden), repr(hidden)
        told = capsys.readouterr().out
        ports = [{"port": 12345, "targetPort": 12345}]
        body = json.dumps({"spec": {"selector": {"app": "shop"}, "ports": ports}})
        repair = ["patch", "service", "shop", "--type=merge", f"--patch={body}"]
        cluster.kubectl(repair, namespace="t-drawn")
        second = fault.judge(hidden)
    finally:
        hidden.close()
        namespace.remove()

    assert (bool(first), bool(second)) == (False, True)
    assert not any(name in told + shown for name in quick)
    assert hidden.found is not None
    assert f"it was {hidden.found.name}" in capsys.readouterr().out
