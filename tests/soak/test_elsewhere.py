"""Chapters run on docker's machines, on machines that SSH reaches, in a cluster."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import adopting
import own_docker
import pytest
import yaml
from inventories import document, machines, sudo, write
from labs import Home, Lab
from paths import K8SLAB, ROOT

from k8slab import wait
from k8slab.kube import snapshot
from k8slab.kube.cluster import Cluster
from labmaker.bundle.components import chapter_images

CHAPTERS = ("pods-and-controllers", "service-access")
PREFIX = "registry.example/team/book"
LIMIT_S = 900
POLICY = f"""\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: Metadata
    users: [{adopting.USER}]
    verbs: [create, update, patch, delete, deletecollection]
  - level: None
"""
_POLICY = "/etc/kubernetes/pki/audit.yaml"  # a folder that the API server sees
_MANIFEST = "/etc/kubernetes/manifests/kube-apiserver.yaml"
# Questions about oneself, of which nothing is kept.
_QUESTIONS = ("selfsubjectaccessreviews", "selfsubjectrulesreviews")


def chapters(env: Mapping[str, str], driver: Sequence[str] = ()) -> tuple[int, int]:
    """Run the chapters under pytest; return how many cells passed and were skipped.

    Args:
        env: Which lab is meant.
        driver: Words before the command.
    """
    argv = [*driver, sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    argv += [f"chapters/{name}.ipynb" for name in CHAPTERS]
    done = subprocess.run(
        argv,
        cwd=ROOT,
        env={**os.environ, "K8SLAB_REQUIRED": "0", **env},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    *_, last = done.stdout.splitlines()
    counts = {word: int(n) for n, word in re.findall(r"(\d+) (passed|skipped)", last)}
    return counts["passed"], counts.get("skipped", 0)


def test_chapters_run_on_dockers_machines(home: Home) -> None:
    """Inside of the network of a docker that reaches nothing else."""
    name = home.lab("docker").name
    with own_docker.daemon() as daemon:
        inside = [*daemon.inside]
        env = {**daemon.env, "K8SLAB_LAB": name, "K8SLAB_HOME": str(home.folder)}

        def do(verb: str) -> None:
            driver = [*inside, str(K8SLAB)]
            said = home.run(verb, env=env, driver=driver, timeout=600)
            assert said.returncode == 0, said.text

        try:
            do("up")
            assert chapters(env, inside)[1] == 0
        finally:
            do("down")
    assert name not in home.labs()


def test_chapters_run_on_machines_of_an_inventory(home: Home, tmp_path: Path) -> None:
    """What the reader's machines cannot do is no part of these chapters."""
    package = sudo(tmp_path)
    if package is None:
        pytest.skip("this computer knows no mirror that has the package sudo")
    with machines(home, package) as foreign:
        write(tmp_path / "hosts.yaml", document(foreign))
        own = home.up("own", "--inventory", str(tmp_path / "hosts.yaml"))
        with own.cluster() as cluster:
            before = snapshot.take(cluster)
            env = {"K8SLAB_LAB": own.name, "K8SLAB_HOME": str(home.folder)}
            assert chapters(env)[1] == 0
            assert snapshot.difference(before, snapshot.take(cluster)) == []
        assert own.run("down", "--yes").returncode == 0


@contextmanager
def audited(own: Cluster) -> Iterator[list[dict[str, Any]]]:
    """Have the API server tell each write of the guest; they are there at the end."""
    events: list[dict[str, Any]] = []
    master = own.on("master")
    plain = master.read(_MANIFEST)
    manifest = yaml.safe_load(plain)
    command = manifest["spec"]["containers"][0]["command"]
    command += [f"--audit-policy-file={_POLICY}", "--audit-log-path=-"]
    master.put(_POLICY, POLICY)
    _served(own, yaml.safe_dump(manifest))
    yield events
    logs = ["logs", "--namespace=kube-system", "kube-apiserver-master"]
    lines = own.kubectl([*logs, "--tail=-1"]).stdout.splitlines()
    events += [json.loads(line) for line in lines if line.startswith('{"kind":"Event"')]
    _served(own, plain)
    master.run(["rm", _POLICY])


def _served(own: Cluster, manifest: str) -> None:
    """Give the API server another manifest, and wait until it has it."""
    master = own.on("master")
    master.put(_MANIFEST, manifest, mode=0o600)
    wanted = "--audit-log-path=-" in manifest

    def is_so() -> bool:
        running = master.script("pgrep -af ^kube-apiserver || true").stdout.splitlines()
        return ["--audit-log-path=-" in line for line in running] == [wanted]

    wait.until(is_so, what="another API server", want="its process", timeout=120)
    wait.nodes(own, ready=3, timeout=120)


def test_chapters_run_in_an_adopted_cluster(
    main: Lab, home: Home, tmp_path: Path
) -> None:
    """What needs machines is skipped; nothing outside their namespaces is written."""
    env = {"K8SLAB_HOME": str(tmp_path / "labs"), "K8SLAB_LAB": "team"}
    with main.cluster() as own:
        for node in ("node1", "node2"):
            for image in chapter_images():
                full = main.record.images[image.name]
                alias = f"{full} {PREFIX}/{full.partition('/')[2]}"
                own.on(node).run(["crictl", "pull", full])
                own.on(node).script(f"ctr -n k8s.io images tag --force {alias}")
        before = snapshot.take(own)
        with audited(own) as events:
            config = adopting.guest(main, own, tmp_path)
            adopt = ["adopt", "--kubeconfig", str(config), "--context", "guests"]
            said = home.run(*adopt, "--images", PREFIX, env=env)
            assert said.returncode == 0, said.text
            passed, skipped = chapters(env)
            assert home.run("down", env=env).returncode == 0
        adopting.withdraw(main)
        left = snapshot.difference(before, snapshot.take(own))

    refs = [event.get("objectRef", {}) for event in events]
    kept = [ref for ref in refs if ref.get("resource") not in _QUESTIONS]
    places = {
        ref.get("name") if ref["resource"] == "namespaces" else ref.get("namespace")
        for ref in kept
    }
    print(f"{passed} cells passed, {skipped} skipped, {len(kept)} writes in {places}")
    assert len(kept) > 20
    assert places == set(CHAPTERS)
    assert passed > 20
    assert skipped > 0
    assert left == []
