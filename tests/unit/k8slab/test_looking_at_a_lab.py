"""A lab is shown as it is, for whoever has to find out why a chapter failed."""

from __future__ import annotations

from typing import Any

import pytest

from booktools.gateway import LabGateway
from k8slab import lab
from k8slab.errors import LabMissing
from k8slab.kube.cluster import Cluster


def test_a_look_repairs_nothing(
    cluster: Cluster, kubectl: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of the session that failed is part of what is to be seen."""
    kubectl('echo "told of $*"')
    monkeypatch.setattr(lab, "_cluster", lambda name: cluster)
    monkeypatch.setattr(lab, "_heal", lambda *_: pytest.fail("it was repaired"))

    seen = LabGateway().look("mine")

    assert "get nodes,pods --all-namespaces" in seen
    assert "get events --all-namespaces" in seen


def test_a_lab_that_cannot_be_looked_at_says_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The failure that is to be explained is not hidden by another one."""

    def fail(name: str) -> Cluster:
        raise LabMissing(f"there is no lab {name!r}")

    monkeypatch.setattr(lab, "_cluster", fail)

    assert "there is no lab 'mine'" in LabGateway().look("mine")
