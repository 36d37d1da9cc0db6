"""What a chapter could leave behind shows as a difference of two snapshots."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from labs import Lab

from k8slab.kube import snapshot
from k8slab.kube.cluster import Cluster


@pytest.fixture(scope="module")
def cluster(main: Lab) -> Iterator[Cluster]:
    """Return the shared lab's cluster."""
    with main.cluster() as cluster:
        yield cluster


OBJECTS = {
    "an object in a namespace": (
        "create configmap left -n default --from-literal=a=b",
        "delete configmap left -n default",
        "ConfigMap default/left",
    ),
    "a namespace": ("create namespace left", "delete namespace left", "Namespace left"),
    "an object of the cluster": (
        "create clusterrole left --verb=get --resource=pods",
        "delete clusterrole left",
        "ClusterRole left",
    ),
    "a label on a node": (
        "label node node1 left=here",
        "label node node1 left-",
        "Node node1",
    ),
    "a cordoned node": ("cordon node2", "uncordon node2", "Node node2"),
}


@pytest.mark.parametrize("what", OBJECTS)
def test_what_is_left_in_the_cluster_is_seen(cluster: Cluster, what: str) -> None:
    """And gone again when it is removed."""
    leave, tidy, name = OBJECTS[what]
    before = snapshot.take(cluster)
    cluster.kubectl(leave.split())
    try:
        seen = snapshot.difference(before, snapshot.take(cluster))
    finally:
        cluster.kubectl(tidy.split())
    after = snapshot.difference(before, snapshot.take(cluster))

    assert [line for line in seen if line.endswith(name)] != []
    assert after == []


FILES = ("/etc/kubernetes/manifests/left.txt", "/etc/cni/net.d/left.txt", "/data/left")


@pytest.mark.parametrize("path", FILES)
def test_a_file_left_on_a_machine_is_seen(cluster: Cluster, path: Path) -> None:
    """By the machine's name and its path."""
    before = snapshot.take(cluster)
    cluster.on("node2").script(f"mkdir -p $(dirname {path}); echo x > {path}")
    try:
        seen = snapshot.difference(before, snapshot.take(cluster))
    finally:
        cluster.on("node2").script(
            f"rm {path}; rmdir $(dirname {path}) 2>/dev/null || true"
        )
    after = snapshot.difference(before, snapshot.take(cluster))

    assert f"added: node2: {path}" in seen
    assert after == []
