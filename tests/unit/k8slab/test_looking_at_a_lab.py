"""A lab is looked at as it is, and nothing stays of a look in vain."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes.api_server import FakeApi
from fakes.shell import FakeShell

from booktools.gateway import LabGateway
from k8slab import fault, lab
from k8slab.errors import ApiError
from k8slab.kube import current
from k8slab.kube.cluster import Cluster
from k8slab.lab_record import INVENTORY
from labmaker import leftovers


def test_a_look_repairs_nothing(
    cluster: Cluster, kubectl: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of the session that failed is part of what is to be seen."""
    kubectl('echo "told of $*"')
    monkeypatch.setenv("K8SLAB_HOME", str(cluster.folder.home))
    cluster.folder.save(replace(cluster.record, complete=True))
    monkeypatch.setattr(fault, "heal", lambda *_, **__: pytest.fail("it was repaired"))

    seen = LabGateway().look(cluster.lab)

    assert "get nodes,pods --all-namespaces" in seen
    assert "get events --all-namespaces" in seen


def test_a_lab_that_cannot_be_looked_at_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The failure that is to be explained is not hidden by another one."""
    monkeypatch.setenv("K8SLAB_HOME", str(tmp_path))

    assert "there is no lab named 'mine'" in LabGateway().look("mine")


def test_who_connects_in_vain_leaves_no_connection_open(
    cluster: Cluster, fake: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither to a machine, which was asked first; nor is it the session's cluster."""
    monkeypatch.setenv("K8SLAB_HOME", str(cluster.folder.home))
    cluster.folder.save(replace(cluster.record, complete=True))
    shells = {name: FakeShell(name, "") for name in cluster.machines}
    open_ones = set(shells)
    for name, shell in shells.items():
        monkeypatch.setattr(shell, "close", lambda name=name: open_ones.discard(name))
    monkeypatch.setattr(lab, "shells", lambda *_: shells)
    fake.passing = [500]
    with pytest.raises(ApiError):
        lab.connect(cluster.lab)

    assert open_ones == set()
    assert current.current() is cluster


def test_a_lab_of_an_inventory_needs_no_engine_here(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bundle that was imported and machines that were there need none either."""
    monkeypatch.setenv("K8SLAB_HOME", str(cluster.folder.home))
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    own = replace(cluster.record, provider=INVENTORY, complete=True)
    cluster.folder.save(own)
    shells = {name: FakeShell(name, "") for name in cluster.machines}
    monkeypatch.setattr(lab, "shells", lambda *_: shells)
    monkeypatch.setattr(leftovers, "slots_with_rules", lambda _: frozenset())

    seen = LabGateway().snapshot(cluster.lab, ["cluster", "hosts"])

    assert seen.own == frozenset()
    assert "Namespace kube-system" in seen.shared.things
