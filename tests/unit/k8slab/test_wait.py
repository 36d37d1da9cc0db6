"""Waits for API objects: one list, one watch, and a reason when it fails."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from k8slab import wait
from k8slab.errors import ApiUnreachable, BadInput, NotReady
from k8slab.kube import watch
from k8slab.kube.cluster import Cluster
from k8slab.kube.follow import hopeless
from k8slab.kube.namespace import Namespace
from k8slab.kube.objects import Pod
from k8slab.magics import Result


@pytest.fixture
def ns(cluster: Cluster) -> Namespace:
    """A namespace of the fake API; its kinds are known already."""
    cluster.catalogue.resources()
    return Namespace(cluster, "chapter")


def later(seconds: float, *work: Callable[[], None]) -> None:
    """Do things in a moment, one after the other."""

    def run() -> None:
        for each in work:
            time.sleep(seconds)
            each()

    threading.Thread(target=run, daemon=True).start()


def test_a_state_that_is_there_takes_one_request(fake: Any, ns: Namespace) -> None:
    """What is there already is found by the list alone."""
    fake.put("pods", fake.pod("echo-1"), "chapter")
    fake.requests.clear()

    assert [pod.name for pod in wait.pods(ns, "app=echo", ready=1)] == ["echo-1"]
    assert fake.requests == ["GET /api/v1/namespaces/chapter/pods"]


def test_a_change_is_seen_by_the_watch(fake: Any, ns: Namespace) -> None:
    """A Pod that gets ready later costs one more request; the deadline's is none."""
    fake.put("pods", fake.pod("echo-1", ready=False), "chapter")
    fake.requests.clear()
    later(0.2, lambda: fake.put("pods", fake.pod("echo-1"), "chapter"))
    found = wait.pods(ns, "app=echo", ready=1, timeout=5)

    assert len(found) == 1
    assert len(fake.requests) == 2


def test_a_deleted_object_is_gone(fake: Any, ns: Namespace) -> None:
    """A deletion ends the wait, with an empty list that is true."""
    fake.put("configmaps", {"metadata": {"name": "settings"}}, "chapter")
    later(0.1, lambda: fake.drop("configmaps", "settings", "chapter"))
    gone = wait.gone(ns, "ConfigMap", "settings", timeout=5)

    assert (gone, bool(gone)) == ([], True)


def test_what_went_before_the_watch_began_is_gone(fake: Any, ns: Namespace) -> None:
    """A deletion between list and watch is told by the watch."""
    fake.put("configmaps", {"metadata": {"name": "settings"}}, "chapter")
    asked: list[str] = []

    def drop(method: str, path: str) -> None:
        asked.append(f"{method} {path}")
        if asked[1:] and asked[-1] == asked[-2]:  # the list came first
            fake.drop("configmaps", "settings", "chapter")

    fake.on_request = drop

    assert wait.gone(ns, "ConfigMap", "settings", timeout=5) == []
    assert len(asked) == 2


def test_a_watch_that_ends_is_resumed(fake: Any, ns: Namespace) -> None:
    """A server that ends the watch is asked again from the last version, no list."""
    fake.put("pods", fake.pod("echo-1", ready=False), "chapter")
    fake.requests.clear()
    later(
        0.3, fake.end_watches, lambda: fake.put("pods", fake.pod("echo-1"), "chapter")
    )
    wait.pods(ns, ready=1, timeout=5)
    watches = ["watch" in query for query in fake.queries[-3:]]

    assert watches == [False, True, True]


@pytest.mark.parametrize("refusal", [410, 500])
def test_a_refused_watch_means_a_new_list(
    fake: Any, ns: Namespace, refusal: int
) -> None:
    """A version that is too old, or a server in trouble, leads to a new list."""
    fake.put("pods", fake.pod("echo-1", ready=False), "chapter")
    fake.refuse_watch = [refusal]
    later(0.6, lambda: fake.put("pods", fake.pod("echo-1"), "chapter"))
    wait.pods(ns, ready=1, timeout=5)
    lists = [query for query in fake.queries if "watch" not in query]

    assert len(lists) >= 2


