"""Paths with spaces, quotes and signs go through every program as they are."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
from fakes.host import FakeHost
from typer.testing import CliRunner

from k8slab.core.process import Completed, LocalRunner
from k8slab.folder import LabFolder
from k8slab.lab_record import LabRecord, MachineRecord, Ranges
from labmaker import cli
from labmaker.bundle import debian, transfer
from labmaker.bundle.cache import Cache
from labmaker.clone import clone, clone_store
from labmaker.plan import AddressPlan
from labmaker.providers import provider_of
from labmaker.providers.containers import PROXIES

ODD = ["my labs", 'a"b', "it's", "100%h", "a\\b", "$HOME", "#1", "a,b", "é"]
ROOM = AddressPlan(0)


@pytest.mark.slow
@pytest.mark.parametrize("folder", ODD)
def test_ssh_finds_the_labs_files_in_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    """The real ssh reads the options that it is given, and tells what it took."""
    home = tmp_path / folder
    record = LabRecord(
        "default",
        "podman",
        "1",
        (MachineRecord("master", "control-plane", IPv4Address("127.0.0.1")),),
        Ranges(
            IPv4Network("172.30.1.0/24"),
            IPv4Network("10.244.0.0/16"),
            IPv4Network("10.96.0.0/16"),
            IPv4Address("10.96.0.10"),
        ),
    )
    LabFolder(home, "default").save(record)
    monkeypatch.setenv("K8SLAB_HOME", str(home))
    monkeypatch.delenv("K8SLAB_LAB", raising=False)
    ran: list[Sequence[str]] = []
    monkeypatch.setattr(os, "execvp", lambda _, argv: ran.append(argv))
    CliRunner().invoke(cli.app, ["ssh", "master", "uptime"])
    program, *rest = ran[0]
    told = subprocess.run(
        [program, "-G", *rest], capture_output=True, text=True, check=True
    ).stdout

    said = CliRunner().invoke(cli.app, ["ssh", "master", "--name=x", "uptime"])
    CliRunner().invoke(cli.app, ["ssh", "master", "--", "crictl", "ps", "--name", "a"])
    CliRunner().invoke(cli.app, ["ssh", "master", "kubeadm", "--help"])

    assert "'k8slab ssh --name x master'" in str(said.exception)
    assert list(ran[1][-4:]) == ["crictl", "ps", "--name", "a"]
    assert list(ran[2][-2:]) == ["kubeadm", "--help"]
    known = f"userknownhostsfile {home}/default/known_hosts"
    assert known.replace("é", "\\303\\251") in told.replace("é", "\\303\\251")
    key = f"{home}/default/id_ed25519"
    assert f"identityfile {key}\n" in told.replace("%%", "%")


@pytest.mark.parametrize("name", ["a:b.tar", "my bundle.tar", "-x.tar", "é.tar"])
def test_a_bundle_is_written_and_read_under_any_name(tmp_path: Path, name: str) -> None:
    """A colon in a name is no other computer's."""
    source, target = Cache(tmp_path / "a"), Cache(tmp_path / "my cache")
    with source.making("apt", "0" * 64) as made:
        (made / "file").write_text("x")
    artefact = source.artefact("apt", "0" * 64)
    file = tmp_path / name
    transfer.export(source, [artefact], file, LocalRunner())
    transfer.import_(target, file, {"apt": "0" * 64}, ["apt"], LocalRunner())

    assert (target.folder("apt", "0" * 64) / "file").read_text() == "x"


class Refusing:
    """A computer whose file system refuses some hard links, after it made others."""

    where = "this machine"

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def run(self, argv: Sequence[str], *, check: bool = True, **_: object) -> Completed:
        """Copy as 'cp' does, but fail half way with links."""
        if "--link" not in argv:
            return LocalRunner().run(argv)
        target = Path(argv[-1])
        if Path(argv[-2]).is_dir():
            target.mkdir()
            (target / "half").touch()
        assert not check, "a failure here is no failure of the lab"
        return Completed(tuple(argv), self.where, 1, "", f"cp: {self.reason}", 0.0)


REASONS = ["Invalid cross-device link", "Operation not permitted", "Too many links"]


@pytest.mark.parametrize("reason", REASONS)
def test_what_cannot_be_linked_is_copied(tmp_path: Path, reason: str) -> None:
    """Two mounts of one disk, a file system without links, and one that has enough."""
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a").write_text("y")
    clone(tmp_path / "file", tmp_path / "copy", Refusing(reason))
    clone(tmp_path / "folder", tmp_path / "copies", Refusing(reason))

    assert (tmp_path / "copy").read_text() == "x"
    assert [p.name for p in (tmp_path / "copies").iterdir()] == ["a"]


def test_a_store_that_cannot_be_linked_is_copied(tmp_path: Path) -> None:
    """A machine's containerd writes into its own, whatever the disk."""
    golden = tmp_path / "golden"
    for name in ("metadata.v1.bolt/meta", "snapshotter.v1.overlayfs/metadata"):
        file = golden / f"io.containerd.{name}.db"
        file.parent.mkdir(parents=True)
        file.write_text("x")
    clone_store(golden, tmp_path / "own", Refusing("Invalid cross-device link"))

    assert len(list((tmp_path / "own").rglob("*.db"))) == 2


def test_what_can_be_linked_takes_no_space(tmp_path: Path) -> None:
    """The usual way stays the quick one."""
    (tmp_path / "file").write_text("x")
    clone(tmp_path / "file", tmp_path / "copy", LocalRunner())

    assert (tmp_path / "copy").stat().st_nlink == 2


@pytest.mark.parametrize("name", ["podman", "docker"])
def test_a_machine_knows_no_proxy_of_the_readers(name: str) -> None:
    """Its settings are readable by all who may ask the engine, and hold a password."""
    host = FakeHost()
    host.commands |= {"docker", "dockerd"}
    provider = provider_of(name, "test", host, host=host)
    provider.create(ROOM.machines(1, "ready")[0], "image", ())
    words = host.asked[-1]

    if name == "podman":
        assert {"--http-proxy=false", "--env-host=false"} <= set(words)
        assert {f"--unsetenv={each}" for each in PROXIES} <= set(words)
    else:
        assert {f"--env={each}=" for each in PROXIES} <= set(words)
    assert {"HTTPS_PROXY", "https_proxy", "ALL_PROXY", "no_proxy"} <= set(PROXIES)


def test_an_image_is_built_without_the_readers_proxy(tmp_path: Path) -> None:
    """What is built must not depend on it, and needs no network."""
    from labmaker.providers import build_image

    host = FakeHost()
    host.engine_says |= {"skopeo": ""}
    host.commands.add("skopeo")
    build_image(host, tmp_path, tmp_path, tmp_path / "t", "localhost/x:1", timestamp=1)
    (build,) = [argv for argv in host.asked if "build" in argv]

    assert "--http-proxy=false" in build
    assert json.dumps(host.asked).count("proxy") == 1


@pytest.mark.parametrize("folder", ODD)
def test_packages_are_fetched_into_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    """The hook is a line of shell, and apt gets the folder as one word."""
    (tmp_path / "apt-get").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (tmp_path / "apt-get").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    hook = debian._fetch(f"/srv/{folder}", ("runc",)).partition("=")[2]
    said = subprocess.run(
        ["sh", "-c", hook], capture_output=True, text=True, check=True
    ).stdout

    assert f"Dir::Cache::Archives=/srv/{folder}" in said.splitlines()
