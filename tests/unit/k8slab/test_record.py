"""Recordings: each change is heard once, with its moment, and nothing runs on."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from k8slab import record, show
from k8slab.core.poll import until
from k8slab.errors import ApiError, BadInput, NotReady
from k8slab.kube.cluster import Cluster
from k8slab.kube.namespace import Namespace
from k8slab.kube.watch import Watch

KINDS = ("Deployment", "Pod")


@pytest.fixture
def ns(cluster: Cluster) -> Namespace:
    """A namespace of the fake API; its kinds are known already."""
    cluster.catalogue.resources()
    return Namespace(cluster, "chapter")


def recorders() -> list[str]:
    """Return the names of threads that record."""
    names = [each.name for each in threading.enumerate()]
    return [name for name in names if name.startswith("k8slab record")]


def test_changes_are_heard_with_their_moment(fake: Any, ns: Namespace) -> None:
    """What is there before is not news; what is stored in the block is."""
    fake.put("pods", fake.pod("old"), "chapter")
    with record.changes(ns, KINDS) as story:
        fake.put("deployments", {"metadata": {"name": "echo"}}, "chapter")
        time.sleep(0.2)
        fake.put("pods", fake.pod("new"), "chapter")
    heard = [(each.kind, each.type, each.name) for each in story.changes]
    first, second = (each.at_s for each in story.changes)

    assert heard == [("Deployment", "ADDED", "echo"), ("Pod", "ADDED", "new")]
    assert 0 <= first < 0.15 < second < 1


@pytest.mark.parametrize("pods", ["Pod", "pods", "po", "POD"])
def test_a_kind_is_known_by_any_of_its_names(
    fake: Any, ns: Namespace, pods: str
) -> None:
    """What is told of it, and the steps that are read, are the same."""
    with record.changes(ns, [pods]) as story:
        owned = {"controller": "echo"}
        fake.put("pods", fake.pod("echo", **owned, ready=False), "chapter")
        fake.put("pods", fake.pod("echo", **owned), "chapter")

    assert {each.kind for each in story.changes} == {"Pod"}
    assert [(each.who, each.what) for each in story.steps] == [
        ("replication controller", "Pod stored"),
        ("scheduler", "Pod scheduled"),
        ("kubelet", "Pod ready"),
    ]


def test_a_kind_with_two_names_is_heard_once(fake: Any, ns: Namespace) -> None:
    """One watch is enough."""
    with record.changes(ns, ["Pod", "pods", "po"]) as story:
        assert len(recorders()) == 1
        fake.put("pods", fake.pod("new"), "chapter")

    assert len(story.changes) == 1


@pytest.mark.slow
def test_a_block_that_takes_too_long_has_heard_what_it_has_heard(
    fake: Any, ns: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What changes later is not heard, as was said; nobody is to be blamed."""
    monkeypatch.setattr(record, "CATCH_UP_S", 0.5)
    with record.changes(ns, ["Pod"], timeout=0.3) as story:
        fake.put("pods", fake.pod("in-time"), "chapter")
        until(lambda: not recorders(), what="the watch", want="its end", timeout=10)
        fake.put("pods", fake.pod("too-late"), "chapter")
        asked = len(fake.requests)

    assert len(fake.requests) == asked
    assert [each.name for each in story.changes] == ["in-time"]