def test_an_error_event_means_a_new_list(fake: Any, ns: Namespace) -> None:
    """A 410 inside the stream leads to a new list, and the wait goes on."""
    fake.put("pods", fake.pod("echo-1", ready=False), "chapter")
    gone = {"type": "ERROR", "object": {"code": 410, "reason": "Expired"}}
    later(
        0.3,
        lambda: fake.end_watches(gone),
        lambda: fake.put("pods", fake.pod("echo-1"), "chapter"),
    )

    assert len(wait.pods(ns, ready=1, timeout=5)) == 1


@pytest.mark.slow
def test_a_dead_connection_is_no_reason_to_miss_it(fake: Any, ns: Namespace) -> None:
    """When a watch says nothing any more, the look at the deadline still finds it."""
    fake.put("pods", fake.pod("echo-1", ready=False), "chapter")
    fake.silent = True
    later(0.2, lambda: fake.put("pods", fake.pod("echo-1"), "chapter"))

    assert len(wait.pods(ns, ready=1, timeout=1)) == 1


@pytest.mark.slow
@pytest.mark.parametrize("selector", ["app=echo", "app"])
@pytest.mark.parametrize(("patience", "timeout"), [("1", 2.0), ("4", 0.5)])
def test_the_deadline_is_kept_where_the_server_says_nothing(
    fake: Any,
    ns: Namespace,
    monkeypatch: pytest.MonkeyPatch,
    patience: str,
    timeout: float,
    selector: str,
) -> None:
    """It is asked once, and not for longer than is left; then a last time."""
    monkeypatch.setenv("K8SLAB_PATIENCE", patience)
    monkeypatch.setattr(watch, "LAST_LOOK_S", 0.1)
    over = threading.Event()
    fake.on_request = lambda method, path: over.wait(30)
    try:
        with pytest.raises(NotReady, match="not within 2 s") as caught:
            wait.pods(ns, selector, ready=1, timeout=timeout)
    finally:
        over.set()

    assert caught.value.waited_s < 4


