"""Bad input: a clear error, the exit code of its kind, and nothing lost or left."""

import os
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from labs import Home, Lab, engine_states
from paths import K8SLAB, ROOT

from k8slab import show
from k8slab.core.env import Environment
from k8slab.core.process import LocalRunner
from k8slab.errors import BadManifest
from labmaker.bundle import opened
from labmaker.host.firewall import slots_with_rules
from labmaker.plan import SLOTS, AddressPlan

COMMANDS = ("ip", "iptables", "iptables-restore", "iptables-save", "runc", "cp", "true")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("up", "--nodes", "0"), "1 to 9"),
        (("up", "--nodes", "10"), "1 to 9"),
        (("up", "--image", "none"), "ready, bare"),
        (("up", "--slot", "8"), "0 to 7"),
        (("up", "--name", "Not-A-Name"), "lower-case"),
        (("up", "--name", "../../etc"), "lower-case"),
        (("down", "--name", "../../etc"), "lower-case"),
        (("up", "--no-such-option"), "No such option"),
    ],
)
def test_what_cannot_be_is_refused(home: Home, words: list[str], told: str) -> None:
    """Exit code 2, and nothing was made."""
    known = home.labs()
    name = () if "--name" in words else ("--name", home.lab("bad").name)

    said = home.run(*words, *name)

    assert said.returncode == 2
    assert told in said.stderr
    assert "Traceback" not in said.stderr
    assert home.labs() == known


@pytest.mark.parametrize("word", ["stop", "start", "reset", "status", "ssh", "kubectl"])
def test_a_lab_that_is_not_there_is_said_to_be_missing(home: Home, word: str) -> None:
    """Exit code 5, with the command that makes it."""
    nobody = home.lab("nobody")
    rest = {"ssh": ["master"], "kubectl": ["get", "nodes"]}.get(word, [])
    name = [] if word == "kubectl" else ["--name", nobody.name]

    said = home.run(word, *name, *rest, env={"K8SLAB_LAB": nobody.name})

    assert said.returncode == 5
    assert f"k8slab up --name {nobody.name}" in said.stderr
    assert nobody.name not in home.labs()


def test_down_without_a_lab_says_so(home: Home) -> None:
    """There is nothing wrong with that."""
    said = home.run("down", "--name", home.lab("nobody").name)

    assert said.returncode == 0
    assert "no such lab" in said.stderr


def test_an_unknown_machine_is_refused(main: Lab) -> None:
    """Exit code 2, with the names there are."""
    said = main.run("ssh", "nope")

    assert said.returncode == 2
    assert "master, node1, node2, depot" in said.stderr


@pytest.mark.parametrize(
    "words", [("--nodes", "3"), ("--image", "bare"), ("--slot", "7")]
)
def test_other_settings_are_refused(main: Lab, words: list[str]) -> None:
    """Exit code 2; the lab that is there stays as it is."""
    before = (main.record, main.states())

    said = main.run("up", *words)

    assert said.returncode == 2
    assert f"k8slab down --name {main.name}" in said.stderr
    assert (main.record, main.states()) == before


def test_a_missing_engine_is_named_with_its_cure(home: Home, tmp_path: Path) -> None:
    """Exit code 3, and nothing was made."""
    for name in COMMANDS:
        found = shutil.which(name)
        if found:
            (tmp_path / name).symlink_to(found)
    made = home.lab("noengine")

    said = home.run("up", "--name", made.name, env={"PATH": str(tmp_path)})

    assert said.returncode == 3
    assert "podman" in said.stderr
    assert "apt-get install" in said.stderr
    assert made.name not in home.labs()


def test_too_little_disk_is_refused(home: Home, tmp_path: Path) -> None:
    """Exit code 3; the disk is as empty as before."""
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(tmp_path)], check=True
    )
    try:
        said = Home(tmp_path).run("up", "--name", home.lab("nodisk").name)
        files = [p.name for p in tmp_path.iterdir() if p.is_dir()]
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)

    assert said.returncode == 3
    assert "disk" in said.stderr
    assert "K8SLAB_HOME" in said.stderr
    assert files == []


