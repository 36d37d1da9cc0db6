"""Scratch namespaces: fresh at the start, gone at the end, nobody else's touched."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes.shell import FakeShell

from k8slab.errors import (
    ApiError,
    BadInput,
    InUse,
    NotConnected,
    NotReady,
    Refused,
    UnknownMachine,
)
from k8slab.folder import LabFolder
from k8slab.kube import namespace
from k8slab.kube.cluster import Cluster
from k8slab.kube.holder import Holder
from k8slab.machine import Machine


@pytest.fixture
def api(fake: Any) -> Any:
    """An API that fills a new namespace as Kubernetes does."""

    def fill(method: str, path: str) -> None:
        if path.endswith("/serviceaccounts") or path.endswith("/configmaps"):
            name = path.split("/")[4]
            if fake.holds("namespaces", name):
                fake.put("serviceaccounts", {"metadata": {"name": "default"}}, name)
                root = {"metadata": {"name": "kube-root-ca.crt"}}
                fake.put("configmaps", root, name)

    fake.on_request = fill
    return fake


def test_scratch_makes_a_labelled_namespace(api: Any, cluster: Cluster) -> None:
    """The namespace carries the chapter's label and becomes kubectl's default."""
    ns = cluster.scratch("chapter")
    found = cluster.get("ns", "chapter")

    assert found["metadata"]["labels"] == {"k8slab.dev/chapter": "chapter"}
    assert (ns.name, cluster.namespace) == ("chapter", "chapter")


def test_a_namespace_that_stays_empty_leads_to_the_controller_manager(
    fake: Any, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is in every namespace is made by a part that may be away."""
    monkeypatch.setattr(namespace, "FILLED_S", 0.2)
    with pytest.raises(NotReady) as caught:
        cluster.scratch("chapter")

    assert "controller manager" in caught.value.next


def test_scratch_removes_what_was_there(api: Any, cluster: Cluster) -> None:
    """What an earlier run left is gone, its Pods told to be quick."""
    cluster.scratch("chapter")
    api.put("pods", api.pod("left-over"), "chapter")
    ns = cluster.scratch("chapter")

    assert ns.pods() == []
    place = api.requests.index("DELETE /api/v1/namespaces/chapter/pods")
    assert api.queries[place] == {"gracePeriodSeconds": ["1"]}


@pytest.mark.parametrize("whose", ["its own", "another's"])
def test_pods_of_a_namespace_that_somebody_deleted_are_told_to_be_quick(
    api: Any, cluster: Cluster, whose: str
) -> None:
    """The API server refuses to delete it again; a new one's Pods are left alone."""
    cluster.scratch("chapter")
    found = cluster.get("ns", "chapter")
    place = "/api/v1/namespaces/chapter"
    api.errors[f"DELETE {place}"] = (409, {"kind": "Status", "reason": "Conflict"})
    found["metadata"]["deletionTimestamp"] = "2026-11-01T00:00:00Z"
    api.put("namespaces", found)
    uid = found["metadata"]["uid"] if whose == "its own" else "an earlier one's"
    api.on_request = lambda method, path: (
        api.drop("namespaces", "chapter") if path == f"{place}/pods" else None
    )
    namespace._end(cluster, "chapter", uid)

    assert (f"DELETE {place}/pods" in api.requests) is (whose == "its own")


def test_objects_outside_namespaces_are_removed_by_label(
    api: Any, cluster: Cluster
) -> None:
    """A chapter's PersistentVolume goes, another one stays."""
    mine = {"metadata": {"name": "mine", "labels": {"k8slab.dev/chapter": "chapter"}}}
    api.put("persistentvolumes", mine)
    api.put("persistentvolumes", {"metadata": {"name": "other"}})
    cluster.scratch("chapter")

    assert [each["metadata"]["name"] for each in cluster.find("PersistentVolume")] == [
        "other"
    ]


DOOR = ("gateway.networking.k8s.io", "v1", "GatewayClass", "gatewayclasses", False)