@pytest.mark.slow
def test_a_block_may_take_all_of_its_time(
    fake: Any, ns: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A watch that tells nothing is one also where the time is nearly over."""
    monkeypatch.setattr(record, "CATCH_UP_S", 1.0)
    fake.silent = True

    def late() -> None:
        time.sleep(0.2)
        fake.put("pods", fake.pod("new"), "chapter")

    with (
        pytest.raises(NotReady, match="tells nothing"),
        record.changes(ns, ["Pod"], timeout=0.3),
    ):
        late()


@pytest.mark.slow
def test_what_is_stored_last_is_not_missed(fake: Any, ns: Namespace) -> None:
    """The end of the block waits until the watches have told all of it."""
    with record.changes(ns, KINDS) as story:
        for number in range(200):
            fake.put("pods", fake.pod(f"echo-{number}"), "chapter")

    assert len(story.changes) == 200


def test_the_end_is_quick_and_leaves_no_thread(fake: Any, ns: Namespace) -> None:
    """The watches end with the block, although they might last a minute."""
    started = time.monotonic()
    with record.changes(ns, KINDS):
        assert len(recorders()) == 2

    assert recorders() == []
    assert time.monotonic() - started < 10


def test_a_watch_that_is_ended_while_it_reads_says_nothing(
    fake: Any, ns: Namespace
) -> None:
    """What comes in after the end is not read as an event, whatever it is."""
    stop = threading.Event()

    def chatter() -> None:
        for number in range(5000):
            if stop.is_set():
                return
            fake.put("pods", fake.pod(f"echo-{number % 7}"), "chapter")
            time.sleep(0.002)

    talking = threading.Thread(target=chatter)
    failed: list[object] = []
    before, threading.excepthook = threading.excepthook, failed.append
    talking.start()
    try:
        for _ in range(15):
            with record.changes(ns, ["Pod"]):
                pass
    finally:
        stop.set()
        talking.join()
        threading.excepthook = before

    assert failed == []


def test_an_error_in_the_block_ends_the_watches(fake: Any, ns: Namespace) -> None:
    """It is passed on as it is, and nothing runs on."""
    with pytest.raises(KeyError), record.changes(ns, KINDS):
        raise KeyError

    assert recorders() == []


def test_a_refused_watch_is_an_error(fake: Any, ns: Namespace) -> None:
    """The block does not begin deaf."""
    fake.refuse_watch = [400]

    with pytest.raises(ApiError), record.changes(ns, ["Pod"]):
        pytest.fail("the block began")
    assert recorders() == []


def test_a_watch_that_ends_by_a_mistake_of_ours_is_an_error(
    ns: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was not heard is not taken for nothing."""

    def fail(*_: object) -> None:
        raise KeyError("resourceVersion")

    monkeypatch.setattr(Watch, "look", fail)
    with pytest.raises(KeyError, match="resourceVersion"), record.changes(ns, ["Pod"]):
        pytest.fail("the block began")
    assert recorders() == []


def test_a_watch_that_is_refused_for_long_is_an_error(
    fake: Any, ns: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that starts may refuse for a moment, and no longer."""
    monkeypatch.setattr(record, "CATCH_UP_S", 0.5)
    fake.refuse_watch = [403] * 1000

    with pytest.raises(NotReady, match="tells nothing"), record.changes(ns, ["Pod"]):
        pytest.fail("the block began")
    assert recorders() == []


@pytest.mark.slow
@pytest.mark.parametrize("status", [401, 403, 429, 503])
def test_a_server_that_restarts_is_no_hole_in_a_recording(
    fake: Any, ns: Namespace, status: int
) -> None:
    """Each change is heard once, before and after the watch was cut and refused."""
    with record.changes(ns, ["Pod"]) as story:
        fake.put("pods", fake.pod("before"), "chapter")
        heard = story.wait_for(lambda: len(story.changes) == 1, 5)
        fake.refuse_watch = [status]
        fake.end_watches()
        story.wait_for(lambda: not fake.refuse_watch, 1)
        fake.put("pods", fake.pod("after"), "chapter")

    assert heard
    assert [each.object["metadata"]["name"] for each in story.changes] == [
        "before",
        "after",
    ]


def test_a_change_that_was_missed_is_an_error(fake: Any, ns: Namespace) -> None:
    """A recording with a hole would be a lie."""
    fake.put("pods", fake.pod("old"), "chapter")

    def miss() -> None:
        fake.silent = True
        fake.refuse_watch = [410]
        fake.drop("pods", "old", "chapter")
        fake.end_watches()

    with pytest.raises(NotReady, match="were missed"), record.changes(ns, ["Pod"]):
        miss()
    assert recorders() == []


def test_an_unknown_kind_is_an_error(fake: Any, ns: Namespace) -> None:
    """As everywhere else."""
    with pytest.raises(BadInput), record.changes(ns, ["Pod", "Podd"]):
        pytest.fail("the block began")
    assert recorders() == []


def test_a_watch_that_tells_nothing_is_an_error(
    fake: Any, ns: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A recording with holes would be a lie."""
    monkeypatch.setattr(record, "CATCH_UP_S", 0.2)
    fake.silent = True

    with pytest.raises(NotReady, match="tells nothing"), record.changes(ns, ["Pod"]):
        fake.put("pods", fake.pod("new"), "chapter")
    assert recorders() == []


def test_a_recording_is_shown_as_a_timeline(fake: Any, ns: Namespace) -> None:
    """Its steps in words and as a drawing."""
    with record.changes(ns, ["Pod"]) as story:
        fake.put("pods", fake.pod("new", ready=False), "chapter")
        fake.put("pods", fake.pod("new"), "chapter")
    picture = show.timeline(story, "A new Pod")

    assert [step.what for step in story.steps] == [
        "Pod stored",
        "Pod scheduled",
        "Pod ready",
    ]
    assert "Pod ready" in str(picture)
    assert "A new Pod" in picture.html