@pytest.fixture
def taken() -> Iterator[int]:
    """Put an interface into the ranges of a free slot; return the slot."""
    plan = AddressPlan(max(set(range(SLOTS)) - slots_with_rules(LocalRunner())))
    link = ["ip", "link"]
    subprocess.run([*link, "add", "k8slab-taken", "type", "bridge"], check=True)
    try:
        address = f"{plan.network[77]}/24"
        subprocess.run(
            ["ip", "address", "add", address, "dev", "k8slab-taken"], check=True
        )
        subprocess.run([*link, "set", "k8slab-taken", "up"], check=True)
        yield plan.slot
    finally:
        subprocess.run([*link, "delete", "k8slab-taken"], check=True)


def test_an_address_range_in_use_is_refused(home: Home, taken: int) -> None:
    """Exit code 3; it names the interface, and a slot that is free."""
    made = home.lab("taken")

    said = home.run("up", "--name", made.name, "--slot", str(taken))

    assert said.returncode == 3
    assert "k8slab-taken" in said.stderr
    assert "--slot" in said.stderr
    assert made.name not in home.labs()
    assert engine_states(made.name) == {}


def test_the_slot_of_another_lab_is_refused(home: Home, main: Lab) -> None:
    """Also when that lab is of another home; it is unharmed."""
    made = home.lab("second")

    said = home.run("up", "--name", made.name, "--slot", str(main.plan.slot))

    assert said.returncode == 3
    assert "in use by another lab" in said.stderr
    assert made.name not in home.labs()
    assert set(main.states().values()) == {"running"}


@pytest.fixture(scope="module")
def copy(home: Home) -> Iterator[Path]:
    """Return a bundle of the tests' own, whose files may be broken.

    Hard links; whoever breaks a file puts a copy in its place first.
    """
    cache = Environment.read().cache
    mine = home.folder.with_name(home.folder.name + ".bundle")
    mine.mkdir()
    try:
        subprocess.run(
            ["cp", "-al", cache / "artefacts", mine / "artefacts"], check=True
        )
        shutil.copy2(cache / "manifest.json", mine)
        yield mine
    finally:
        shutil.rmtree(mine)


@pytest.fixture
def victim(copy: Path) -> Iterator[Path]:
    """Return a file of the copied bundle that may be changed."""
    (file,) = copy.glob(f"artefacts/{folder_of('go-cni')}/bin/portmap")
    whole = file.with_name("whole")
    file.rename(whole)
    shutil.copy2(whole, file)
    yield file
    whole.replace(file)


def folder_of(name: str) -> str:
    """Return the name of an artefact's folder in the cache."""
    return opened().path(name).name


def test_a_file_of_the_bundle_that_is_cut_off_is_named(
    home: Home, copy: Path, victim: Path
) -> None:
    """Exit code 4, and nothing was made."""
    made = home.lab("cutoff")
    os.truncate(victim, 1000)

    said = home.run("up", "--name", made.name, env={"K8SLAB_CACHE": str(copy)})

    assert said.returncode == 4
    assert "portmap" in said.stderr
    assert "k8slab bundle" in said.stderr
    assert made.name not in home.labs()


def test_a_file_of_the_bundle_that_was_changed_is_named(
    home: Home, copy: Path, victim: Path
) -> None:
    """'bundle verify' compares hashes, since the size is the same: exit code 4."""
    with victim.open("r+b") as file:
        file.seek(4096)
        byte = file.read(1)
        file.seek(4096)
        file.write(bytes([byte[0] ^ 1]))

    said = home.run("bundle", "verify", env={"K8SLAB_CACHE": str(copy)})

    assert said.returncode == 4
    assert "portmap" in said.stderr
    assert "wanted:" in said.stderr


def test_the_real_bundle_is_unharmed() -> None:
    """What the tests broke was a copy."""
    folder = opened().path("go-cni") / "bin"

    assert {p.name for p in folder.iterdir()} >= {"portmap", "bridge"}
    assert not (folder / "whole").exists()


FOREIGN = (
    ("--kubeconfig=/root/other", "get", "pods"),
    ("get", "pods", "--kubeconfig", "/root/other"),
    ("get", "pods", "--context=other"),
    ("get", "pods", "--context", "other"),
    ("get", "pods", "--cluster=other"),
    ("get", "pods", "--user=other"),
    ("get", "pods", "--token=other"),
    ("get", "pods", "--server={server}"),
    ("get", "pods", "--server", "{server}"),
    ("get", "pods", "-s", "{server}"),
    ("get", "pods", "-s{server}"),
    ("apply", "-f", "{server}/x.yaml"),
    ("delete", "namespace", "default", "--server={server}"),
)


