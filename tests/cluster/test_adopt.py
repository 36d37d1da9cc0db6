"""A lab's cluster is adopted by a kubeconfig alone, and is afterwards as it was."""

from collections.abc import Iterator
from pathlib import Path

import adopting
import pytest
from labs import Home, Lab
from paths import ROOT

from k8slab import lab, probe, wait
from k8slab.errors import ApiError, NoMachines
from k8slab.kube import snapshot
from k8slab.kube.cluster import Cluster

PREFIX = "registry.example/team/book"
MANIFEST = ROOT / "manifests" / "service-access" / "rc-echo.yaml"


@pytest.fixture
def own(main: Lab) -> Iterator[Cluster]:
    """Connect as the lab's owner, by the lab's own folder."""
    with main.cluster() as cluster:
        yield cluster


@pytest.fixture
def guest(main: Lab, own: Cluster, tmp_path: Path) -> Iterator[Path]:
    """Return the kubeconfig of somebody who may do only what is namespaced."""
    yield adopting.guest(main, own, tmp_path)
    adopting.withdraw(main)


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Keep labs in another folder, as on another computer."""
    env = {"K8SLAB_HOME": str(tmp_path / "labs"), "K8SLAB_LAB": "team"}
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    return env


def test_a_chapters_work_in_an_adopted_cluster_leaves_nothing(
    home: Home, own: Cluster, guest: Path, elsewhere: dict[str, str]
) -> None:
    """Pods of the reader's images run, machines are refused, and 'down' forgets."""
    alias = f"registry.lab/echo:1 {PREFIX}/echo:1"
    for node in ("node1", "node2"):
        own.on(node).script(f"ctr -n k8s.io images tag --force {alias}")
    before = snapshot.take(own)
    adopt = ["adopt", "--kubeconfig", str(guest), "--context", "guests"]
    said = home.run(*adopt, "--images", PREFIX, env=elsewhere)
    assert said.returncode == 0, said.text

    cluster = lab.connect("team")
    try:
        ns = cluster.scratch("adopted")
        cluster.kubectl(["apply", "-f", str(MANIFEST)])
        first, second, _ = wait.pods(ns, "app=echo", ready=3, timeout=60)
        assert probe.echo(first, 12345, from_=second).pod == first.name
        container = ns.get("pod", first.name)["spec"]["containers"][0]
        assert container["image"] == f"{PREFIX}/echo:1"
        with pytest.raises(NoMachines):
            cluster.on("node1")
        with pytest.raises(ApiError, match="Forbidden"):
            cluster.get("node", "master")
        ns.remove()
    finally:
        cluster.close()

    status = home.run("status", env=elsewhere)
    assert "(adopted)" in status.stdout
    assert "answers" in status.stdout
    down = home.run("down", env=elsewhere)
    assert "nothing in it was touched" in down.text
    assert not (Path(elsewhere["K8SLAB_HOME"]) / "team").exists()
    for node in ("node1", "node2"):
        own.on(node).script(f"ctr -n k8s.io images rm {PREFIX}/echo:1")
    assert snapshot.difference(before, snapshot.take(own)) == []
