"""A lab's folder is all that a lab needs once it is up: no bundle, no recipe."""

import json
from pathlib import Path

import pytest
from labs import Lab, podman

from k8slab.core.env import Environment
from k8slab.errors import BundleError
from labmaker.bundle import Bundle, source


@pytest.fixture(params=["is gone", "was made of something else"])
def bundle(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Have no bundle any more, or one that a recipe has left behind."""
    if request.param != "is gone":
        manifest = Environment.read().cache / "manifest.json"
        told = json.loads(manifest.read_text())
        store = next(each for each in told["artefacts"] if each["name"] == "store")
        store["key"] = "0" * 64
        (tmp_path / "manifest.json").write_text(json.dumps(told))
    monkeypatch.setenv("K8SLAB_CACHE", str(tmp_path))
    with pytest.raises(BundleError):
        Bundle.open(tmp_path, source())


@pytest.mark.usefixtures("bundle")
def test_a_lab_goes_on_without_its_bundle(main: Lab) -> None:
    """Connect, kubectl, ssh, status, stop, start and up need its folder alone."""
    with main.cluster() as cluster:
        ready = [node.ready for node in cluster.nodes()]
    commands = [
        ("status",),
        ("ssh", "node1", "hostname"),
        ("stop",),
        ("start",),
        ("up",),
    ]
    failed = [said.text for said in (main.run(*c) for c in commands) if said.returncode]
    said = main.kubectl("get", "nodes", "--no-headers")

    assert ready == [True] * 3
    assert failed == []
    assert said.stdout.count(" Ready ") == 3


def test_machines_see_nothing_but_the_labs_own_files(main: Lab) -> None:
    """What is mounted lies below the lab's folder, so the bundle may be removed."""
    names = [f"k8slab-{main.name}-{machine}" for machine in main.states()]
    mounts = [
        json.loads(podman("inspect", "--format={{json .Mounts}}", name))
        for name in names
    ]
    outside = [
        mount["Source"]
        for each in mounts
        for mount in each
        if not Path(mount["Source"]).is_relative_to(main.folder.root)
    ]

    assert len(mounts) == 4
    assert all(mounts)
    assert outside == []


def test_a_machines_power_is_cut_and_given_back(main: Lab) -> None:
    """By the commands that the folder names; the cluster sees its node again."""
    with main.cluster() as cluster:
        node = cluster.machine("node2")
        node.power_off()
        node.power_off()  # a cell may be run twice
        off = node.is_on()
        node.power_on()
        boot = node.shell.run(["cat", "/proc/uptime"])

    assert off is False
    assert boot.ok
    assert main.run("up").returncode == 0


def test_a_lab_of_another_schema_is_refused_with_the_way_on(main: Lab) -> None:
    """The error says what to type."""
    kept = main.folder.record_file.read_text()
    other = {**json.loads(kept), "schema": 0}
    main.folder.record_file.write_text(json.dumps(other))
    try:
        said = main.run("status")
    finally:
        main.folder.record_file.write_text(kept)

    assert said.returncode == 1
    assert "schema 0" in said.stderr
    assert f"k8slab down --name {main.name}" in said.stderr
