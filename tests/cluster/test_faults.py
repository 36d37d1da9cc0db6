"""Faults break what they say, show it, and are undone on every way out."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator

import faulty
import kernels
import pytest
from faulty import Proof
from labs import Lab

from k8slab import fault, wait
from k8slab.core.poll import until
from k8slab.kube import snapshot
from k8slab.kube.cluster import Cluster
from k8slab.kube.namespace import Namespace

SEED = kernels.seed()
# One group of those that break machines or the cluster; soak has them all. The
# chapters about debugging produce each of them, too.
GROUP = random.Random(SEED).choice(faulty.GROUPS)  # noqa: S311 - a sample
NAMES = [*faulty.SIDE_BY_SIDE, *GROUP]


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
    print(f"{kernels.SEED}={SEED:x}")
    for group in (faulty.SIDE_BY_SIDE, GROUP):
        found |= faulty.prove_all(cluster, group.items())
    return found, snapshot.difference(before, snapshot.take(cluster))


@pytest.mark.parametrize("name", NAMES)
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
    random.Random(f"killed in {needs}").choice(  # noqa: S311 - a seed
        [name for name in fault.names(needs) if name in faulty.ANYWHERE]
    )
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


def test_what_stands_in_the_same_namespace_is_undone_first(main: Lab) -> None:
    """A cell is run twice, and a reader goes back without the repair."""
    with main.cluster() as cluster:
        before = snapshot.take(cluster)
        namespace = cluster.scratch("t-again")
        for name in ("pending-taints", "pending-taints", "pending-resources"):
            injected = fault.inject(name, namespace, cluster=cluster)
            injected.begin()
        message = wait.pod(namespace, "app=shop", reason="Unschedulable").message
        fault.heal(cluster)
        namespace.remove()
        after = snapshot.take(cluster)

    assert "Insufficient cpu" in message
    assert "untolerated taint {maintenance" not in message
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
    assert "undone, as a session left it: pod-route-away" in said.text
    assert str(main.record.nodes[-1].pods) in routes


def test_a_fault_of_a_living_session_is_left_alone(cluster: Cluster, main: Lab) -> None:
    """Another session that connects meanwhile does not undo it."""
    with fault.inject("pod-route-away", "node1", cluster=cluster) as injected:
        said = main.run("heal")
        seen = injected.symptom

    assert said.returncode == 0, said.text
    assert seen.ok
    assert injected.health.ok


def test_a_kubelet_that_began_without_an_api_server_gets_it_back(
    cluster: Cluster,
) -> None:
    """As in debugging-clusters, when the chapter is left before its repair."""
    before = snapshot.take(cluster)
    broken = fault.inject("bad-static-manifest", cluster=cluster, awaited=False)
    broken.begin()
    end = "crictl ps -q --name kube-apiserver | xargs -r crictl stop --timeout 1"
    cluster.on("master").script(f"{end}; systemctl restart kubelet")
    broken.await_symptom()
    tries = "crictl ps -aq --state exited --name kube-apiserver | wc -l"
    wait.until(
        lambda: int(cluster.on("master").script(tries).stdout) > 1,
        what="API servers that ended",
        want="two",
        timeout=90,
    )

    assert fault.heal(cluster) == ["bad-static-manifest on the cluster"]
    assert snapshot.difference(before, snapshot.take(cluster)) == []


def test_a_network_configuration_that_was_moved_back_is_noticed(
    cluster: Cluster,
) -> None:
    """A container runtime notices what is written, and not what is moved in."""
    injected = fault.inject("pod-network-away", "node2", cluster=cluster)
    injected.begin()

    cluster.on("node2").script("mv /etc/cni/*.conflist /etc/cni/net.d/")
    injected.undo()

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
        second = until(
            lambda: fault.judge(hidden),
            what="the judge",
            want="content",
            done=bool,
            timeout=60,
        )
    finally:
        hidden.close()
        namespace.remove()

    assert (bool(first), bool(second)) == (False, True)
    assert not any(name in told + shown for name in quick)
    assert hidden.found is not None
    assert f"it was {hidden.found.name}" in capsys.readouterr().out
