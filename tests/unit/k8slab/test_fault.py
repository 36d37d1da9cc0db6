"""Faults are noted down before they are made, and undone on every way out."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from fakes.broken import Worker, notes

from k8slab import fault
from k8slab.core import files
from k8slab.errors import BadInput, LabError, NotReady
from k8slab.fault._kind import Place, Seen
from k8slab.fault._surrounding import PendingTaints
from k8slab.kube.cluster import Cluster

REFUSED = {
    "phase": "Pending",
    "conditions": [
        {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": "0/3 nodes are available: 2 had untolerated taint",
        }
    ],
}


def test_a_fault_is_there_in_its_block_and_gone_after_it(
    cluster: Cluster, workers: dict[str, Worker]
) -> None:
    """Broken inside, repaired outside, and forgotten by the journal."""
    with fault.inject("kubelet-stopped", "node1") as injected:
        inside = (injected.symptom.ok, injected.health.ok, notes(cluster))

    assert inside == (True, False, ["kubelet-stopped"])
    assert workers["node1"].asked[0] == "stop kubelet"
    assert injected.health.ok
    assert notes(cluster) == []


def test_a_fault_without_its_block_says_that_nothing_is_broken(
    cluster: Cluster, workers: dict[str, Worker]
) -> None:
    """As a cell shows it whose last line is fault.inject alone."""
    alone = fault.inject("kubelet-stopped", "node1")

    assert "breaks nothing now: with fault.inject" in repr(alone)
    assert notes(cluster) == []
    with alone:
        assert repr(alone) == "Injection('kubelet-stopped', node1)"


def test_the_way_back_is_noted_down_before_the_change(
    cluster: Cluster, workers: dict[str, Worker]
) -> None:
    """When the unit is stopped, the journal has its entry already."""
    with fault.inject("kubelet-stopped", "node1"):
        pass

    assert workers["node1"].noted == [1]


def test_a_cell_that_breaks_something_may_be_run_twice(
    cluster: Cluster, workers: dict[str, Worker]
) -> None:
    """The first one is undone, another worker's is not."""
    fault.inject("kubelet-stopped", "node2").begin()
    fault.inject("kubelet-stopped", "node1").begin()

    fault.inject("kubelet-stopped", "node1").begin()

    kubelet = ["stop kubelet", "start kubelet", "stop kubelet"]
    assert [line for line in workers["node1"].asked if line in kubelet] == kubelet
    assert workers["node2"].running == {"containerd"}
    assert notes(cluster) == ["kubelet-stopped"] * 2


