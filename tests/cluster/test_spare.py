"""A machine that a chapter adds to a lab comes and goes, and leaves nothing."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from labs import Lab

from k8slab.kube import snapshot
from k8slab.kube.cluster import Cluster
from labmaker import spare

ADMIN = "kubectl --kubeconfig=/etc/kubernetes/admin.conf"
OTHER = "from k8slab import lab; from labmaker import spare; spare.fresh(lab.connect())"


@pytest.fixture(scope="module")
def cluster(main: Lab) -> Iterator[Cluster]:
    """Return the shared lab's cluster, without the machine at the end."""
    with main.cluster() as cluster:
        yield cluster
        spare.remove(cluster)


def files(lab: Lab) -> dict[str, str]:
    """Return what the lab's folder says, and which machines have data there."""
    names = ("lab.json", "known_hosts")
    kept = {name: (lab.folder.root / name).read_text() for name in names}
    machines = sorted(p.name for p in (lab.folder.root / "machines").iterdir())
    return {**kept, "machines": " ".join(machines)}


def test_it_comes_twice_and_goes_twice(main: Lab, cluster: Cluster) -> None:
    """The second is another machine; afterwards all is as before."""
    before, kept = snapshot.take(cluster), files(main)
    ids = []
    for _ in range(2):
        made = spare.fresh(cluster)
        ids.append(made.shell.read("/etc/machine-id"))
        made.shell.run(["kubeadm", "version"])
    reached = cluster.on("node3").run(["hostname"]).stdout.strip()
    gone = [spare.remove(cluster) for _ in range(2)]

    assert len(set(ids)) == 2
    assert (reached, gone) == ("node3", [True, True])
    assert snapshot.difference(before, snapshot.take(cluster)) == []
    assert files(main) == kept
    assert set(main.states()) == {"master", "node1", "node2", "depot"}


def test_its_node_and_its_token_go_with_it(main: Lab, cluster: Cluster) -> None:
    """What a killed session left: a node that nobody is, with a Pod; a token."""
    before = snapshot.take(cluster)
    spare.fresh(cluster)
    token = ["kubeadm", "token", "create", "--ttl", "5m", "--description", "node3"]
    cluster.on("master").run(token)
    node = '{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node3"}}'
    cluster.on("master").run(["sh", "-c", f"echo '{node}' | {ADMIN} create -f -"])
    cluster.close()
    with main.cluster() as other:
        left = snapshot.difference(before, snapshot.take(other))
        spare.remove(other)
        after = snapshot.difference(before, snapshot.take(other))

    assert "added: Node node3" in left
    assert any("bootstrap-token" in line for line in left)
    assert after == []


def test_one_session_has_it(main: Lab, cluster: Cluster) -> None:
    """Another is refused, and told so; nothing happens to the machine."""
    made = spare.fresh(cluster)
    env = {**os.environ, "K8SLAB_HOME": str(main.home.folder), "K8SLAB_LAB": main.name}
    argv = [sys.executable, "-c", OTHER]
    told = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)

    assert told.returncode != 0
    assert "InUse: another session has the spare machine" in told.stderr
    assert made.is_on()


def test_a_lab_that_has_it_is_stopped_and_started(main: Lab, cluster: Cluster) -> None:
    """The lab comes up without the machine, whose session is alive; it is made anew."""
    spare.fresh(cluster)
    stopped = main.run("stop")
    started = main.run("start")
    states = main.states()

    assert (stopped.returncode, started.returncode) == (0, 0), started.text
    assert states["node3"] != "running"
    assert spare.fresh(cluster).is_on()
    assert spare.remove(cluster)


def test_up_removes_what_a_killed_session_added(main: Lab, cluster: Cluster) -> None:
    """Its machine; that of a session which is alive it leaves alone."""
    before = snapshot.take(cluster)
    env = {**os.environ, "K8SLAB_HOME": str(main.home.folder), "K8SLAB_LAB": main.name}
    subprocess.run([sys.executable, "-c", OTHER], env=env, check=True)
    left = set(main.states())
    said = main.run("up")

    assert "node3" in left
    assert "what an ended session added" in said.text
    assert set(main.states()) == {"master", "node1", "node2", "depot"}
    assert snapshot.difference(before, snapshot.take(cluster)) == []
