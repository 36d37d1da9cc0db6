"""Autoscalers: what they know is read, waited for, recorded and drawn."""

from __future__ import annotations

import threading
import time
from typing import Any
from xml.etree import ElementTree

import pytest

from k8slab import record, show, wait, widgets
from k8slab.core import poll
from k8slab.core.poll import until
from k8slab.errors import ApiError, BadInput, NotReady
from k8slab.kube.cluster import Cluster
from k8slab.kube.namespace import Namespace
from k8slab.kube.scaler import Scaler
from k8slab.record import _scaling
from k8slab.record._scaling import Sample, Scaling
from k8slab.widgets._screen import Screen

LOG = "/api/v1/namespaces/chapter/pods/{}/log"


def hpa(average: int | None = None, wanted: int = 1, target: int = 50) -> Any:
    """Return an autoscaler as the API has it."""
    aim = {"type": "Utilization", "averageUtilization": target}
    known = {"averageUtilization": average, "averageValue": "10m"}
    status = {
        "currentReplicas": 1,
        "desiredReplicas": wanted,
        "currentMetrics": [{"type": "Resource", "resource": {"current": known}}],
        "conditions": [
            {"type": "AbleToScale", "status": "True", "reason": "ReadyForNewScale"},
            {"type": "ScalingActive", "status": "False", "reason": "Failed"},
        ],
    }
    return {
        "metadata": {"name": "shop"},
        "spec": {
            "scaleTargetRef": {"kind": "Deployment", "name": "shop"},
            "metrics": [
                {"type": "Resource", "resource": {"name": "cpu", "target": aim}}
            ],
        },
        "status": status,
    }


def put(fake: Any, scaler: Any, ready: int = 1) -> None:
    """Store an autoscaler, and its Deployment."""
    fake.put("horizontalpodautoscalers", scaler, "chapter")
    shop = {"metadata": {"name": "shop"}, "status": {"readyReplicas": ready}}
    fake.put("deployments", shop, "chapter")


def _ended() -> bool:
    """Say whether no recording is at work."""
    return not [t for t in threading.enumerate() if t.name == "k8slab record shop"]


@pytest.fixture
def ns(cluster: Cluster, fake: Any) -> Namespace:
    """Return a namespace with an autoscaler and two clients, one of which starts."""
    put(fake, hpa(7))
    for name in ("visitor-a", "visitor-b"):
        fake.put("pods", fake.pod(name, labels={"app": "visitors"}), "chapter")
    fake.errors["GET " + LOG.format("visitor-a")] = (200, "20 answered, slow 9 ms\n")
    fake.errors["GET " + LOG.format("visitor-b")] = (400, {"message": "it starts"})
    return Namespace(cluster, "chapter")


def story(*samples: Sample) -> Scaling:
    """Return a recording with these samples."""
    made = Scaling(50)
    for each in samples:
        made.add(each)
    return made


def texts(svg: str) -> list[str]:
    """Return the words of a drawing."""
    root = ElementTree.fromstring(svg)  # noqa: S314 - our own
    return [each.text or "" for each in root.iter() if each.tag.endswith("}text")]


def test_an_autoscaler_is_read() -> None:
    """Its target, the average it knows, the numbers, and whether it can scale."""
    assert Scaler.read(hpa(120, wanted=3)) == Scaler(
        "shop", 50, 120, present=1, wanted=3, active=False, reason="Failed"
    )


@pytest.mark.parametrize("metrics", [None, [], [None], [{"type": ""}]])
def test_an_autoscaler_without_figures_knows_none(metrics: Any) -> None:
    """Whatever the API server has in the place of a figure."""
    scaler = hpa()
    scaler["status"]["currentMetrics"] = metrics

    assert Scaler.read(scaler).average is None
    assert Scaler.read({**scaler, "status": {}}).active is None


def test_an_average_is_waited_for(fake: Any, ns: Namespace) -> None:
    """The wait ends when the autoscaler knows one."""
    put(fake, hpa(None))
    threading.Timer(0.2, put, (fake, hpa(64))).start()

    assert wait.scaler(ns, "shop", timeout=5).average == 64


def test_what_does_not_come_is_an_error(ns: Namespace) -> None:
    """It says what the autoscaler knew last."""
    with pytest.raises(NotReady) as caught:
        wait.scaler(ns, "shop", want="5 Pods", done=lambda s: s.wanted == 5, timeout=0)

    assert "7% of 50%, 1 Pods, wants 1" in caught.value.seen


def test_load_average_and_pods_are_recorded(fake: Any, ns: Namespace) -> None:
    """From the clients' last lines, the autoscaler and its Deployment."""
    with record.scaling(ns, "shop", load="app=visitors") as seen:
        until(lambda: seen.samples, what="a sample", want="one", timeout=5)
        seen.mark("more visitors")
        put(fake, hpa(150, wanted=3), ready=2)
    first, last = seen.samples[0], seen.samples[-1]

    assert (first.load, first.used, first.wanted, first.ready) == (20, 7, 1, 1)
    assert (last.load, last.used, last.wanted, last.ready) == (20, 150, 3, 2)
    assert (seen.target, [each.what for each in seen.marks]) == (
        50,
        ["more visitors"],
    )


def test_clients_that_end_count_no_more(fake: Any, ns: Namespace) -> None:
    """Their last line is an old one."""
    ending = fake.pod("visitor-a", labels={"app": "visitors"}, terminating=True)
    fake.put("pods", ending, "chapter")
    with record.scaling(ns, "shop", load="app=visitors") as seen:
        pass

    assert [each.load for each in seen.samples][-1] == 0