@pytest.fixture(scope="module")
def stranger() -> Iterator[tuple[str, list[object]]]:
    """Listen where a foreign server would; return its address and its callers."""
    listener = socket.create_server(("127.0.0.1", 0))
    calls: list[object] = []

    def accept() -> None:
        while True:
            try:
                calls.append(listener.accept())
            except OSError:
                return

    thread = threading.Thread(target=accept)
    thread.start()
    yield f"https://127.0.0.1:{listener.getsockname()[1]}", calls
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)


@pytest.mark.parametrize("words", FOREIGN, ids=" ".join)
def test_a_foreign_cluster_is_refused(
    main: Lab, stranger: tuple[str, list[object]], words: list[str]
) -> None:
    """Exit code 2, and no request was made."""
    server, calls = stranger

    said = main.kubectl(*(word.format(server=server) for word in words))

    assert said.returncode == 2
    assert "this lab's cluster only" in said.stderr or "before kubectl" in said.stderr
    assert said.stdout == ""
    assert calls == []


POD = """\
apiVersion: v1
kind: Pod
metadata:
  name: bad
spec:
  containers:
    - name: echo
      image: registry.lab/echo:1
"""
BAD = {
    "a wrong kind": POD.replace("kind: Pod", "kind: pod"),
    "a tab": POD.replace("  name: bad", "\tname: bad"),
    "an unknown field": POD.replace("spec:\n", "spec:\n  colour: blue\n"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_manifest_is_refused_before_it_is_shown(
    main: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """And the good one beside it is not."""
    (tmp_path / "manifests").mkdir()
    monkeypatch.chdir(tmp_path)
    Path("manifests/bad.yaml").write_text(BAD[what])
    Path("manifests/good.yaml").write_text(POD)

    with main.cluster():
        shown = show.manifest("good.yaml")
        with pytest.raises(BadManifest) as caught:
            show.manifest("bad.yaml")

    assert "registry.lab/echo:1" in shown.text
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("what", BAD)
def test_a_bad_manifest_is_refused_by_the_cluster(
    main: Lab, tmp_path: Path, what: str
) -> None:
    """The exit code and words are kubectl's own; nothing is made."""
    file = tmp_path / "bad.yaml"
    file.write_text(BAD[what])

    said = main.kubectl("apply", "-f", str(file))

    assert said.returncode == 1
    assert "error" in said.stderr.lower()
    assert main.kubectl("get", "pod", "bad").returncode == 1


def test_a_node_port_that_is_taken_is_refused(main: Lab) -> None:
    """The exit code and words are kubectl's own; the Service that has it keeps it."""
    make = ("create", "service", "nodeport")
    port = "--node-port=31999"
    first = main.kubectl(*make, "first", "--tcp=80", port)
    second = main.kubectl(*make, "second", "--tcp=80", port)
    there = main.kubectl("get", "service", "first")
    main.kubectl("delete", "service", "first")

    assert (first.returncode, second.returncode, there.returncode) == (0, 1, 0)
    assert "already allocated" in second.stderr


def test_a_port_that_somebody_has_does_not_stop_jupyterlab(tmp_path: Path) -> None:
    """'make lab' takes the next one, prints its address, and Ctrl-C ends it."""
    try:
        somebody = socket.create_server(("127.0.0.1", 8888))
    except OSError:
        somebody = socket.socket()  # taken already, which is as good
    folders = ("JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR")
    env = {**os.environ, **{name: str(tmp_path / name) for name in folders}}
    # The environment is there, and no lab is touched: only JupyterLab is real here.
    book = tmp_path / "book"
    shutil.copytree(ROOT / "chapters", book / "chapters")
    shutil.copy(ROOT / "_toc.yml", book)
    stub = tmp_path / "k8slab"
    stub.write_text(
        f'#!/bin/sh\n[ "$1" != book ] || exec {K8SLAB} "$@" --root {book}\n'
    )
    stub.chmod(0o755)
    argv = ["make", "-o", ".venv/.installed", "lab", f"K8SLAB={stub}"]
    lines = []
    with (
        somebody,
        subprocess.Popen(
            argv,
            cwd=ROOT,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if "http://127.0.0.1:" in line and "token=" in line:
                break
        os.killpg(process.pid, signal.SIGINT)
        process.stdout.read()
        process.wait(30)
    text = "".join(lines)

    assert "127.0.0.1:8888/" not in text
    assert "token=" in text
    assert process.returncode != 0
