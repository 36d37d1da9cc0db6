"""Faults of several sessions: none restores what is broken, keeps, or takes away."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from fakes.broken import ROUTE, SPOILT, WELL, Worker, notes
from fakes.shell import FakeShell

from k8slab import fault
from k8slab.core import files, poll
from k8slab.errors import (
    BadInput,
    CertificateExpired,
    HostProblem,
    InUse,
    LabError,
    LabMissing,
    NotReady,
)
from k8slab.fault import _journal
from k8slab.fault._kind import Seen
from k8slab.kube.cluster import Cluster

Session = Callable[..., "subprocess.Popen[str]"]
LEFT = """
import sys
from pathlib import Path
from k8slab.fault import _journal
from k8slab.folder import LabFolder
folder = LabFolder(Path(sys.argv[1]), sys.argv[2])
print(*(note.entry.fault for note in _journal.left(folder)))
"""
pytestmark = pytest.mark.slow

NOT_READY = NotReady("node1 does not answer", wanted="it does", seen="no", waited_s=1)


def kill(session: subprocess.Popen[str]) -> None:
    """End a session as a killed kernel ends."""
    session.kill()
    session.wait()


def left_to_others(cluster: Cluster) -> list[str]:
    """Return the faults that another session may undo now."""
    argv = [sys.executable, "-c", LEFT, str(cluster.folder.home), cluster.lab]
    return subprocess.run(
        argv, capture_output=True, text=True, check=True
    ).stdout.split()


def impatient(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Give up soon what would be waited for long."""
    for name in names:
        monkeypatch.setattr(type(fault.find(name)), "health_s", 0.2)


@pytest.fixture
def broken(cluster: Cluster, fake: Any, workers: dict[str, Worker]) -> Worker:
    """Break by hand what three faults break; return the worker that is part of it."""
    worker = workers["node1"]
    worker.config = SPOILT
    worker.running.discard("kubelet")
    worker.tell()
    master: Any = cluster.on("master")
    master.answer = lambda text: (1, "", "")
    corefile = {"metadata": {"name": "coredns"}, "data": {"Corefile": "kubernets {}"}}
    fake.put("configmaps", corefile, "kube-system")
    dns = {"metadata": {"name": "coredns"}, "spec": {"replicas": 2}}
    fake.put("deployments", dns, "kube-system")
    return worker


@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("kubelet-misconfigured", "node1"),
        ("bad-static-manifest", ""),
        ("dns-broken", ""),
    ],
)
def test_what_is_broken_already_is_neither_noted_nor_written_back(
    cluster: Cluster,
    fake: Any,
    broken: Worker,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    where: str,
) -> None:
    """The reader's own repair stays, whoever connects then."""
    impatient(monkeypatch, name)
    written: list[str] = []
    monkeypatch.setattr(
        FakeShell, "put", lambda _, path, *__, **___: written.append(path)
    )
    with pytest.raises(NotReady, match="before it is broken"):
        fault.inject(name, where).begin()
    broken.config = WELL

    assert notes(cluster) == []
    assert fault.heal(cluster) == []
    assert (broken.config, broken.asked, written) == (WELL, [], [])
    assert not [each for each in fake.requests if not each.startswith("GET")]


def test_what_a_living_session_has_broken_is_not_broken_again(
    cluster: Cluster, workers: dict[str, Worker], session: Session
) -> None:
    """Nor repaired under its hands; and it is refused without a wait."""
    session("kubelet-stopped=node1")
    workers["node1"].running.discard("kubelet")

    with pytest.raises(InUse, match="alive") as refused:
        fault.inject("kubelet-stopped", "node1").begin()

    assert refused.value.where == "node1"
    assert "fault.heal(cluster)" in refused.value.next
    assert workers["node1"].asked == []
    assert notes(cluster) == ["kubelet-stopped"]