@pytest.mark.parametrize("just_now", [False, True])
def test_kinds_that_an_addon_took_along_are_no_hindrance(
    api: Any, cluster: Cluster, just_now: bool
) -> None:
    """Neither since the server was asked first, nor since it was asked last."""
    api.kinds.append(DOOR)
    ns = cluster.scratch("chapter")
    if not just_now:
        api.kinds.remove(DOOR)
    gone = {"kind": "Status", "message": "the server could not find it"}
    api.errors["GET /apis/gateway.networking.k8s.io/v1/gatewayclasses"] = (404, gone)
    ns.remove()

    assert not api.holds("namespaces", "chapter")


def test_objects_of_kinds_that_came_later_are_removed(
    api: Any, cluster: Cluster
) -> None:
    ns = cluster.scratch("chapter")
    api.kinds.append(DOOR)
    mine = {"metadata": {"name": "mine", "labels": {"k8slab.dev/chapter": "chapter"}}}
    api.put("gatewayclasses", mine)
    ns.remove()

    assert not api.holds("gatewayclasses", "mine")


def test_remove_twice_is_the_same_as_once(api: Any, cluster: Cluster) -> None:
    """Removing is idempotent, and no other namespace becomes the default."""
    ns = cluster.scratch("chapter")
    ns.remove()
    ns.remove()

    assert cluster.namespace == "chapter"
    with pytest.raises(ApiError):
        cluster.get("ns", "chapter")


