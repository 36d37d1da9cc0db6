"""Snapshots: what a chapter leaves is found, what changes by itself is not."""

from __future__ import annotations

from typing import Any

import pytest

from k8slab.kube import snapshot
from k8slab.kube.cluster import Cluster


@pytest.fixture
def filled(fake: Any) -> Any:
    """An API with what every cluster has."""
    node = {
        "metadata": {"name": "node1", "labels": {"kubernetes.io/hostname": "node1"}},
        "spec": {"podCIDR": "10.244.2.0/24"},
        "status": {"conditions": []},
    }
    fake.put("nodes", node)
    fake.put("pods", fake.pod("coredns-abcde", controller="coredns"), "kube-system")
    fake.put("leases", {"metadata": {"name": "node1"}, "spec": {"renewTime": "1"}}, "x")
    info = {"metadata": {"name": "cluster-info"}, "data": {"kubeconfig": "k"}}
    fake.put("configmaps", info, "kube-public")
    return fake


def test_an_unchanged_cluster_has_no_difference(cluster: Cluster, filled: Any) -> None:
    """Two looks in a row are equal."""
    assert snapshot.difference(snapshot.take(cluster), snapshot.take(cluster)) == []


def test_what_changes_by_itself_does_not_count(cluster: Cluster, filled: Any) -> None:
    """Heartbeats, leases, events, replaced Pods and token signatures are no leak."""
    before = snapshot.take(cluster)
    filled.put(
        "leases", {"metadata": {"name": "node1"}, "spec": {"renewTime": "2"}}, "x"
    )
    filled.put("events", {"metadata": {"name": "e"}, "message": "m"}, "kube-system")
    filled.drop("pods", "coredns-abcde", "kube-system")
    filled.put("pods", filled.pod("coredns-vwxyz", controller="coredns"), "kube-system")
    node = {
        "metadata": {"name": "node1", "labels": {"kubernetes.io/hostname": "node1"}},
        "spec": {
            "podCIDR": "10.244.2.0/24",
            "taints": [{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}],
        },
        "status": {"conditions": [{"type": "Ready"}]},
    }
    filled.put("nodes", node)
    info = {
        "metadata": {"name": "cluster-info"},
        "data": {"kubeconfig": "k", "jws-kubeconfig-abc": "signature"},
    }
    filled.put("configmaps", info, "kube-public")

    assert snapshot.difference(before, snapshot.take(cluster)) == []


def test_what_a_chapter_leaves_is_named(cluster: Cluster, filled: Any) -> None:
    """Added, changed and removed objects have a line each."""
    filled.put("secrets", {"metadata": {"name": "old"}, "data": {"a": "1"}}, "x")
    before = snapshot.take(cluster)
    filled.put("namespaces", {"metadata": {"name": "chapter"}})
    filled.put("pods", filled.pod("echo-1", controller="echo"), "chapter")
    filled.drop("secrets", "old", "x")
    node = {
        "metadata": {"name": "node1", "labels": {"disk": "ssd"}},
        "spec": {"podCIDR": "10.244.2.0/24", "unschedulable": True},
    }
    filled.put("nodes", node)

    assert snapshot.difference(before, snapshot.take(cluster)) == [
        "added: Namespace chapter",
        "added: Pods chapter/echo-… (0 before, 1 after)",
        "changed: Node node1",
        "removed: Secret x/old",
    ]


def test_a_new_join_token_counts_and_an_expired_one_does_not(
    cluster: Cluster, filled: Any
) -> None:
    """Tokens go by themselves, but do not come by themselves."""
    token = {"metadata": {"name": "token"}, "type": "bootstrap.kubernetes.io/token"}
    without = snapshot.take(cluster)
    filled.put("secrets", token, "kube-system")
    with_one = snapshot.take(cluster)

    assert snapshot.difference(without, with_one) == ["added: Secret kube-system/token"]
    assert snapshot.difference(with_one, without) == []


def test_files_addresses_and_containers_of_machines_count(
    cluster: Cluster, filled: Any
) -> None:
    """A static manifest, a lost Pod address and a running container are found."""
    before = snapshot.take(cluster)
    found = (
        "file f 0a1b2c /etc/kubernetes/manifests/mine.yaml\n"
        "file d - /data/mysql data\n"
        "address\nruns c1\nruns c2\nchapters c1\nchapters c3\n"
    )
    cluster.on("node1").answer = lambda text: (0, found, "")  # type: ignore[attr-defined]

    assert snapshot.difference(before, snapshot.take(cluster)) == [
        "added: node1: /data/mysql data",
        "added: node1: /etc/kubernetes/manifests/mine.yaml",
        "added: node1: Pod addresses that no container holds (0 before, 1 after)",
        "added: node1: containers that run for a chapter (0 before, 1 after)",
    ]


def test_units_routes_and_rules_of_machines_count(
    cluster: Cluster, filled: Any
) -> None:
    """A stopped unit, a lost route and a rule of one's own are found."""
    machine = cluster.on("node1")
    whole = "unit kubelet active\nroute 10.244.3.0/24 via 10.89.0.13 dev eth0\n"
    broken = "unit kubelet inactive\nrule INPUT -p tcp -j DROP\n"
    machine.answer = lambda text: (0, whole, "")  # type: ignore[attr-defined]
    before = snapshot.take(cluster)
    machine.answer = lambda text: (0, broken, "")  # type: ignore[attr-defined]

    assert snapshot.difference(before, snapshot.take(cluster)) == [
        "added: node1: rule INPUT -p tcp -j DROP",
        "changed: node1: unit kubelet",
        "removed: node1: route 10.244.3.0/24 via 10.89.0.13 dev eth0",
    ]


def test_a_kind_whose_server_is_away_is_left_out(cluster: Cluster, filled: Any) -> None:
    """A group whose own server does not answer is no reason to fail."""
    filled.errors["GET /apis/apps/v1/deployments"] = (503, {"kind": "Status"})

    assert snapshot.difference(snapshot.take(cluster), snapshot.take(cluster)) == []
