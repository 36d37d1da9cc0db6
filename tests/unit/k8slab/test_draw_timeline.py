"""Changes read as steps, and steps drawn on a line of time."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest

from k8slab.draw import timeline
from k8slab.record import steps
from k8slab.record.steps import Change, Step


def change(at_s: float, kind: str, type: str, **parts: Any) -> Change:
    """Return a change of the object named echo, or of the name that is given."""
    meta: dict[str, Any] = {"name": parts.pop("name", "echo")}
    meta["resourceVersion"] = str(parts.pop("version", 1))
    if "owner" in parts:
        owner = {"kind": parts.pop("owner"), "name": "x", "controller": True}
        meta["ownerReferences"] = [owner]
    if parts.pop("ending", False):
        meta["deletionTimestamp"] = "2026-11-01T00:00:00Z"
    return Change(at_s, kind, type, {"metadata": meta, **parts})


def on_node(**conditions: str) -> dict[str, Any]:
    """Return spec and status of a Pod that has a node and these conditions."""
    found = [{"type": key, "status": value} for key, value in conditions.items()]
    return {"spec": {"nodeName": "node1"}, "status": {"conditions": found}}


def event(at_s: float, reason: str, **about: str) -> Change:
    """Return an Event about the Pod echo."""
    pod = {"kind": "Pod", "name": "echo", **about}
    source = {"component": "kubelet", "host": "node1"}
    return change(
        at_s, "Event", "ADDED", reason=reason, involvedObject=pod, source=source
    )


def counts(all_there: int, new: int, available: int, seen: int = 0) -> dict[str, int]:
    """Return a Deployment's status: its Pods, and which of its versions it is of."""
    return {
        "replicas": all_there,
        "updatedReplicas": new,
        "availableReplicas": available,
        "observedGeneration": seen,
    }


STORY = [
    change(0.1, "Deployment", "ADDED", spec={"replicas": 1}),
    change(0.11, "ReplicaSet", "ADDED", owner="Deployment"),
    change(0.12, "Pod", "ADDED", owner="ReplicaSet"),
    change(0.13, "Pod", "MODIFIED", **on_node()),
    event(0.5, "Pulled"),
    event(0.6, "Created"),
    event(0.7, "Started"),
    change(1.2, "Pod", "MODIFIED", **on_node(PodReadyToStartContainers="True")),
    change(1.5, "Pod", "MODIFIED", **on_node(Ready="True")),
    change(1.51, "Pod", "MODIFIED", **on_node(Ready="True")),
    change(1.6, "Deployment", "MODIFIED", status=counts(1, 1, 1)),
]


def test_a_story_is_read_as_its_steps() -> None:
    """Each step once, with who did it; what is repeated is heard once."""
    found = [(step.at_ms, step.who, step.what) for step in steps.read(STORY)]

    assert found == [
        (100, "kubectl", "Deployment stored"),
        (110, "deployment controller", "ReplicaSet stored"),
        (120, "replicaset controller", "Pod stored"),
        (130, "scheduler", "Pod scheduled"),
        (500, "kubelet", "image there"),
        (600, "kubelet", "container created"),
        (700, "kubelet", "container started"),
        (1200, "kubelet", "Pod sandbox ready"),
        (1500, "kubelet", "Pod ready"),
        (1600, "deployment controller", "Deployment available"),
    ]


def test_events_of_either_group_are_read() -> None:
    """They are the same objects, whose fields have other names there."""
    pod, source = {"kind": "Pod", "name": "echo"}, {"host": "node1"}
    newer = change(
        0.5, "Event", "ADDED", reason="Pulled", regarding=pod, deprecatedSource=source
    )

    assert steps.read([newer]) == steps.read([event(0.5, "Pulled")])
    assert [step.detail for step in steps.read([newer])] == ["node1"]


def test_the_same_step_of_another_pod_is_another_step() -> None:
    """Two Pods are two stories."""
    pods = [change(0.1, "Pod", "ADDED", name=name) for name in ("a", "b")]

    assert [step.about for step in steps.read(pods)] == ["a", "b"]


