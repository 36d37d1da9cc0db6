"""A fault is undone though parts of what it broke are not there any more."""

from __future__ import annotations

import os
from typing import Any

import pytest
from fakes.broken import Worker, notes

from k8slab import fault
from k8slab.core.hints import command
from k8slab.errors import MachineUnreachable, NotReady
from k8slab.fault import _control_plane, _journal
from k8slab.fault._journal import Entry
from k8slab.fault._kind import Place
from k8slab.kube.cluster import Cluster

COREDNS = "/api/v1/namespaces/kube-system/configmaps"


def test_a_corefile_that_the_reader_took_away_is_put_back(
    cluster: Cluster, fake: Any
) -> None:
    """Its key alone, or all of the ConfigMap; the lab must not stay shut for that."""
    dns = {"metadata": {"name": "coredns"}, "spec": {"replicas": 2}}
    fake.put("deployments", dns, "kube-system")
    at = Place(cluster, "", {"corefile": ".:53 {}", "replicas": 2})
    fake.put("configmaps", {"metadata": {"name": "coredns"}}, "kube-system")
    fault.find("dns-broken").undo(at)
    assert f"PATCH {COREDNS}/coredns" in fake.requests

    fake.drop("configmaps", "coredns", "kube-system")
    absent = (404, {"kind": "Status", "reason": "NotFound"})
    fake.errors[f"PATCH {COREDNS}/coredns"] = absent
    fault.find("dns-broken").undo(at)
    assert _control_plane._corefile(at) == ".:53 {}"


@pytest.mark.parametrize("step", ["undo", "undone"])
def test_a_part_that_a_reader_emptied_is_no_error_of_python(
    cluster: Cluster,
    workers: dict[str, Worker],
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    """What is noted beside it is undone all the same."""
    for name in ("kubelet-stopped", "containerd-stopped"):
        monkeypatch.setattr(type(fault.find(name)), "health_s", 0.5)
    kind = type(fault.find("containerd-stopped"))
    monkeypatch.setattr(kind, step, lambda *_: dict[str, str]()["data"])
    for name, where in (("kubelet-stopped", "node1"), ("containerd-stopped", "node2")):
        _journal.write(cluster.folder, Entry(name, where, {}))

    with pytest.raises(NotReady, match="not there: KeyError: 'data'"):
        fault.heal(cluster)
    assert notes(cluster) == ["containerd-stopped"]


def test_taints_go_though_a_node_was_deleted(cluster: Cluster, fake: Any) -> None:
    """Its taints went with it; those of the other workers must not stay."""
    fake.put("nodes", {"metadata": {"name": "node2"}, "spec": {}})
    fault.find("pending-taints").repair(Place(cluster, "t"))

    assert [r for r in fake.requests if r.startswith("PATCH")] == [
        "PATCH /api/v1/nodes/node2"
    ]


def test_a_worker_without_power_is_told_how_it_gets_some(
    cluster: Cluster, workers: dict[str, Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    """To try again helps nothing before that."""
    monkeypatch.setattr(type(fault.find("kubelet-stopped")), "health_s", 0.2)
    broken = fault.inject("kubelet-stopped", "node1", awaited=False)
    broken.begin()

    def silent(*_: object, **__: object) -> None:
        raise MachineUnreachable("node1 does not answer", next="'k8slab start'")

    with monkeypatch.context() as patch:
        patch.setattr(cluster.on("node1"), "run", silent)
        with pytest.raises(NotReady) as caught:
            broken.undo()

    again = command("heal", cluster.lab)
    assert caught.value.next == f"'k8slab start'\nthen {again}"
    assert fault.heal(cluster) == ["kubelet-stopped on node1"]


def test_an_entry_outlasts_a_power_cut(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Like what it is about to break."""
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    _journal.write(cluster.folder, Entry("kubelet-stopped", "node1", {}))

    assert len(synced) == 1
