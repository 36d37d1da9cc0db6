"""Every fault is undone when the process that injected it is killed."""

from __future__ import annotations

import faulty
import pytest
from labs import Lab

from k8slab import fault
from k8slab.kube import snapshot
from k8slab.kube.namespace import Namespace

WHERE = {fault.NAMESPACE: "t-killed", fault.MACHINE: "node2", fault.CLUSTER: ""}


@pytest.mark.parametrize("name", fault.names())
def test_every_fault_of_a_killed_kernel_is_undone(main: Lab, name: str) -> None:
    """By the next connection, with nothing left."""
    with main.cluster() as cluster:
        before = snapshot.take(cluster)

    faulty.kill(main.name, main.home.folder, [(name, WHERE[fault.find(name).needs])])
    with main.cluster() as cluster:
        Namespace(cluster, "t-killed").remove()
        after = snapshot.take(cluster)

    assert snapshot.difference(before, after) == []