def test_a_server_that_fell_silent_is_asked_for_events_once(
    fake: Any, ns: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or the error would come later by as many time-outs as there are Pods."""
    for name in ("echo-1", "echo-2", "echo-3"):
        fake.put("pods", fake.pod(name, ready=False), "chapter")
    asked: list[str] = []

    def silent(_: Namespace, about: str) -> list[str]:
        asked.append(about)
        raise ApiUnreachable("the API server does not answer")

    monkeypatch.setattr(Namespace, "events", silent)
    with pytest.raises(NotReady, match="not within"):
        wait.pods(ns, ready=3, timeout=0.1)

    assert asked == ["echo-1"]


def test_the_deadline_is_kept_and_explained(fake: Any, ns: Namespace) -> None:
    """The message names what was wanted, what was seen, and the last events."""
    fake.put("pods", fake.pod("echo-1", ready=False, phase="Pending"), "chapter")
    event = {
        "metadata": {"name": "e1"},
        "type": "Warning",
        "reason": "FailedMount",
        "message": "no such volume",
        "involvedObject": {"name": "echo-1"},
    }
    fake.put("events", event, "chapter")
    with pytest.raises(NotReady) as caught:
        wait.pods(ns, "app=echo", ready=3, timeout=0.5)

    assert str(caught.value).splitlines() == [
        "3 ready Pods with app=echo: not within 0.5 s",
        "  where:  namespace chapter",
        "  wanted: 3 ready and no others",
        "  seen:   0 ready: echo-1 Pending",
        "          Warning FailedMount echo-1: no such volume",
        "  next:   'kubectl describe' and 'kubectl get events' show more",
    ]
    assert caught.value.waited_s >= 0.5


def test_pods_that_ended_for_good_are_named(fake: Any, ns: Namespace) -> None:
    """They do not count; but who waits in vain for one of them has to know."""
    evicted = fake.pod("echo-1", ready=False, phase="Failed")
    evicted["status"] |= {"reason": "Evicted", "message": "low on memory"}
    evicted["status"]["containerStatuses"] = []
    fake.put("pods", evicted, "chapter")
    with pytest.raises(NotReady) as caught:
        wait.pods(ns, "app=echo", ready=1, timeout=0.2)

    assert caught.value.seen == "0 ready; ended for good: echo-1 Evicted"
    assert wait.pods(ns, "app=echo", ready=0, timeout=0.2) == []


def test_a_scheduler_that_is_away_is_named(fake: Any, ns: Namespace) -> None:
    """No event and no condition says so: nobody is there who would write one."""
    fake.put("pods", fake.pod("echo-1", ready=False, phase="Pending", node=""), ns.name)

    with pytest.raises(NotReady) as caught:
        wait.pods(ns, "app=echo", ready=1, timeout=0.2)

    assert "echo-1 Pending, which no scheduler has seen" in caught.value.seen


@pytest.mark.parametrize(
    "trouble",
    [
        {"waiting": "ImagePullBackOff"},
        {"waiting": "ErrImageNeverPull"},
        {"waiting": "InvalidImageName"},
        {"waiting": "CreateContainerConfigError"},
        {"waiting": "CrashLoopBackOff", "restarts": 3},
    ],
)
def test_a_pod_without_a_chance_ends_the_wait(
    fake: Any, ns: Namespace, trouble: dict[str, Any]
) -> None:
    """The reason is told long before the deadline."""
    fake.put("pods", fake.pod("echo-1", **trouble), "chapter")
    with pytest.raises(NotReady, match="it cannot come") as caught:
        wait.pods(ns, ready=1, timeout=30)

    assert trouble["waiting"] in caught.value.seen
    assert caught.value.waited_s < 30


@pytest.mark.parametrize(
    "trouble",
    [
        {"waiting": "CrashLoopBackOff", "restarts": 2},
        {"waiting": "ErrImagePull"},
        {"waiting": "ImagePullBackOff", "terminating": True},
    ],
)
def test_a_pod_that_may_recover_is_waited_for(
    fake: Any, ns: Namespace, trouble: dict[str, Any]
) -> None:
    """A first crash, or a Pod that is leaving anyway, does not end the wait."""
    fake.put("pods", fake.pod("echo-1", **trouble), "chapter")

    with pytest.raises(NotReady, match="not within"):
        wait.pods(ns, ready=1, timeout=0.3)


def test_a_pod_without_a_chance_is_no_obstacle_to_none(
    fake: Any, ns: Namespace
) -> None:
    """Its controller has been told, and has not deleted it yet."""
    bad = fake.pod("echo-1", ready=False, waiting="ImagePullBackOff")
    fake.put("pods", bad, "chapter")
    later(0.3, lambda: fake.drop("pods", "echo-1", "chapter"))

    assert wait.pods(ns, ready=0, timeout=5) == []


@pytest.mark.parametrize("which", ["pod/web-1", "app in (web)", "!app", "a,b", "", 7])
def test_what_is_neither_a_name_nor_labels_is_refused(
    ns: Namespace, which: Any
) -> None:
    """Nothing has such a name, so it would seem gone at once."""
    for waits in (partial(wait.gone, ns, "pod"), partial(wait.pod, ns)):
        with pytest.raises(BadInput, match="neither a name nor labels"):
            waits(which, timeout=1)


@pytest.mark.parametrize("name", ["", "app=web", "pod/web-1", 7])
@pytest.mark.parametrize(
    "waits",
    [
        lambda ns, name: wait.for_object(ns, "Pod", name, want="there", timeout=1),
        lambda ns, name: wait.scaler(ns, name, timeout=1),
        lambda ns, name: wait.endpoints(ns, name, want=0, timeout=1),
    ],
    ids=["for_object", "scaler", "endpoints"],
)
def test_what_is_no_name_is_refused_before_anything_is_sent(
    fake: Any, ns: Namespace, waits: Callable[[Namespace, Any], object], name: Any
) -> None:
    """All objects would be watched for it, or none found."""
    fake.put("pods", fake.pod("echo-1"), "chapter")
    fake.requests.clear()
    with pytest.raises(BadInput, match="this is no name"):
        waits(ns, name)

    assert fake.requests == []


def test_a_verdict_on_an_object_that_is_always_true_is_refused(
    fake: Any, ns: Namespace
) -> None:
    """A generator is true, also when it would give nothing."""
    fake.put("pods", fake.pod("echo-1"), "chapter")
    verdict: Any = lambda _: (each for each in range(0))  # noqa: E731
    with pytest.raises(BadInput, match="always true"):
        wait.for_object(ns, "Pod", "echo-1", want="there", done=verdict, timeout=1)


def _container(name: str, restarts: int, waiting: str = "") -> dict[str, Any]:
    state = {"waiting": {"reason": waiting}} if waiting else {"running": {}}
    return {"name": name, "restartCount": restarts, "state": state}


def test_a_container_that_prepares_a_pod_may_be_without_a_chance() -> None:
    """Its restarts count as those of any other."""
    status = {
        "initContainerStatuses": [_container("first", 7, "CrashLoopBackOff")],
        "containerStatuses": [_container("web", 0, "PodInitializing")],
    }
    pod = Pod.read({"metadata": {"name": "web-1"}, "status": status})

    assert (pod.restarts, pod.crashes) == (7, 7)
    assert hopeless([pod]) == "Pod web-1: CrashLoopBackOff after 7 restarts"


def test_a_pod_is_not_completed_while_a_container_runs() -> None:
    """As a Job's, whose work is done and whose helper is not; kubectl has it so."""
    ended = {"terminated": {"exitCode": 0, "reason": "Completed"}}
    done = {"name": "work", "state": ended}
    runs = {"name": "helper", "state": {"running": {"startedAt": "2026-11-01"}}}
    states = []
    for both in ([done, runs], [done, {**done, "name": "helper"}]):
        status = {"phase": "Running", "containerStatuses": both}
        found = Pod.read({"metadata": {"name": "job"}, "status": status})
        states.append((found.reason, found.state))

    assert states == [("", "Running"), ("Completed", "Completed")]


def test_the_restarts_of_another_container_are_no_reason_to_give_up() -> None:
    """A first crash passes often, whatever happened to its neighbour long ago."""
    both = [_container("a", 5), _container("b", 1, "CrashLoopBackOff")]
    pod = Pod.read({"status": {"containerStatuses": both}})

    assert (pod.restarts, pod.crashes) == (6, 1)
    assert hopeless([pod]) is None
    assert "crashes" not in repr(pod)


@pytest.mark.parametrize("which", ["system:node-reader", "web.shop", "app in (a),x=y"])
def test_odd_names_and_labels_are_taken(ns: Namespace, which: str) -> None:
    assert wait.gone(ns, "ConfigMap", which, timeout=1) == []


def test_patience_outlasts_a_missing_image(fake: Any, ns: Namespace) -> None:
    """A patient wait goes on where another would end."""
    fake.put("pods", fake.pod("echo-1", waiting="ImagePullBackOff"), "chapter")
    later(0.2, lambda: fake.put("pods", fake.pod("echo-1"), "chapter"))

    assert len(wait.pods(ns, ready=1, timeout=5, patient=True)) == 1


def test_a_pod_that_ends_still_counts(fake: Any, ns: Namespace) -> None:
    """Three ready Pods and one that is leaving are not yet three Pods."""
    for number in range(3):
        fake.put("pods", fake.pod(f"echo-{number}"), "chapter")
    fake.put("pods", fake.pod("echo-3", terminating=True), "chapter")

    with pytest.raises(NotReady, match="echo-3 Terminating"):
        wait.pods(ns, ready=3, timeout=0.3)


def test_a_controller_is_waited_for(fake: Any, ns: Namespace) -> None:
    """Pods count once the named controller keeps them."""
    fake.put("pods", fake.pod("echo-1"), "chapter")
    adopted = fake.pod("echo-1", controller="echo")
    later(0.1, lambda: fake.put("pods", adopted, "chapter"))
    found = wait.pods(ns, ready=1, controller="echo", timeout=5)

    assert [pod.controller for pod in found] == ["echo"]


def test_a_pod_is_found_by_its_reason(fake: Any, ns: Namespace) -> None:
    """One Pod with the reason is enough, and is the one returned."""
    fake.put("pods", fake.pod("echo-1"), "chapter")
    looping = fake.pod("echo-2", waiting="CrashLoopBackOff", restarts=1)
    later(0.1, lambda: fake.put("pods", looping, "chapter"))
    found = wait.pod(ns, "app=echo", reason="CrashLoopBackOff", timeout=5)
    either = wait.pod(ns, "echo-2", reason=("Error", "CrashLoopBackOff"), timeout=5)

    assert (found.name, found.restarts) == ("echo-2", 1)
    assert either == found
    # Without a reason, that of a Pod does not matter.
    assert wait.pod(ns, "echo-2", phase=looping["status"]["phase"], timeout=5) == found


def test_restarts_are_counted(fake: Any, ns: Namespace) -> None:
    """The Pods that were restarted often enough are returned."""
    fake.put("pods", fake.pod("echo-1", restarts=2), "chapter")
    fake.put("pods", fake.pod("echo-2"), "chapter")

    assert [p.name for p in wait.restarts(ns, "app=echo", at_least=2)] == ["echo-1"]


def test_a_restart_whose_end_was_lost_may_be_enough(fake: Any, ns: Namespace) -> None:
    """The kubelet may remove a container before its end is told; none may follow."""
    fake.put("pods", fake.pod("echo-1", restarts=1, last={}), "chapter")
    [pod] = wait.restarts(ns, "app=echo", at_least=1)

    assert (pod.restarts, pod.last_exit_code) == (1, -1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("meant", "want", "other"),
    [
        ({"exit_code": 137}, "1 or more, exit code 137", (0, "OOMKilled")),
        ({"reason": "OOMKilled"}, "1 or more, OOMKilled", (137, "Error")),
    ],
    ids=["code", "reason"],
)
def test_the_end_that_is_meant_is_waited_for(
    fake: Any, ns: Namespace, meant: dict[str, Any], want: str, other: tuple[int, str]
) -> None:
    """One that was lost, or another one, is not taken for it."""
    killed = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
    wrong = {"terminated": dict(zip(("exitCode", "reason"), other, strict=True))}
    fake.put("pods", fake.pod("echo-1", restarts=1, last={}), "chapter")
    with pytest.raises(NotReady, match=want) as caught:
        wait.restarts(ns, "app=echo", at_least=1, timeout=0.3, **meant)
    for after, last, restarts in ((0.1, wrong, 1), (0.3, killed, 2)):
        again = fake.pod("echo-1", restarts=restarts, last=last)
        later(after, partial(fake.put, "pods", again, "chapter"))
    [pod] = wait.restarts(ns, "app=echo", at_least=1, timeout=5, **meant)

    assert caught.value.seen == "echo-1: 1, last exit code ?"
    assert (pod.restarts, pod.last_exit_code) == (2, 137)


def test_endpoints_count_ready_addresses(fake: Any, ns: Namespace) -> None:
    """Addresses of all slices count once, and only the ready ones."""
    for number, ready in enumerate((True, True, False)):
        each = {
            "metadata": {
                "name": f"echo-{number}",
                "labels": {"kubernetes.io/service-name": "echo"},
            },
            "endpoints": [
                {"addresses": [f"10.244.1.{number}"], "conditions": {"ready": ready}}
            ],
        }
        fake.put("endpointslices", each, "chapter")
    found = wait.endpoints(ns, "echo", want=2)

    assert (found.ready, found.unready) == (
        ("10.244.1.0", "10.244.1.1"),
        ("10.244.1.2",),
    )


@pytest.mark.parametrize("wanted", [{"want": 0}, {"without": "10.244.1.7"}], ids=str)
def test_a_service_that_is_not_there_is_waited_for(
    fake: Any, ns: Namespace, wanted: dict[str, Any]
) -> None:
    """One whose name is misspelt has no endpoint, and would never have one."""
    with pytest.raises(NotReady, match="Service ecko") as caught:
        wait.endpoints(ns, "ecko", timeout=0.2, **wanted)
    fake.put("services", {"metadata": {"name": "echo"}}, "chapter")

    assert (caught.value.wanted, caught.value.seen) == ("there", "not there")
    assert wait.endpoints(ns, "echo", timeout=1, **wanted).ready == ()


def test_a_service_that_comes_late_leaves_what_is_left_of_the_time(
    fake: Any, ns: Namespace
) -> None:
    """The two of them have to be there within the seconds that were given."""
    each = {
        "metadata": {"name": "e", "labels": {"kubernetes.io/service-name": "echo"}},
        "endpoints": [{"addresses": ["10.244.1.7"], "conditions": {"ready": True}}],
    }
    fake.put("endpointslices", each, "chapter")
    service = {"metadata": {"name": "echo"}}
    later(0.8, lambda: fake.put("services", service, "chapter"))
    began = time.monotonic()
    with pytest.raises(NotReady, match="0 endpoints of Service echo"):
        wait.endpoints(ns, "echo", want=0, timeout=1)

    assert time.monotonic() - began < 1.6


def test_nodes_that_are_not_ready_are_named(fake: Any, cluster: Cluster) -> None:
    """The message holds what the machine's kubelet says."""
    status = {"type": "Ready", "status": "False", "message": "no network"}
    node = {"metadata": {"name": "node1"}, "status": {"conditions": [status]}}
    fake.put("nodes", node)

    with pytest.raises(NotReady, match=r"node1 not Ready \(no network\)"):
        wait.nodes(cluster, ready=1, timeout=0.3)


def test_an_object_is_waited_for_until_it_is_as_wanted(
    fake: Any, ns: Namespace
) -> None:
    """A missing object is waited for, and one that failed ends the wait."""
    job = {"metadata": {"name": "settings"}, "data": {"step": "2"}}
    later(0.1, lambda: fake.put("configmaps", job, "chapter"))
    found = wait.for_object(
        ns,
        "ConfigMap",
        "settings",
        want="step 2",
        done=lambda seen: seen["data"]["step"] == "2",
        timeout=5,
    )

    assert found["data"] == {"step": "2"}
    with pytest.raises(NotReady, match="it went wrong"):
        wait.for_object(
            ns,
            "ConfigMap",
            "settings",
            want="step 3",
            done=lambda seen: False,
            failed=lambda seen: "it went wrong",
        )


def test_a_field_that_is_not_there_yet_is_waited_for(fake: Any, ns: Namespace) -> None:
    """The API leaves zeros out; what never comes is named at the deadline."""
    shop: dict[str, Any] = {"metadata": {"name": "shop"}, "status": {"replicas": 3}}
    fake.put("deployments", shop, "chapter")
    grown = {**shop, "status": {"readyReplicas": 3}}
    later(0.1, lambda: fake.put("deployments", grown, "chapter"))
    ready = partial(
        wait.for_object,
        ns,
        "Deployment",
        "shop",
        want="3 ready",
        done=lambda seen: seen["status"]["readyReplicas"] == 3,
        failed=lambda seen: "4" if seen["status"]["readyReplicas"] > 3 else None,
    )

    assert ready(timeout=5)["status"] == {"readyReplicas": 3}
    fake.put("deployments", shop, "chapter")
    with pytest.raises(NotReady, match="KeyError: 'readyReplicas'") as caught:
        ready(timeout=0.2)
    assert "{'replicas': 3}" in caught.value.seen


WAITS: dict[str, Callable[..., Any]] = {
    "pods": partial(wait.pods, ready=1),
    "pod": lambda source, **more: wait.pod(source, "echo-1", **more),
    "restarts": lambda source, **more: wait.restarts(
        source, "app=echo", at_least=1, **more
    ),
    "gone": lambda source, **more: wait.gone(source, "pod", "echo-1", **more),
    "endpoints": lambda source, **more: wait.endpoints(source, "echo", **more),
    "nodes": partial(wait.nodes, ready=1),
    "for_object": lambda source, **more: wait.for_object(
        source, "ConfigMap", "settings", want="there", **more
    ),
    "scaler": lambda source, **more: wait.scaler(source, "shop", **more),
    "until": lambda source, **more: wait.until(
        lambda: source.pods() != [], what="Pods", want="some", **more
    ),
}


def test_the_table_has_every_wait() -> None:
    """So that each refuses what cannot be waited for."""
    assert WAITS.keys() == set(wait.__all__) - {"Waited"}


@pytest.mark.parametrize("source", ["kube-system", None, 7])
def test_what_holds_no_objects_is_refused(source: Any) -> None:
    """Whatever is waited for; the way to ask for others' Pods is told."""
    for waits in WAITS.keys() - {"until"}:
        with pytest.raises(BadInput, match="no namespace") as caught:
            WAITS[waits](source)
        assert "wait.pods(cluster" in caught.value.next


@pytest.mark.parametrize(
    ("timeout", "seen"),
    [
        ("5m", "'5m' (str)"),
        ("60", "'60' (str)"),
        (None, "None (NoneType)"),
        (True, "True (bool)"),
        (-1, "-1 (int)"),
        (float("inf"), "inf (float)"),
        (float("nan"), "nan (float)"),
        (1e300, "1e+300 (float)"),
    ],
)
def test_a_timeout_is_a_number_of_seconds(
    fake: Any, ns: Namespace, timeout: Any, seen: str
) -> None:
    """Anything else is refused by every wait, before a request is sent."""
    fake.requests.clear()

    for waits in WAITS.values():
        with pytest.raises(BadInput, match="timeout takes seconds") as caught:
            waits(ns, timeout=timeout)
        assert (caught.value.seen, fake.requests) == (seen, [])
        assert "300 for 5m" in caught.value.wanted


PRINTED = Result("kubectl get pods | wc -l", "1\n", "", 0, 0.1)


@pytest.mark.parametrize(
    ("count", "seen", "next"),
    [
        ("1", "'1' (str)", ""),
        (PRINTED, "1 (Result)", "=int(x.text), where x is what %kubectl printed"),
        (True, "True (bool)", ""),
        (1.5, "1.5 (float)", ""),
        (-1, "-1 (int)", ""),
    ],
    ids=["text", "result", "bool", "fraction", "negative"],
)
def test_a_count_is_a_whole_number(
    fake: Any, ns: Namespace, count: Any, seen: str, next: str
) -> None:
    """What never fits is refused before a request is sent, and not waited for."""
    fake.requests.clear()

    for name, waits in (
        ("ready", partial(wait.pods, ns, "app=web", ready=count)),
        ("ready", partial(wait.nodes, ns.cluster, ready=count)),
        ("want", partial(wait.endpoints, ns, "web", want=count)),
        ("at_least", partial(wait.restarts, ns, "a=b", at_least=count)),
        ("exit_code", partial(wait.restarts, ns, "a=b", at_least=0, exit_code=count)),
    ):
        with pytest.raises(BadInput) as caught:
            waits(timeout=0.2)
        assert caught.value.what == f"{name} takes a whole number"
        assert (caught.value.seen, fake.requests) == (seen, [])
        assert caught.value.next == (next and name + next)


def test_a_server_that_is_away_is_waited_for(cluster: Cluster, fake: Any) -> None:
    """Without an API server the deadline ends the wait, not the first refusal."""
    cluster.catalogue.resources()
    fake.close()
    cluster.connection.close()

    with pytest.raises(NotReady, match="no answer from the API server"):
        wait.pods(Namespace(cluster, "chapter"), ready=1, timeout=0.5)
