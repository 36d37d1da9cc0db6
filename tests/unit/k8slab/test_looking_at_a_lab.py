"""A lab is shown as it is, for whoever has to find out why a chapter failed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from booktools.gateway import LabGateway
from k8slab import fault
from k8slab.kube.cluster import Cluster


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