def test_it_is_said_that_another_session_broke_something_here(
    cluster: Cluster,
    workers: dict[str, Worker],
    session: Session,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where, and not what: that one may have drawn it, and its reader looks for it."""
    impatient(monkeypatch, "containerd-stopped")
    session("bad-static-manifest=", "powered-off=node2", "image-pull=chapter")
    workers["node1"].running.discard("kubelet")

    with pytest.raises(NotReady) as caught:
        fault.inject("containerd-stopped", "node1").begin()

    told = "session that is alive has broken something on the control plane:"
    assert told in caught.value.next
    assert "static" not in str(caught.value)


def test_a_worker_that_a_living_session_has_broken_is_not_broken_in_another_way(
    cluster: Cluster, workers: dict[str, Worker], session: Session
) -> None:
    """One would save what the other changed; which one it is, is not said."""
    session("disk-pressure=node1", "dns-broken=", "image-pull=node2")

    with pytest.raises(InUse, match="something on this machine") as refused:
        fault.inject("kubelet-misconfigured", "node1").begin()
    fault.inject("kubelet-misconfigured", "node2").admit()

    assert refused.value.where == "node1"
    assert "disk" not in str(refused.value)
    assert workers["node1"].asked == []
    assert notes(cluster) == ["disk-pressure", "dns-broken", "image-pull"]


PAIRS = [
    ("disk-pressure", "kubelet-misconfigured", ["restart kubelet", "restore"]),
    ("pod-route-away", "kubelet-misconfigured", ["restart kubelet"]),
    ("disk-pressure", "containerd-stopped", ["start containerd", "restore"]),
    ("pod-route-away", "disk-pressure", ["restore"]),
]


@pytest.mark.parametrize(("outer", "inner", "undone"), PAIRS)
def test_one_session_may_break_a_worker_in_two_ways(
    cluster: Cluster,
    workers: dict[str, Worker],
    outer: str,
    inner: str,
    undone: list[str],
) -> None:
    """They are undone in reverse, and nothing of either is left."""
    worker = workers["node1"]
    first = fault.inject(outer, "node1", awaited=False)
    second = fault.inject(inner, "node1", awaited=False)
    with first, second:
        assert notes(cluster) == [outer, inner]
        done = len(worker.asked)

    assert list(dict.fromkeys(worker.asked[done:])) == undone
    assert (worker.config, worker.route, worker.disk) == (WELL, ROUTE, "")
    assert worker.running == {"kubelet", "containerd"}
    assert notes(cluster) == []


def test_a_small_disks_configuration_is_not_put_on_the_real_one(
    cluster: Cluster, workers: dict[str, Worker]
) -> None:
    """The kernel was killed, and the lab stopped and started: the small one is gone."""
    worker = workers["node1"]
    for name in ("disk-pressure", "kubelet-misconfigured"):
        fault.inject(name, "node1", awaited=False).begin()
    worker.unmount()
    worker.answer("systemctl start kubelet")

    fault.heal(cluster)

    assert worker.config == WELL
    assert notes(cluster) == []


OTHER = "kind: KubeletConfiguration\na: 1\nfileCheckFrequency: {}\nb: 2\n"


@pytest.mark.parametrize(
    ("now", "running", "kept"),
    [("1sec", False, "20s"), ("1 sec", False, "20s"), ("1s", True, "1s")],
    ids=["spoilt", "repaired in vain", "repaired otherwise"],
)
def test_of_a_kubelets_configuration_only_what_was_spoilt_is_put_back(
    cluster: Cluster,
    workers: dict[str, Worker],
    now: str,
    running: bool,
    kept: str,
) -> None:
    """A repair that works is the reader's; nothing else of the file is written."""
    worker = workers["node1"]
    injected = fault.inject("kubelet-misconfigured", "node1", awaited=False)
    injected.begin()
    worker.config = OTHER.format(now)
    if running:
        worker.answer("systemctl start kubelet")
    injected.repair()
    repaired = worker.config
    injected.undo()

    assert (repaired, worker.config) == (OTHER.format(kept), OTHER.format("20s"))
    assert worker.running == {"kubelet", "containerd"}


@pytest.mark.parametrize(
    "now",
    ["", OTHER.format("20s").replace("2\n", "2sec\n"), None],
    ids=["emptied", "another line spoilt", "moved away"],
)
def test_a_kubelets_configuration_that_a_repair_destroyed_is_put_back(
    cluster: Cluster, workers: dict[str, Worker], now: str | None
) -> None:
    """All of it, or the kubelet would never run again."""
    worker = workers["node1"]
    injected = fault.inject("kubelet-misconfigured", "node1", awaited=False)
    injected.begin()
    worker.config = now or ""
    shell: Any = cluster.on("node1")
    if now is None:
        shell.read = lost
    injected.undo()

    assert worker.config == WELL
    assert worker.running == {"kubelet", "containerd"}


def lost(path: str) -> str:
    """Find no such file."""
    raise LabError("node1 has no such file", where=path)


def test_what_another_session_broke_meanwhile_is_not_saved(
    cluster: Cluster,
    workers: dict[str, Worker],
    session: Session,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Both were admitted, and it was healthy when it was looked at."""
    kind = type(fault.find("kubelet-misconfigured"))
    save, worker = kind.save, workers["node1"]
    looks = iter(range(9))

    def late(self: Any, at: Any) -> Any:
        if next(looks) == 1:  # the first one is a look for health
            session("kubelet-misconfigured=node1")
            worker.config = SPOILT
        return save(self, at)

    monkeypatch.setattr(kind, "save", late)
    with pytest.raises(InUse, match="alive"):
        fault.inject("kubelet-misconfigured", "node1").begin()

    assert (worker.config, worker.asked) == (SPOILT, [])
    assert notes(cluster) == ["kubelet-misconfigured"]


def empty(cluster: Cluster) -> None:
    """Empty the journal, as a reset of the lab in a terminal does."""
    shutil.rmtree(cluster.folder.journal)


def test_what_was_noted_of_a_lab_that_was_made_anew_is_not_put_into_it(
    cluster: Cluster, workers: dict[str, Worker]
) -> None:
    """Neither repaired nor undone at the end of its block, for nothing is broken."""
    worker = workers["node1"]
    with fault.inject("kubelet-stopped", "node1"):
        empty(cluster)
        worker.asked.clear()

    assert worker.asked == []
    assert not cluster.folder.journal.exists()


def test_a_workload_that_was_undone_in_its_block_is_not_made_again(
    cluster: Cluster, fake: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody would remove it."""
    kind = type(fault.find("image-pull"))
    for step in ("prepare", "inject"):
        monkeypatch.setattr(kind, step, lambda *_: None)
    monkeypatch.setattr(kind, "healthy", lambda *_: Seen(True, "whole"))
    fake.put("namespaces", {"metadata": {"name": "chapter"}})
    with fault.inject("image-pull", "chapter", awaited=False) as injected:
        fault.heal(cluster)
        fake.requests.clear()

    assert injected.is_undone
    assert not [each for each in fake.requests if not each.startswith("GET")]


@pytest.mark.parametrize("by_another", [True, False])
def test_what_was_given_back_is_undone_by_whoever_holds_it(
    cluster: Cluster,
    workers: dict[str, Worker],
    monkeypatch: pytest.MonkeyPatch,
    by_another: bool,
) -> None:
    """It is held again first, or left alone."""
    impatient(monkeypatch, "kubelet-stopped")
    worker = workers["node1"]
    injected = fault.inject("kubelet-stopped", "node1")
    injected.begin()
    worker.stuck = True
    with pytest.raises(NotReady):
        injected.undo()
    worker.stuck = False
    worker.asked.clear()
    (path,) = _journal.entries(cluster.folder)
    handle = files.hold(path) if by_another else None
    injected.undo()

    assert worker.asked == ([] if by_another else ["start kubelet"])
    assert notes(cluster) == (["kubelet-stopped"] if by_another else [])
    if handle is not None:
        os.close(handle)


def test_what_an_ended_session_broke_is_undone_first(
    cluster: Cluster, workers: dict[str, Worker], session: Session
) -> None:
    """Also where it ended after this one had connected."""
    kill(session("kubelet-stopped=node1", "containerd-stopped=node2"))
    workers["node1"].running.discard("kubelet")

    fault.inject("kubelet-stopped", "node1").begin()

    assert workers["node1"].asked == ["start kubelet", "stop kubelet"]
    assert left_to_others(cluster) == ["containerd-stopped"]


def test_what_takes_something_away_may_be_begun_twice(
    cluster: Cluster, workers: dict[str, Worker]
) -> None:
    """It is given back before the place is looked at."""
    fault.inject("pod-route-away", "node1").begin()
    again = fault.inject("pod-route-away", "node1")

    again.begin()

    assert again.symptom
    assert notes(cluster) == ["pod-route-away"]


def test_what_is_left_in_a_stopped_lab_is_left_to_whoever_starts_it(
    cluster: Cluster, workers: dict[str, Worker], session: Session
) -> None:
    """What an ended session broke, and what this one did."""
    fault.inject("kubelet-stopped", "node1").begin()
    kill(session("containerd-stopped=node2"))
    master: Any = cluster.on("master")
    master.is_up = lambda: False

    assert fault.heal(cluster) == []
    assert left_to_others(cluster) == ["containerd-stopped", "kubelet-stopped"]
    assert fault.standing(cluster) == (0, 2)


def test_what_cannot_be_undone_is_left_to_others(
    cluster: Cluster,
    workers: dict[str, Worker],
    session: Session,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As the error says; what was undone beside it is over."""
    impatient(monkeypatch, "kubelet-stopped", "containerd-stopped")
    kill(session("kubelet-stopped=node1", "containerd-stopped=node2"))
    workers["node1"].running.discard("kubelet")
    workers["node1"].stuck = True
    workers["node1"].tell()

    with pytest.raises(NotReady, match="as it was before"):
        fault.heal(cluster)

    assert notes(cluster) == ["kubelet-stopped"]
    assert left_to_others(cluster) == ["kubelet-stopped"]
    workers["node1"].stuck = False
    assert fault.heal(cluster) == ["kubelet-stopped on node1"]


def test_a_cell_that_could_not_be_undone_may_be_run_again(
    cluster: Cluster, workers: dict[str, Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left of it is undone first, though this session gave it back."""
    impatient(monkeypatch, "kubelet-stopped")
    first = fault.inject("kubelet-stopped", "node1")
    first.begin()
    workers["node1"].stuck = True
    with pytest.raises(NotReady):
        first.undo()
    workers["node1"].stuck = False

    fault.inject("kubelet-stopped", "node1").begin()

    assert notes(cluster) == ["kubelet-stopped"]
    assert left_to_others(cluster) == []


def test_an_entry_that_cannot_be_read_keeps_no_other(
    cluster: Cluster, session: Session
) -> None:
    """It is told, and nothing is held that nobody is going to undo."""
    kill(session("kubelet-stopped=node1"))
    oldest = cluster.folder.journal / f"{1:020d}.json"
    oldest.write_text("{")

    with pytest.raises(LabError, match="journal"):
        _journal.left(cluster.folder)

    oldest.unlink()
    assert left_to_others(cluster) == ["kubelet-stopped"]


@pytest.mark.parametrize("step", ["undo", "undone"])
@pytest.mark.parametrize(
    "error", [NOT_READY, CertificateExpired("too old"), HostProblem("no memory")]
)
def test_one_that_is_not_undone_yet_does_not_keep_the_others(
    cluster: Cluster,
    workers: dict[str, Worker],
    session: Session,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    error: LabError,
) -> None:
    """It is tried again, as after a wait of its own that ended in vain."""
    kind = type(fault.find("containerd-stopped"))
    act, errors = getattr(kind, step), [error]

    def fail(self: object, at: object) -> object:
        if errors:
            raise errors.pop()
        return act(self, at)

    monkeypatch.setattr(kind, step, fail)
    kill(session("kubelet-stopped=node1", "containerd-stopped=node2"))

    assert len(fault.heal(cluster)) == 2
    assert notes(cluster) == []


@pytest.mark.parametrize("step", ["undo", "undone"])
@pytest.mark.parametrize(
    "error",
    [CertificateExpired("too old"), HostProblem("no engine"), LabMissing("no kubectl")],
)
def test_what_lasts_is_told_with_its_own_advice(
    cluster: Cluster,
    workers: dict[str, Worker],
    session: Session,
    monkeypatch: pytest.MonkeyPatch,
    error: LabError,
    step: str,
) -> None:
    """Long before the deadline; the lab is not what has to be made anew."""

    def fail(*_: object) -> object:
        raise error

    monkeypatch.setattr(poll, "GRACE_S", 0.3)
    kill(session("kubelet-stopped=node1"))
    with monkeypatch.context() as patch:
        patch.setattr(type(fault.find("kubelet-stopped")), step, fail)
        with pytest.raises(type(error)) as caught:
            fault.heal(cluster)

    assert caught.value is error
    assert left_to_others(cluster) == ["kubelet-stopped"]
    assert fault.heal(cluster) == ["kubelet-stopped on node1"]


@pytest.mark.parametrize("error", [BadInput("no such lab"), InUse("a chapter is open")])
def test_what_no_second_try_mends_is_raised_at_once(
    cluster: Cluster,
    workers: dict[str, Worker],
    session: Session,
    monkeypatch: pytest.MonkeyPatch,
    error: LabError,
) -> None:
    """And is left to others, too."""

    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(type(fault.find("kubelet-stopped")), "undo", refuse)
    kill(session("kubelet-stopped=node1"))

    with pytest.raises(type(error)):
        fault.heal(cluster)
    assert left_to_others(cluster) == ["kubelet-stopped"]