def test_a_recording_leaves_no_thread(
    ns: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends at once, however long the pause to the next look is."""
    monkeypatch.setattr(_scaling, "EVERY_S", 60.0)
    began = time.monotonic()
    with record.scaling(ns, "shop", load="app=visitors"):
        pass

    assert time.monotonic() - began < 30
    assert _ended()


def test_an_error_that_passes_leaves_a_hole(fake: Any, ns: Namespace) -> None:
    """The next look goes on."""
    with record.scaling(ns, "shop", load="app=visitors") as seen:
        until(lambda: seen.samples, what="a sample", want="one", timeout=5)
        fake.passing = [503]

    assert fake.passing == []
    assert len(seen.samples) == 1


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_server_that_starts_leaves_a_hole(
    fake: Any, ns: Namespace, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    """It knows nobody and nothing yet; the looks after that go on."""
    monkeypatch.setattr(_scaling, "EVERY_S", 0.05)
    with record.scaling(ns, "shop", load="app=visitors") as seen:
        until(lambda: seen.samples, what="a sample", want="one", timeout=5)
        fake.passing = [status]
        until(lambda: not fake.passing, what="the refusal", want="over", timeout=5)
        known = len(seen.samples)
        until(lambda: len(seen.samples) > known, what="it", want="on", timeout=5)

    assert fake.passing == []


def test_a_refusal_that_lasts_ends_a_recording(
    fake: Any, ns: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the grace, though the server answers again in the end."""
    monkeypatch.setattr(_scaling, "EVERY_S", 0.05)
    monkeypatch.setattr(poll, "GRACE_S", 0.2)

    def refuse() -> None:
        with record.scaling(ns, "shop", load="app=visitors") as seen:
            until(lambda: seen.samples, what="a sample", want="one", timeout=5)
            fake.passing = [403] * 1000
            asked = len(fake.requests)
            until(lambda: len(fake.requests) > asked, what="it", want="1", timeout=5)
            until(_ended, what="the recording", want="ended", timeout=5)
            fake.passing = []

    with pytest.raises(ApiError, match="403"):
        refuse()


def test_an_error_that_stays_is_raised_at_the_end(fake: Any, ns: Namespace) -> None:
    """As when somebody deletes the autoscaler."""

    def delete() -> None:
        with record.scaling(ns, "shop", load="app=visitors") as seen:
            until(lambda: seen.samples, what="a sample", want="one", timeout=5)
            fake.drop("horizontalpodautoscalers", "shop", "chapter")

    with pytest.raises(ApiError):
        delete()


def test_another_kind_of_target_is_refused(fake: Any, ns: Namespace) -> None:
    """There is no percentage to draw; nor is a recording without an end."""
    scaler = hpa()
    aim = {"type": "AverageValue", "averageValue": "10m"}
    scaler["spec"]["metrics"][0]["resource"]["target"] = aim
    put(fake, scaler)

    with (
        pytest.raises(BadInput, match="another kind"),
        record.scaling(ns, "shop", load="app=visitors"),
    ):
        pass
    with (
        pytest.raises(BadInput, match="out of bounds"),
        record.scaling(ns, "shop", load="app=visitors", timeout=9999),
    ):
        pass


def test_the_picture_and_its_words_hold_the_same() -> None:
    """A panel each for load, average and Pods; where no figure is, nothing is drawn."""
    made = story(
        Sample(0, 0, None, 1, 1),
        Sample(30, 20, 200, 4, 1),
        Sample(60, 20, 50, 4, 4),
    )
    made.mark("visitors <come>")
    drawn = show.scaling(made, title="A sale")
    lines = drawn.text.splitlines()

    assert lines[0] == "A sale"
    assert lines[1::2][:3] == [
        "requests answered in a second, up to 20",
        "average CPU, % of what a Pod requests (target 50), up to 200",
        "ready Pods, up to 4",
    ]
    assert lines[2] == "▁" * 29 + "█" * 31
    assert lines[4] == "·" * 29 + "█" * 30 + "▃"
    assert lines[6] == "▃" * 59 + "█"
    assert lines[7].split() == ["0", "s", "60", "s"]
    assert lines[8] == "0 s  visitors <come>"
    assert {"A sale", "visitors <come> (0 s)", "200", "20", "4"} <= set(
        texts(drawn.html)
    )


def test_a_recording_of_nothing_is_a_picture() -> None:
    """An empty one, with its panels."""
    assert "ready Pods" in texts(show.scaling(story()).html)


def test_a_recording_is_shown_while_it_grows(
    ns: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last picture has the last mark."""
    seen: list[str] = []
    monkeypatch.setattr(Screen, "show", lambda self, each: seen.append(each.text))
    monkeypatch.setattr(Screen, "leave", lambda self, each: seen.append(each.text))
    with (
        record.scaling(ns, "shop", load="app=visitors") as growing,
        widgets.scaling(growing, title="A sale"),
    ):
        growing.mark("visitors come")

    assert "visitors come" in seen[-1]
    assert seen[-1].startswith("A sale\n")


def test_the_last_picture_shows_how_it_ended(
    fake: Any, ns: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came after the last sample, and before the block ended, is in it."""
    left: list[str] = []
    monkeypatch.setattr(_scaling, "EVERY_S", 60.0)
    monkeypatch.setattr(Screen, "leave", lambda self, each: left.append(each.text))
    with (
        record.scaling(ns, "shop", load="app=visitors") as growing,
        widgets.scaling(growing),
    ):
        until(lambda: growing.samples, what="a sample", want="one", timeout=5)
        put(fake, hpa(97))

    assert "up to 97" in left[-1]
