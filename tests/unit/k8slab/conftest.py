"""A lab whose API server, machines and kubectl are fakes."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fakes import lab
from fakes.api_server import FakeApi
from fakes.broken import Sessions, Worker
from fakes.ssh_server import FakeMachine
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from k8slab.folder import LabFolder
from k8slab.kube import current
from k8slab.kube.cluster import Cluster


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeApi]:
    """Serve an API for one test."""
    folder = tmp_path / "server"
    folder.mkdir()
    server = FakeApi(folder)
    yield server
    server.close()


@pytest.fixture
def impostor(tmp_path: Path) -> Iterator[FakeApi]:
    """Serve another API, with a CA of its own."""
    folder = tmp_path / "impostor"
    folder.mkdir()
    server = FakeApi(folder)
    yield server
    server.close()


@pytest.fixture
def folder(tmp_path: Path) -> LabFolder:
    """Say where the lab of `cluster` is kept."""
    return LabFolder(tmp_path / "labs", lab.RECORD.name)


@pytest.fixture
def cluster(fake: FakeApi, folder: LabFolder) -> Iterator[Cluster]:
    """Connect to the fake API as to a lab with a master and two nodes."""
    made = lab.connect(fake, folder)
    current.use(made)
    yield made
    current.forget()
    made.close()


@pytest.fixture
def kubectl(cluster: Cluster, folder: LabFolder) -> Callable[[str], None]:
    """Give the lab a kubectl that is a shell script."""

    def write(script: str) -> None:
        folder.kubectl.write_text(f"#!/bin/sh\n{script}\n")
        folder.kubectl.chmod(0o755)

    return write


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[FakeMachine]:
    """A machine that answers on SSH; all it started ends with the test."""
    fake = FakeMachine(tmp_path)
    yield fake
    fake.close()


@pytest.fixture
def shell(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    """Return a real shell of IPython that keeps nothing."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    quiet = Config({"HistoryManager": {"enabled": False}})
    made = InteractiveShell.instance(config=quiet, colors="nocolor")
    yield made
    InteractiveShell.clear_instance()


@pytest.fixture
def workers(cluster: Cluster, fake: FakeApi) -> dict[str, Worker]:
    """Return the two workers of the fake lab, healthy."""
    return {name: Worker(cluster, fake, name) for name in ("node1", "node2")}


@pytest.fixture
def session(cluster: Cluster) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Return what starts another session that has noted down faults."""
    sessions = Sessions()
    yield partial(sessions.begin, cluster.folder)
    sessions.end()