def test_a_roll_out_is_not_at_its_end_before_its_pods_are_new() -> None:
    """The status counts the old Pods first, and is the old one until it is written."""
    story = [
        change(at_s, "Deployment", "MODIFIED", spec={"replicas": 2}, status=status)
        for at_s, status in (
            (0.1, counts(2, 2, 2, seen=1)),
            (0.2, counts(2, 0, 2, seen=2)),
            (0.3, counts(3, 1, 2, seen=2)),
            (0.4, counts(3, 2, 2, seen=2)),
            (0.5, counts(2, 2, 2, seen=2)),
        )
    ]
    for each in story:
        each.object["metadata"]["generation"] = 2

    assert [(step.at_ms, step.what) for step in steps.read(story)] == [
        (500, "Deployment available")
    ]


def test_a_pod_that_is_made_anew_under_its_name_is_another_story() -> None:
    """As one of a StatefulSet, or of a manifest that is applied a second time."""
    story = []
    for number, uid in enumerate(("first", "second")):
        life = [
            change(0.1, "Pod", "ADDED"),
            change(0.2, "Pod", "MODIFIED", **on_node()),
            event(0.3, "Started", uid=uid),
            change(0.4, "Pod", "DELETED"),
        ]
        for place, each in enumerate(life):
            each.object["metadata"]["resourceVersion"] = str(10 * number + place)
            if each.kind == "Pod":
                each.object["metadata"]["uid"] = uid
        story += life
    once = ["Pod stored", "Pod scheduled", "container started", "Pod gone"]

    assert [step.what for step in steps.read(story)] == 2 * once


def test_steps_follow_the_store() -> None:
    """Two watches may be heard in another order than things happened."""
    story = [
        change(0.2, "Pod", "ADDED", version=8),
        change(0.21, "ReplicaSet", "ADDED", version=7),
    ]

    assert [step.what for step in steps.read(story)] == [
        "ReplicaSet stored",
        "Pod stored",
    ]


def test_an_end_is_a_step() -> None:
    """A Pod that was there before is told to end, then gone; no more of it is news."""
    story = [
        change(0.1, "Pod", "MODIFIED", ending=True, **on_node(Ready="True")),
        change(1.1, "Pod", "DELETED", ending=True, **on_node(Ready="True")),
    ]

    assert [step.what for step in steps.read(story)] == ["Pod told to end", "Pod gone"]


@pytest.mark.parametrize(
    "strange",
    [
        event(0.1, "FailedMount"),
        event(0.1, "Pulled", kind="Node"),
        change(0.1, "Deployment", "MODIFIED", spec={"replicas": 2}),
        change(0.1, "Pod", "MODIFIED", **{"status": {"conditions": []}}),
    ],
)
def test_what_says_nothing_new_is_no_step(strange: Change) -> None:
    """Other Events, other objects, and changes without news."""
    assert steps.read([strange]) == []


def test_the_drawing_holds_what_the_words_hold() -> None:
    """Every step is in both, in the page's own colour, and the words are its text."""
    picture = timeline.draw(steps.read(STORY), "A <story>")
    root = ElementTree.fromstring(picture.html)  # noqa: S314 - our own
    drawn = ["".join(each.itertext()) for each in root.iter()]

    assert picture.text.splitlines()[3].split() == (
        ["130", "ms", "scheduler", "Pod", "scheduled", "echo", "on", "node1"]
    )
    assert all(any(step.what in text for text in drawn) for step in steps.read(STORY))
    assert "A <story>" in drawn
    assert "#" not in picture.html.replace("http://www.w3.org/2000/svg", "")


def test_bars_stay_inside_the_drawing() -> None:
    """Also those of steps that take no time, at the very end."""
    story = [Step(ms, "kubelet", "Pod ready", str(ms)) for ms in (0, 5, 2600, 2600)]
    root = ElementTree.fromstring(timeline.draw(story, "x").html)  # noqa: S314
    bars = [each.attrib for each in root.iter() if each.tag.endswith("rect")]

    assert len(bars) == 8
    assert all(float(bar["x"]) + float(bar["width"]) <= 620.1 for bar in bars)


def test_no_steps_are_no_error() -> None:
    """A recording in which nothing happened says so."""
    assert str(timeline.draw([], "x")) == "nothing happened"