def test_what_counts_as_whole_and_shows_its_symptom_is_undone_first(
    cluster: Cluster, workers: dict[str, Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Controllers may notice late that it was broken."""
    kind = type(fault.find("containerd-stopped"))
    fault.inject("containerd-stopped", "node1").begin()
    monkeypatch.setattr(kind, "healthy", lambda *_: Seen(True, "whole"))
    again = fault.inject("containerd-stopped", "node1")
    again.begin()
    again.undo()

    asked = [words for words in workers["node1"].asked if "containerd" in words]
    assert asked[:3] == ["stop containerd", "start containerd", "stop containerd"]


@pytest.mark.parametrize("error", [LabError("a check failed"), KeyboardInterrupt()])
def test_an_error_or_an_interrupt_undoes_it(
    cluster: Cluster, workers: dict[str, Worker], error: BaseException
) -> None:
    """And is raised all the same."""
    with pytest.raises(type(error)), fault.inject("kubelet-stopped", "node1"):
        raise error

    assert workers["node1"].running == {"kubelet", "containerd"}
    assert notes(cluster) == []


def test_a_repair_in_the_block_is_left_as_it_is(
    cluster: Cluster, workers: dict[str, Worker]
) -> None:
    """Whoever repaired it, it is healthy, and nothing is stopped again."""
    with fault.inject("kubelet-stopped", "node1"):
        cluster.on("node1").run(["systemctl", "start", "kubelet"])

    assert workers["node1"].asked.count("stop kubelet") == 1
    assert notes(cluster) == []


def test_a_kubelet_that_has_told_nothing_since_its_start_is_not_healthy(
    cluster: Cluster, workers: dict[str, Worker]
) -> None:
    """Ready is what the one before it said; the next fault would meet half a start."""
    stopped, at = fault.find("kubelet-stopped"), Place(cluster, "node1")
    workers["node1"].silent = True
    stopped.inject(at)
    stopped.repair(at)
    early = stopped.healthy(at)
    workers["node1"].silent = False
    workers["node1"].tell()

    assert (bool(early), bool(stopped.healthy(at))) == (False, True)
    assert str(early) == "the kubelet has told nothing since it was started"


def test_a_node_that_is_not_ready_for_another_reason_is_no_symptom(
    cluster: Cluster, workers: dict[str, Worker]
) -> None:
    """As for a moment after a start, before the kubelet has looked round."""
    at = Place(cluster, "node1")
    workers["node1"].running.discard("kubelet")
    workers["node1"].tell()
    other = fault.find("containerd-stopped").shows(at)
    workers["node1"].running.discard("containerd")
    workers["node1"].tell()
    meant = fault.find("containerd-stopped").shows(at)

    assert (bool(other), bool(meant)) == (False, True)


def test_a_symptom_that_does_not_come_is_an_error_and_undone(
    cluster: Cluster, workers: dict[str, Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says what should have been seen."""
    monkeypatch.setattr(type(fault.find("kubelet-stopped")), "symptom_s", 0.2)
    workers["node1"].deaf = True

    with pytest.raises(NotReady, match="symptom of kubelet-stopped") as caught:
        fault.inject("kubelet-stopped", "node1").begin()

    assert "NotReady after 50 s" in caught.value.wanted
    assert notes(cluster) == []


def test_what_is_broken_already_is_not_broken_again(
    cluster: Cluster, workers: dict[str, Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A symptom would prove nothing there."""
    monkeypatch.setattr(type(fault.find("containerd-stopped")), "health_s", 0.2)
    workers["node1"].running.discard("kubelet")
    workers["node1"].tell()

    with pytest.raises(NotReady):
        fault.inject("containerd-stopped", "node1").begin()

    assert "stop containerd" not in workers["node1"].asked


def test_a_pod_that_a_late_scheduler_placed_is_made_anew(
    cluster: Cluster, fake: Any
) -> None:
    """The taints are there before the scheduler has heard of them."""
    for node in ("node1", "node2"):
        fake.put("nodes", {"metadata": {"name": node}, "spec": {}})
    names = iter(["placed", "placed-again", "refused"])
    made: list[str] = []

    def make(method: str, path: str) -> None:
        """Do what controller and scheduler do."""
        if (
            method == "GET"
            and path.endswith("/pods")
            and not any(fake.holds("pods", name, "t") for name in made)
        ):
            made.append(name := next(names))
            status = REFUSED if name == "refused" else {"phase": "Running"}
            node = "" if name == "refused" else "node1"
            pod = {"metadata": {"name": name, "labels": {"app": "shop"}}}
            fake.put("pods", {**pod, "spec": {"nodeName": node}, "status": status}, "t")

    fake.on_request = make
    PendingTaints().inject(Place(cluster, "t"))

    assert [r.split()[0] for r in fake.requests].count("DELETE") == 2
    assert fake.holds("pods", "refused", "t")


RANGE = "10.244.3.0/24"


@pytest.mark.parametrize(
    ("route", "words"),
    [
        ("", "no route"),
        (f"{RANGE} dev eth0 scope link", f"another way: {RANGE} dev eth0 scope link"),
        (f"blackhole {RANGE}", f"another way: blackhole {RANGE}"),
        (f"{RANGE} via 172.30.1.1 dev eth0", f"another way: {RANGE} via 172.30.1.1"),
        (f"{RANGE} via 172.30.1.13 dev eth0 metric 9", "Ready"),
    ],
)
def test_a_route_that_leads_elsewhere_is_no_repair(
    cluster: Cluster, workers: dict[str, Worker], route: str, words: str
) -> None:
    """Where the route had a gateway; what is there is said."""
    injected = fault.inject("pod-route-away", "node1")
    injected.begin()
    workers["node1"].route = f"{route}\n"

    assert injected.health.ok == (words == "Ready")
    assert words in injected.health.words


def test_a_route_without_a_gateway_need_only_be_there(
    cluster: Cluster, workers: dict[str, Worker]
) -> None:
    """Where there was none before, either."""
    workers["node1"].route = f"{RANGE} dev eth0\n"
    injected = fault.inject("pod-route-away", "node1", awaited=False)
    injected.begin()
    workers["node1"].route = f"{RANGE} dev eth0 metric 9\n"

    assert injected.health.ok


# What stands for the machine's own programs: each writes down that it was called.
PROGRAMS = """
note() {{ echo "$*" >> asked; }}
for each in {}; do eval "$each() {{ note $each; }}"; done
shopt -s nullglob
"""
EVERY = "systemctl mkdir mount cp awk fallocate umount stat rm mountpoint"
OF_SYSTEM = "systemctl mount fallocate"


def played(
    cluster: Cluster, step: str, folder: Path, programs: str
) -> subprocess.CompletedProcess[str]:
    """Run a script about a small disk in a folder of its own, in place of the root.

    Args:
        cluster: The lab.
        step: What of the fault, as ``inject``.
        folder: The folder.
        programs: Those that are only noted down.
    """
    shell: Any = cluster.on("node1")
    getattr(fault.find("disk-pressure"), step)(Place(cluster, "node1"))
    text = shell.asked[-1].replace("flock -w 20", "flock -w 0")
    for each in ("/run", "/var/lib/kubelet"):
        text = text.replace(each, f"{folder}{each}")
        (folder / each[1:]).mkdir(parents=True, exist_ok=True)
    argv = ["bash", "-Eeuo", "pipefail", "-c", PROGRAMS.format(programs) + text]
    return subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("step", ["inject", "undo"])
@pytest.mark.parametrize("is_held", [True, False], ids=["held", "free"])
def test_no_script_about_a_small_disk_overtakes_another(
    cluster: Cluster, tmp_path: Path, step: str, is_held: bool
) -> None:
    """One goes on when its session is killed; whoever undoes it waits for its end."""
    (tmp_path / "run" / "k8slab-small-disk").mkdir(parents=True)
    lock = tmp_path / "run" / "k8slab-disk.lock"
    lock.touch()
    handle = files.hold(lock) if is_held else None
    done = played(cluster, step, tmp_path, EVERY)
    if handle is not None:
        os.close(handle)

    assert (done.returncode != 0) == is_held, done.stderr
    assert (tmp_path / "asked").exists() != is_held
    assert ("another script has held" in done.stderr) == is_held


LIMITS = {
    "none": "",
    "an empty list": "evictionHard: {}\n",
    "others": "evictionHard:\n    memory.available: 100Mi\n",
    "a lab's": "evictionHard:\n  memory.available: 100Mi\n  nodefs.available: 0%\n",
}


@pytest.mark.parametrize("limits", LIMITS.values(), ids=LIMITS)
def test_a_small_disk_is_full_whatever_the_kubelet_was_told(
    cluster: Cluster, tmp_path: Path, limits: str
) -> None:
    """The kubelet of a machine that was there is told of no limits at all."""
    folder = tmp_path / "var" / "lib" / "kubelet"
    (folder / "pki").mkdir(parents=True)
    first, last = "clusterDNS:\n- 10.96.0.10\n", "evictionMaxPodGracePeriod: 0\n"
    before = f"{first}{limits}evictionPressureTransitionPeriod: 0s\n{last}"
    (folder / "config.yaml").write_text(before)
    done = played(cluster, "inject", tmp_path, OF_SYSTEM)

    assert done.returncode == 0, done.stderr
    small = (tmp_path / "run" / "k8slab-small-disk" / "config.yaml").read_text()
    assert yaml.safe_load(small) == {
        "clusterDNS": ["10.96.0.10"],
        "evictionMaxPodGracePeriod": 0,
        "evictionHard": {"nodefs.available": "50%"},
        "evictionPressureTransitionPeriod": "5s",
    }
    assert (folder / "config.yaml").read_text() == before


@pytest.mark.parametrize("where", ["", "master", "node9"])
def test_a_place_that_does_not_fit_is_refused(
    cluster: Cluster, workers: dict[str, Worker], where: str
) -> None:
    """A fault of workers takes one of the workers."""
    with pytest.raises(BadInput, match="acts on a worker"):
        fault.inject("kubelet-stopped", where).begin()

    assert notes(cluster) == []


def test_an_unknown_fault_is_refused(cluster: Cluster) -> None:
    """With the names that there are."""
    with pytest.raises(BadInput) as caught:
        fault.inject("kubelet-sad", "node1")

    assert "kubelet-stopped" in caught.value.wanted


def test_a_fault_of_an_addon_needs_it(cluster: Cluster, fake: Any) -> None:
    """Where it is not enabled nothing is changed, and the error says what to type."""
    with pytest.raises(BadInput) as caught:
        fault.inject("metrics-server-away").begin()

    assert "addon enable" in caught.value.next
    assert not [each for each in fake.requests if not each.startswith("GET")]
    assert notes(cluster) == []


@pytest.mark.parametrize("seed", range(40))
def test_faults_of_addons_are_not_drawn(
    seed: int, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No lab has to have one."""
    drawn = []
    begin = lambda self: drawn.append(self.fault)  # noqa: E731
    monkeypatch.setattr(fault.Injection, "begin", begin)
    of_addon = type(fault.find("metrics-server-away"))
    monkeypatch.setattr(of_addon, "check", lambda self, at: None)  # the lab has it
    fault.draw(seed, cluster=cluster)

    assert [each.addon for each in drawn] == [""]


@pytest.mark.slow
def test_what_a_killed_session_left_is_undone_the_newest_first(
    cluster: Cluster,
    workers: dict[str, Worker],
    session: Callable[..., subprocess.Popen[str]],
) -> None:
    """Whatever it broke, and once only."""
    killed = session("kubelet-stopped=node1", "containerd-stopped=node2")
    for each, unit in (("node1", "kubelet"), ("node2", "containerd")):
        workers[each].running.discard(unit)
        workers[each].tell()
    killed.kill()
    killed.wait()

    first, second = fault.heal(cluster), fault.heal(cluster)

    assert first == ["containerd-stopped on node2", "kubelet-stopped on node1"]
    assert second == []
    assert workers["node1"].running == workers["node2"].running
    assert notes(cluster) == []


@pytest.mark.slow
def test_what_a_living_session_has_broken_is_left_alone(
    cluster: Cluster,
    workers: dict[str, Worker],
    session: Callable[..., subprocess.Popen[str]],
) -> None:
    """Its note stays with it."""
    session("kubelet-stopped=node1")

    assert fault.heal(cluster) == []
    assert workers["node1"].asked == []
    assert notes(cluster) == ["kubelet-stopped"]


def test_a_note_of_another_version_is_told(cluster: Cluster) -> None:
    """With the way out."""
    cluster.folder.journal.mkdir(parents=True)
    (cluster.folder.journal / "1.json").write_text('{"schema": 99}')

    with pytest.raises(LabError, match="journal") as caught:
        fault.heal(cluster)

    assert "k8slab reset" in caught.value.next


def test_a_drawn_fault_gives_nothing_away_until_it_is_repaired(
    cluster: Cluster,
    workers: dict[str, Worker],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Then its cause and cure are named, and nothing of it is left."""
    monkeypatch.setattr("k8slab.fault._blind.SETTLE_S", 0.1)
    hidden = fault.draw(1, among=["kubelet-stopped"])
    shown = repr(hidden)
    first = fault.judge(hidden)
    early = capsys.readouterr().out
    for worker in workers.values():
        worker.answer("systemctl start kubelet")
    second = fault.judge(hidden)

    assert (first.solved, second.solved) == (False, True)
    assert "kubelet" not in shown + early
    assert "it was kubelet-stopped" in capsys.readouterr().out
    assert notes(cluster) == []


def test_a_judge_who_is_asked_again_says_the_same(
    cluster: Cluster,
    workers: dict[str, Worker],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was repaired once is solved, whatever became of it."""
    monkeypatch.setattr("k8slab.fault._blind.SETTLE_S", 0.1)
    hidden = fault.draw(1, among=["kubelet-stopped"])
    for worker in workers.values():
        worker.answer("systemctl start kubelet")
    fault.judge(hidden)
    first = capsys.readouterr().out
    for worker in workers.values():
        worker.answer("systemctl stop kubelet")

    assert fault.judge(hidden).solved
    assert capsys.readouterr().out == first


def test_a_fault_that_a_clean_up_undid_is_not_judged(
    cluster: Cluster, workers: dict[str, Worker], capsys: pytest.CaptureFixture[str]
) -> None:
    """The reader has repaired nothing; it has to be drawn again."""
    hidden = fault.draw(1, among=["kubelet-stopped"])
    fault.heal(cluster)
    capsys.readouterr()
    verdict = fault.judge(hidden)
    told = capsys.readouterr().out

    assert not verdict.solved
    assert "undid the fault meanwhile: run the exercise's start cell again" in told
    assert "hint" not in told
    assert "kubelet" not in told


def test_heal_undoes_what_this_session_broke(
    cluster: Cluster, workers: dict[str, Worker]
) -> None:
    """Without its end, and without a new connection."""
    broken = fault.inject("kubelet-stopped", "node1")
    broken.begin()

    assert fault.heal(cluster) == ["kubelet-stopped on node1"]
    assert broken.health
    assert notes(cluster) == []


def test_the_same_seed_draws_the_same_fault(
    cluster: Cluster, workers: dict[str, Worker]
) -> None:
    """On the same worker."""
    asked = []
    for _ in range(2):
        before = [list(worker.asked) for worker in workers.values()]
        fault.draw("a seed", among=["kubelet-stopped", "containerd-stopped"]).close()
        after = [worker.asked for worker in workers.values()]
        asked.append([new[len(old) :] for old, new in zip(before, after, strict=True)])

    assert asked[0] == asked[1]


def test_every_fault_says_what_a_table_of_symptoms_needs() -> None:
    """One sentence each, and no clock: containers share this computer's."""
    names = fault.names()

    assert len(names) == len(set(names)) == len(fault.every()) >= 22
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)+", name) for name in names)
    assert not any("clock" in name for name in names)
    for each in fault.every():
        for sentence in (each.symptom, each.cause, each.cure):
            assert sentence.endswith("."), (each.name, sentence)


def test_no_fault_says_how_many_workers_there_are() -> None:
    """A lab may have one, or five."""
    said = " ".join(e.symptom + e.cause + e.cure for e in fault.every()).lower()

    assert "workers" in said
    assert not re.search(r"\b(both|two|three) workers", said)