def test_a_namespace_that_stays_names_what_keeps_it(
    api: Any, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The finalizer, who set it, and a command that takes it off; then it begins."""
    monkeypatch.setattr(namespace, "REMOVE_S", 0.3)
    cluster.scratch("chapter")
    fields: dict[str, Any] = {"f:metadata": {"f:finalizers": {".": {}}}}
    kept = {
        "name": "shop",
        "finalizers": ["example.com/hold"],
        "managedFields": [{"manager": "hold-controller", "fieldsV1": fields}],
    }
    api.put("configmaps", {"metadata": kept}, "chapter")
    api.errors["DELETE /api/v1/namespaces/chapter"] = (200, {})
    with pytest.raises(NotReady) as caught:
        cluster.scratch("chapter")
    *_, patch = caught.value.next.splitlines()

    assert caught.value.seen.splitlines()[-1] == (
        "ConfigMap shop is kept by the finalizer example.com/hold, "
        "set by hold-controller"
    )
    assert shlex.split(patch)[1:] == [
        "patch",
        "configmaps",
        "shop",
        "-n",
        "chapter",
        "--type=merge",
        "-p",
        '{"metadata":{"finalizers":null}}',
    ]
    del api.errors["DELETE /api/v1/namespaces/chapter"]
    assert cluster.scratch("chapter").name == "chapter"


@pytest.mark.parametrize("name", ["kube-system", "mine"])
def test_a_namespace_of_somebody_else_is_left_alone(
    api: Any, cluster: Cluster, name: str
) -> None:
    """A namespace without the chapter's label is not deleted."""
    api.put("namespaces", {"metadata": {"name": name}})

    with pytest.raises(Refused):
        cluster.scratch(name)
    assert not any(each.startswith("DELETE") for each in api.requests)


@pytest.mark.parametrize("name", ["", "Upper", "a/b", "a" * 64, "-a"])
def test_a_name_that_cannot_be_one_sends_nothing(
    api: Any, cluster: Cluster, name: str
) -> None:
    """A name Kubernetes would refuse is refused here."""
    with pytest.raises(BadInput):
        cluster.scratch(name)
    assert api.requests == []


def test_pods_are_read_as_records(api: Any, cluster: Cluster) -> None:
    """A Pod's record holds what a chapter asks for."""
    ns = cluster.scratch("chapter")
    api.put("pods", api.pod("echo-1", controller="echo", node="node2"), "chapter")
    api.put("pods", api.pod("echo-2", waiting="CrashLoopBackOff"), "chapter")
    api.put("pods", api.pod("echo-3", terminating=True), "chapter")
    first, second, third = ns.pods("app=echo")

    assert (first.name, first.controller, first.node, first.state) == (
        "echo-1",
        "echo",
        "node2",
        "Ready",
    )
    assert (second.ready, second.state) == (False, "CrashLoopBackOff")
    assert third.state == "Terminating"
    assert ns.ready_pods("app=echo") == 1


def test_the_last_end_of_a_container_is_known(api: Any, cluster: Cluster) -> None:
    """Exit code and reason are of the container's latest end; -1 before any."""
    ns = cluster.scratch("chapter")
    ended = api.pod("echo-1", waiting="CrashLoopBackOff", restarts=1)
    status = ended["status"]["containerStatuses"][0]
    status["lastState"] = {"terminated": {"exitCode": 3, "reason": "Error"}}
    api.put("pods", ended, "chapter")
    api.put("pods", api.pod("echo-2"), "chapter")
    ends = [(pod.last_exit_code, pod.last_reason) for pod in ns.pods()]

    assert ends == [(3, "Error"), (-1, "")]


def test_events_are_lines_the_latest_last(api: Any, cluster: Cluster) -> None:
    """Events tell type, reason, count, object and message, in order of time."""
    ns = cluster.scratch("chapter")
    for name, stamp in (("b", "2026-11-01T00:00:02Z"), ("a", "2026-11-01T00:00:01Z")):
        event = {
            "metadata": {"name": name},
            "type": "Normal",
            "reason": "Pulled",
            "count": 2,
            "message": f"image\n{name}",
            "lastTimestamp": stamp,
            "involvedObject": {"name": "echo-1"},
        }
        api.put("events", event, "chapter")

    assert ns.events("echo-1") == [
        "Normal Pulled (x2) echo-1: image a",
        "Normal Pulled (x2) echo-1: image b",
    ]


def test_moments_are_the_first_of_their_reason(api: Any, cluster: Cluster) -> None:
    """Of each object; an Event of either form, and of another reason none.

    Of two in one second, the one that the API server got later comes later.
    """
    ns = cluster.scratch("chapter")
    for number, (name, reason, stamps) in enumerate(
        [
            ("echo-1", "Started", {"firstTimestamp": "2026-11-01T00:00:02Z"}),
            ("echo-1", "Started", {"firstTimestamp": "2026-11-01T00:00:01Z"}),
            ("echo-1", "Killing", {"firstTimestamp": "2026-11-01T00:00:00Z"}),
            ("echo-2", "Started", {"eventTime": "2026-11-01T00:00:01.500000Z"}),
            ("echo-3", "Started", {"firstTimestamp": "2026-11-01T00:00:01Z"}),
        ]
    ):
        event = {"metadata": {"name": f"e{number}"}, "reason": reason, **stamps}
        api.put("events", event | {"involvedObject": {"name": name}}, "chapter")

    moments = ns.moments("Started")

    assert {name: f"{at:%S.%f}" for name, (at, _) in moments.items()} == {
        "echo-1": "01.000000",
        "echo-2": "01.500000",
        "echo-3": "01.000000",
    }
    assert moments["echo-1"] < moments["echo-3"] < moments["echo-2"]


def test_kinds_have_many_names(cluster: Cluster) -> None:
    """A kind is found by the names kubectl takes."""
    names = ("ReplicationController", "replicationcontrollers", "rc")
    found = {cluster.catalogue.find(name).path("x", "y") for name in names}

    assert found == {"/api/v1/namespaces/x/replicationcontrollers/y"}
    assert (
        cluster.catalogue.find("deployments.apps").path() == "/apis/apps/v1/deployments"
    )
    with pytest.raises(BadInput):
        cluster.catalogue.find("Podd")


def test_an_unknown_machine_is_named_with_the_known_ones(cluster: Cluster) -> None:
    """The message lists the machines there are."""
    with pytest.raises(UnknownMachine, match="one of master, node1, node2"):
        cluster.on("node9")


def test_an_admitted_machine_is_reached_until_it_is_dismissed(cluster: Cluster) -> None:
    """One that the lab's folder does not know; those that it knows stay."""
    record = replace(cluster.record.nodes[-1], name="node3")
    cluster.admit(Machine(record, FakeShell("node3", "172.30.1.14")))
    there = cluster.machines
    for name in ("node3", "node3", "node2"):
        cluster.dismiss(name)

    assert there == ("master", "node1", "node2", "node3")
    assert cluster.machines == ("master", "node1", "node2")


def test_the_client_key_is_for_its_owner_only(
    cluster: Cluster, folder: LabFolder
) -> None:
    """The private key that the TLS library reads from a file is private."""
    cluster.verify()
    keys = (folder.root / "client").glob("*.key")
    modes = {path.stat().st_mode & 0o777 for path in keys}

    assert modes == {0o600}


def test_official_clients_have_time_limits(cluster: Cluster, fake: Any) -> None:
    """A new official client works, with the lab's CA and no proxy."""
    from kubernetes.client import CoreV1Api

    fake.put("pods", fake.pod("echo-1"), "chapter")
    api = cluster.new_api()
    found = CoreV1Api(api).list_namespaced_pod("chapter").items

    assert [each.metadata.name for each in found] == ["echo-1"]
    assert api.configuration.proxy is None


@pytest.fixture
def living() -> Iterator[int]:
    """A process that lives until the test ends."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
        yield process.pid


def held_by(
    api: Any, process: int, born: int, host: str = "", *, name: str = "chapter"
) -> None:
    """Put a namespace there that a process holds."""
    of = Holder.this()
    held = replace(of, host=host or of.host, process=process, born=born)
    labels = {namespace.LABEL: name}
    meta = {"name": name, "labels": labels, "annotations": held.annotations}
    api.put("namespaces", {"metadata": meta})


def born(process: int) -> int:
    """Return when a process was started, as the system counts."""
    stat = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2]
    return int(stat.split()[19])


def test_scratch_says_what_it_removed(
    api: Any, cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line, without what every namespace holds by itself."""
    cluster.scratch("chapter")
    for name in ("a", "b"):
        api.put("pods", api.pod(name), "chapter")
    api.put("services", {"metadata": {"name": "s"}}, "chapter")
    api.put("events", {"metadata": {"name": "e"}}, "chapter")
    labels = {"k8slab.dev/chapter": "chapter"}
    api.put("persistentvolumes", {"metadata": {"name": "disk", "labels": labels}})
    cluster.scratch("chapter")

    assert capsys.readouterr().out.splitlines() == [
        "an earlier run left nothing",
        "removed what an earlier run left: "
        "namespace chapter with 2 Pods, 1 Service, PersistentVolume disk",
    ]


def test_a_namespace_that_another_kernel_holds_is_left_alone(
    api: Any, cluster: Cluster, living: int
) -> None:
    """It is told who, since when and how to take it over; nothing is changed."""
    held_by(api, living, born(living))
    with pytest.raises(InUse) as caught:
        cluster.scratch("chapter")

    assert f"process {living} on " in caught.value.seen
    assert 'ns = cluster.scratch("chapter", take_over=True)' in caught.value.next
    assert {each.split()[0] for each in api.requests} == {"GET"}


def test_a_session_that_was_refused_reaches_nothing(
    api: Any, cluster: Cluster, living: int
) -> None:
    """What its later cells say is the same refusal; until it gets the namespace."""
    held_by(api, living, born(living))
    with pytest.raises(InUse):
        cluster.scratch("chapter")
    for act in (
        lambda: cluster.kubectl(["get", "pods"]),
        lambda: cluster.find("Pod"),
        lambda: cluster.on("node1"),
    ):
        with pytest.raises(InUse):
            act()
    ns = cluster.scratch("chapter", take_over=True)

    assert ns.pods() == []
    holder = Holder.of(cluster.get("ns", "chapter"))
    assert holder is not None
    assert not holder.is_other


@pytest.mark.parametrize("end", [NotReady, Refused, KeyboardInterrupt])
def test_a_namespace_that_does_not_come_to_be_leaves_nothing_to_act_on(
    api: Any,
    cluster: Cluster,
    monkeypatch: pytest.MonkeyPatch,
    end: type[BaseException],
) -> None:
    """The next cell may say "delete --all", and would mean the namespace default."""
    error = (
        end("x")
        if end is not NotReady
        else NotReady("x", wanted="", seen="", waited_s=0)
    )

    def fail(*_: object, **__: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr("k8slab.kube.cluster.scratch", fail)
        with pytest.raises(end):
            cluster.scratch("chapter")
    for act in (
        lambda: cluster.kubectl(["delete", "pods", "--all"]),
        lambda: cluster.find("Pod"),
        lambda: cluster.on("node1"),
    ):
        with pytest.raises(NotConnected, match="namespace chapter was not made"):
            act()

    assert cluster.scratch("chapter").pods() == []
    assert cluster.on("node1")


def test_a_name_that_cannot_be_takes_nothing_from_a_session(
    api: Any, cluster: Cluster, living: int
) -> None:
    """One that has a namespace keeps it; one that was refused stays so."""
    cluster.scratch("chapter")
    with pytest.raises(BadInput):
        cluster.scratch("No Name")
    kept = cluster.namespace, cluster.refusal
    held_by(api, living, born(living), name="other")
    for name, error in (("other", InUse), ("No Name", BadInput)):
        with pytest.raises(error):
            cluster.scratch(name)

    assert kept == ("chapter", None)
    with pytest.raises(InUse):
        cluster.find("Pod")


@pytest.mark.parametrize("gone", ["ended", "its id given again"])
def test_a_holder_that_is_gone_is_taken_over(
    api: Any, cluster: Cluster, living: int, gone: str
) -> None:
    """Nobody has to be asked: neither a dead process nor one with its number holds."""
    ended = subprocess.Popen(["true"])
    ended.wait()
    held_by(api, *((ended.pid, 7) if gone == "ended" else (living, born(living) - 1)))

    assert cluster.scratch("chapter").name == "chapter"


def test_a_holder_on_another_computer_counts_as_alive(
    api: Any, cluster: Cluster
) -> None:
    """What cannot be known is not taken."""
    held_by(api, 1, 1, host="elsewhere")

    with pytest.raises(InUse, match="on elsewhere"):
        cluster.scratch("chapter")


def test_a_clean_up_leaves_what_was_taken_over(
    api: Any, cluster: Cluster, living: int
) -> None:
    """The kernel that lost its namespace does not remove the other one's."""
    ns = cluster.scratch("chapter")
    held_by(api, living, born(living))

    with pytest.raises(InUse):
        ns.remove()
    assert api.holds("namespaces", "chapter")


def test_of_two_that_begin_at_once_one_is_told(
    api: Any, cluster: Cluster, living: int
) -> None:
    """The API makes one namespace of a name; the other kernel hears who was first."""

    def other_is_first(method: str, path: str) -> None:
        if method == "POST":
            held_by(api, living, born(living))

    api.on_request = other_is_first
    api.errors["POST /api/v1/namespaces"] = (409, {"reason": "AlreadyExists"})
    with pytest.raises(InUse, match=f"process {living}"):
        cluster.scratch("chapter")


@pytest.mark.parametrize(
    "asked", ["DELETE /api/v1/namespaces/chapter", "GET /api/v1/namespaces"]
)
def test_a_namespace_that_another_kernel_made_meanwhile_is_left_alone(
    api: Any,
    cluster: Cluster,
    living: int,
    monkeypatch: pytest.MonkeyPatch,
    asked: str,
) -> None:
    """As the old one is deleted, or is waited for: only that one was judged."""
    monkeypatch.setattr(namespace, "REMOVE_S", 0.3)
    held_by(api, living, born(living) - 1)
    fill = api.on_request

    def other_is_first(method: str, path: str) -> None:
        fill(method, path)
        if f"{method} {path}" == asked:
            api.on_request = fill
            api.drop("namespaces", "chapter")
            held_by(api, living, born(living))
            api.put("pods", api.pod("fresh"), "chapter")

    api.on_request = other_is_first
    with pytest.raises(InUse, match=f"process {living}"):
        cluster.scratch("chapter")
    assert api.holds("namespaces", "chapter")
    assert api.holds("pods", "fresh", "chapter")


@pytest.mark.parametrize("name", ["", None, "a/log", "a?b", 3])
def test_no_name_is_not_all_of_them(cluster: Cluster, name: Any) -> None:
    """The address of a kind without a name lists all objects."""
    with pytest.raises(BadInput, match="this is no name"):
        namespace.Namespace(cluster, "chapter").get("pod", name)


def test_what_is_no_text_names_nothing(cluster: Cluster) -> None:
    """A session goes on as before."""
    with pytest.raises(BadInput, match="cannot be the name of a namespace"):
        cluster.scratch(None)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="a kind is a text"):
        cluster.find(None)  # type: ignore[arg-type]
    with pytest.raises(UnknownMachine, match="node1"):
        cluster.machine(["node1"])  # type: ignore[arg-type]

    assert cluster.refusal is None
