"""Each kind of lab is offered the faults it can have, and the cures that it takes."""

from __future__ import annotations

import random
import shutil
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes.broken import Worker, notes
from fakes.lab import RECORD

from k8slab import fault
from k8slab.core.process import LocalRunner
from k8slab.errors import (
    ApiError,
    BadInput,
    CommandFailed,
    LabError,
    NotBegun,
    NotReady,
)
from k8slab.fault import _control_plane, _journal, _objects, _shop
from k8slab.fault._journal import Entry
from k8slab.fault._kind import Place
from k8slab.folder import LabFolder
from k8slab.kube.cluster import Cluster
from k8slab.lab_record import ADOPTED, INVENTORY, LabRecord
from k8slab.machine import Machine

SCALE = "GET /apis/apps/v1/namespaces/kube-system/deployments/metrics-server/scale"
ADDON = SCALE.removesuffix("/scale")
FIGURES = "GET /apis/metrics.k8s.io/v1beta1/nodes"
SYSTEM = "kube-system"
SEEDS = range(40)
SHOP = "GET /apis/apps/v1/namespaces/t/deployments/shop"
OWN = replace(RECORD, provider=INVENTORY)
TEAM = replace(RECORD, provider=ADOPTED, machines=(), ranges=None)
# How each kind of lab is begun anew.
ANEW = [
    (RECORD, "'k8slab reset --name blue'"),
    (OWN, "'k8slab down --name blue', then 'k8slab up --name blue --inventory FILE'"),
    (
        TEAM,
        "'k8slab down --name blue', then 'k8slab adopt --name blue --kubeconfig FILE'",
    ),
]


def refuse(fake: Any, asked: str, status: int) -> None:
    """Have a request refused from now on."""
    fake.errors[asked] = (status, {"kind": "Status", "message": "refused"})


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[fault.Injection]:
    """Keep what is drawn, in the place of breaking it."""
    kept: list[fault.Injection] = []
    monkeypatch.setattr(fault.Injection, "begin", lambda self: kept.append(self))
    return kept


def test_what_cannot_be_told_is_not_called_gone(cluster: Cluster, fake: Any) -> None:
    """A note would be erased by an API server that has just started."""
    at = Place(cluster, "t")
    refuse(fake, SHOP, 404)
    assert _objects.find(at, "deployments", "shop") == {}

    refuse(fake, SHOP, 503)
    with pytest.raises(ApiError):
        _objects.find(at, "deployments", "shop")
    assert not fault.Injection(fault.find("image-pull"), at).health


def test_a_service_that_has_just_been_deleted_does_not_answer(
    cluster: Cluster, fake: Any
) -> None:
    """Its endpoints are still known."""
    labels = {"kubernetes.io/service-name": "shop"}
    ends = [{"addresses": ["10.0.0.1"], "conditions": {"ready": True}}]
    fake.put(
        "endpointslices",
        {"metadata": {"name": "s", "labels": labels}, "endpoints": ends},
        "t",
    )

    seen = _shop.answers(Place(cluster, "t"))
    assert (seen.ok, seen.words) == (False, "there is no Service shop")


def serve(fake: Any, port: int) -> None:
    """Make a shop's Service on this computer, with one endpoint and a ready Pod."""
    labels = {"kubernetes.io/service-name": "shop"}
    ends = [{"addresses": ["10.0.0.1"], "conditions": {"ready": True}}]
    known = {"metadata": {"name": "s", "labels": labels}, "endpoints": ends}
    spec = {"clusterIP": "127.0.0.1", "ports": [{"port": port}]}
    fake.put("endpointslices", known, "t")
    fake.put("services", {"metadata": {"name": "shop"}, "spec": spec}, "t")
    fake.put("pods", fake.pod("shop-1", labels={"app": "shop"}), "t")


def test_a_master_asks_the_shop_without_a_program_that_it_may_lack(
    cluster: Cluster, fake: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An inventory's machine need not have nc."""
    for name in ("bash", "timeout"):
        (tmp_path / name).symlink_to(shutil.which(name) or name)
    monkeypatch.setenv("PATH", str(tmp_path))
    master: Any = cluster.on("master")
    master.run = LocalRunner().run
    with socket.create_server(("127.0.0.1", 0)) as server:
        serve(fake, server.getsockname()[1])
        seen = [_shop.answers(Place(cluster, "t"))]
    seen.append(_shop.answers(Place(cluster, "t")))

    assert [each.words for each in seen] == [
        "1 endpoints, and the Service answers",
        "1 endpoints, and nothing answers",
    ]


REFUSED = "echo 'refused\ncommand terminated with exit code 1' >&2; exit 1"


@pytest.mark.parametrize(("said", "answers"), [("exit 0", True), (REFUSED, False)])
def test_in_an_adopted_cluster_the_shop_s_own_pod_asks(
    cluster: Cluster,
    fake: Any,
    folder: LabFolder,
    kubectl: Callable[[str], None],
    said: str,
    answers: bool,
) -> None:
    """Nobody knows a machine there."""
    cluster.record = TEAM
    kubectl(f'echo "$@" > {folder.root}/asked; {said}')
    serve(fake, 12345)

    assert _shop.answers(Place(cluster, "t")).ok == answers
    assert "exec shop-1 -n t" in (folder.root / "asked").read_text()


def test_a_kubectl_that_asks_nobody_is_not_a_silent_shop(
    cluster: Cluster, fake: Any, kubectl: Callable[[str], None]
) -> None:
    """As where its user may not run commands in Pods: no symptom, and no health."""
    cluster.record = TEAM
    kubectl("echo Forbidden >&2; exit 1")
    serve(fake, 12345)
    with pytest.raises(CommandFailed, match="Forbidden"):
        fault.find("wrong-port").shows(Place(cluster, "t"))


@pytest.mark.parametrize(("status", "passes"), [(404, True), (409, True), (403, False)])
def test_a_namespace_on_its_way_is_no_mistake(
    cluster: Cluster, fake: Any, status: int, passes: bool
) -> None:
    """One that may not be deleted is."""
    refuse(fake, "DELETE /api/v1/namespaces/t-old", status)
    undo = fault.find("stuck-namespace").undo
    if passes:
        undo(Place(cluster, "t"))
        return
    with pytest.raises(ApiError):
        undo(Place(cluster, "t"))


def made(fake: Any, namespace: str, uid: str) -> None:
    """Make a namespace with a shop in it, and the taint of a fault on a worker."""
    fake.put("namespaces", {"metadata": {"name": namespace, "uid": uid}})
    fake.put("deployments", {"metadata": {"name": "shop"}}, namespace)
    taint = {"key": "maintenance", "effect": "NoSchedule", "value": "true"}
    for node in ("node1", "node2"):
        fake.put("nodes", {"metadata": {"name": node}, "spec": {"taints": [taint]}})


REMOVED = "DELETE /apis/apps/v1/namespaces/t/deployments/shop"


@pytest.mark.parametrize(
    ("noted", "is_removed"),
    [({"uid": "before"}, False), ({"uid": "now"}, True), ({}, True)],
    ids=["made anew", "the same", "an earlier version's"],
)
def test_a_namespace_that_was_made_anew_keeps_its_shop(
    cluster: Cluster,
    fake: Any,
    monkeypatch: pytest.MonkeyPatch,
    noted: dict[str, str],
    is_removed: bool,
) -> None:
    """It is somebody else's; what is in no namespace is undone all the same."""
    patched: list[str] = []
    monkeypatch.setattr(
        "k8slab.fault._surrounding.patch", lambda at, path, body: patched.append(path)
    )
    made(fake, "t", "now")
    taints, at = fault.find("pending-taints"), Place(cluster, "t", noted)
    taints.undo(at)

    assert patched == ["/api/v1/nodes/node1", "/api/v1/nodes/node2"]
    assert (REMOVED in fake.requests) == is_removed
    for node in ("node1", "node2"):
        fake.put("nodes", {"metadata": {"name": node}, "spec": {}})
    assert taints.undone(at)


def test_which_namespace_it_is_is_noted(cluster: Cluster, fake: Any) -> None:
    """A name alone does not tell."""
    made(fake, "t", "now")

    assert fault.find("image-pull").save(Place(cluster, "t")) == {"uid": "now"}


def test_a_shop_is_not_made_whole_in_a_namespace_that_was_made_anew(
    cluster: Cluster, fake: Any
) -> None:
    """Nobody would remove it there."""
    made(fake, "t", "now")
    with pytest.raises(NotBegun, match="made anew"):
        fault.find("image-pull").repair(Place(cluster, "t", {"uid": "before"}))

    assert not [each for each in fake.requests if not each.startswith("GET")]


OWN_OBJECTS = [
    ("crash-loop", "deployments", "Deployment"),
    ("crash-loop", "services", "Service"),
    ("pending-taints", "services", "Service"),
    ("missing-secret-key", "secrets", "Secret"),
]


@pytest.mark.parametrize(("name", "plural", "kind"), OWN_OBJECTS)
def test_a_shop_of_the_readers_own_is_left_alone(
    cluster: Cluster, fake: Any, name: str, plural: str, kind: str
) -> None:
    """It would be replaced, and deleted at the end; nothing is written."""
    shop = {"kind": kind, "metadata": {"name": "shop"}}
    fake.put(plural, shop, "chapter")
    with pytest.raises(BadInput, match="would replace") as caught:
        fault.inject(name, "chapter").begin()

    assert caught.value.wanted == "a namespace without shop"
    assert caught.value.seen == f"{plural} shop"
    assert not [each for each in fake.requests if not each.startswith("GET")]
    assert notes(cluster) == []


def test_pods_that_count_as_the_shops_are_left_alone(
    cluster: Cluster, fake: Any
) -> None:
    """Some faults delete those with its label, and none ends before they are gone."""
    fake.put("pods", fake.pod("till-1", labels={"app": "shop"}), "chapter")

    with pytest.raises(BadInput, match="Pod till-1"):
        fault.inject("image-pull", "chapter").begin()


def test_a_second_namespace_of_the_readers_own_is_left_alone(
    cluster: Cluster, fake: Any
) -> None:
    """It would be deleted with all that is in it."""
    fake.put("namespaces", {"metadata": {"name": "chapter-old"}})
    injected = fault.inject("stuck-namespace", "chapter")
    with pytest.raises(BadInput, match="namespace chapter-old"):
        injected.begin()

    assert not [each for each in fake.requests if not each.startswith("GET")]
    _journal.write(cluster.folder, Entry("stuck-namespace", "chapter", {}))
    injected.fault.check(injected.at)


def test_a_shop_that_another_fault_left_is_taken(cluster: Cluster, fake: Any) -> None:
    """The reader repaired it, and goes on to the next fault."""
    fake.put("deployments", {"metadata": {"name": "shop"}}, "chapter")
    note = _journal.write(cluster.folder, Entry("image-pull", "chapter", {}))
    check = fault.find("crash-loop").check
    check(Place(cluster, "chapter"))
    note.erase()

    with pytest.raises(BadInput):
        check(Place(cluster, "chapter"))


@pytest.mark.slow
def test_a_shop_that_an_ended_session_left_is_removed_first(
    cluster: Cluster, fake: Any, session: Callable[..., Any]
) -> None:
    """Then there is none in the way."""
    killed = session("image-pull=chapter")
    killed.kill()
    killed.wait()
    fake.put("deployments", {"metadata": {"name": "shop"}}, "chapter")
    fault.inject("crash-loop", "chapter").admit()

    assert "DELETE /apis/apps/v1/namespaces/chapter/deployments/shop" in fake.requests
    assert notes(cluster) == []


@pytest.mark.slow
def test_a_fault_of_an_addon_that_is_gone_is_undone(
    cluster: Cluster,
    fake: Any,
    session: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody is left who could tell figures, and no connection fails for that."""
    monkeypatch.setattr(type(fault.find("metrics-server-away")), "health_s", 0.2)
    killed = session("metrics-server-away=")
    killed.kill()
    killed.wait()

    assert fault.heal(cluster) == ["metrics-server-away on the cluster"]
    assert notes(cluster) == []


def test_an_addon_that_does_not_answer_is_not_gone(cluster: Cluster, fake: Any) -> None:
    """Only the API server's 404 says so."""
    refuse(fake, ADDON, 503)
    for step in ("undo", "undone"):
        with pytest.raises(ApiError):
            getattr(fault.find("metrics-server-away"), step)(Place(cluster))


def test_an_addon_without_pods_is_not_healthy(cluster: Cluster, fake: Any) -> None:
    """The API leaves a zero out; those that are ending tell figures for a moment."""
    fake.errors[SCALE] = (200, {"spec": {}})
    told = [{"metadata": {"name": name}} for name in cluster.machines]
    fake.errors[FIGURES] = (200, {"items": told})
    away = fault.find("metrics-server-away")

    assert away.save(Place(cluster)) == {"replicas": 0}
    assert not away.healthy(Place(cluster))
    fake.errors[SCALE] = (200, {"spec": {"replicas": 2}})
    assert away.save(Place(cluster)) == {"replicas": 2}
    assert away.healthy(Place(cluster))
    labels = {"k8s-app": "metrics-server"}
    ending = fake.pod("metrics-server-1", labels=labels, terminating=True)
    fake.put("pods", ending, "kube-system")
    assert not away.healthy(Place(cluster))


def test_a_name_service_that_is_ending_may_answer_still(
    cluster: Cluster, fake: Any
) -> None:
    """Broken is what comes after it; and undone, when it is gone."""
    labels = {"k8s-app": "kube-dns"}
    broken = {"labels": labels, "waiting": "CrashLoopBackOff", "restarts": 1}
    fake.put("pods", fake.pod("coredns-2", **broken), "kube-system")
    dns = fault.find("dns-broken")
    seen = [bool(dns.shows(Place(cluster)))]
    ending = fake.pod("coredns-1", labels=labels, terminating=True)
    fake.put("pods", ending, "kube-system")
    seen.append(bool(dns.shows(Place(cluster))))
    config = {"metadata": {"name": "coredns"}, "data": {"Corefile": "good"}}
    fake.put("configmaps", config, "kube-system")
    undone = dns.undone(Place(cluster, saved={"corefile": "good"}))

    assert seen == [True, False]
    assert (undone.ok, undone.words) == (False, "earlier Pods of CoreDNS are ending")


def test_a_name_service_without_pods_is_not_healthy(
    cluster: Cluster, fake: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gets as many back as it had; an entry of an earlier version has no number."""
    scaled = []

    def note(at: Place, path: str, body: dict[str, Any]) -> None:
        if path.endswith("/deployments/coredns"):
            scaled.append(body["spec"]["replicas"])

    monkeypatch.setattr(_control_plane, "patch", note)
    dns, config = fault.find("dns-broken"), {"Corefile": "good"}
    fake.put("configmaps", {"metadata": {"name": "coredns"}, "data": config}, SYSTEM)
    saved = []
    for replicas in (2, 0):
        found = {"metadata": {"name": "coredns"}, "spec": {"replicas": replicas}}
        fake.put("deployments", found, SYSTEM)
        saved.append(dns.save(Place(cluster)))
    at = Place(cluster, saved=saved[0])
    seen = [dns.healthy(at), dns.undone(at)]
    for each in (at, Place(cluster, saved={"corefile": "good"})):
        dns.repair(each)

    assert saved[0] == {"corefile": "good", "replicas": 2}
    assert [each.ok for each in seen] == [False, False]
    assert scaled == [2, 1]


def test_a_lab_of_an_inventory_is_not_told_to_enable_an_addon(
    cluster: Cluster, fake: Any
) -> None:
    """Only a lab that is made here has any."""
    cluster.record = OWN
    with pytest.raises(BadInput) as caught:
        fault.inject("metrics-server-away").begin()

    assert caught.value.next == "make a lab beside it: 'k8slab up --name own'"


@pytest.mark.slow
@pytest.mark.parametrize(("record", "anew"), ANEW, ids=["own", "inventory", "adopted"])
def test_what_cannot_be_undone_names_a_way_that_the_lab_takes(
    cluster: Cluster,
    fake: Any,
    session: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    record: LabRecord,
    anew: str,
) -> None:
    """Machines that were there, and somebody's cluster, are not made anew."""
    monkeypatch.setattr(type(fault.find("stuck-namespace")), "health_s", 0.2)
    cluster.lab, cluster.record = "blue", replace(record, name="blue")
    fake.put("namespaces", {"metadata": {"name": "t-old"}})
    refuse(fake, "DELETE /api/v1/namespaces/t-old", 409)
    killed = session("stuck-namespace=t")
    killed.kill()
    killed.wait()
    with pytest.raises(NotReady) as caught:
        fault.heal(cluster)

    heal, _, way = caught.value.next.partition("; to begin anew: ")
    assert (heal, way) == ("'k8slab heal --name blue' tries again", anew)


@pytest.mark.parametrize(("record", "anew"), ANEW, ids=["own", "inventory", "adopted"])
def test_an_entry_that_cannot_be_read_names_a_way_that_the_lab_takes(
    tmp_path: Path, record: LabRecord, anew: str
) -> None:
    """By what the lab's folder says of it."""
    folder = LabFolder(tmp_path, "blue")
    folder.save(replace(record, name="blue"))
    folder.journal.mkdir()
    (folder.journal / "1.json").write_text("{")
    with pytest.raises(LabError) as caught:
        _journal.left(folder)

    assert caught.value.next == f"begin anew: {anew}"


def test_an_old_certificate_takes_effect_on_machines_that_are_up(
    cluster: Cluster, fake: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While they start, kubelets would be ended again and again."""
    monkeypatch.setattr(_control_plane, "READY_S", 0.2)
    fake.close()
    master: Any = cluster.on("master")
    with pytest.raises(NotReady):
        fault.find("expired-certificate").undo(Place(cluster))

    assert master.asked == []


def test_what_a_lab_cannot_have_is_not_drawn(
    cluster: Cluster, drawn: list[fault.Injection]
) -> None:
    """No power to cut and no route to take, as with an inventory's machines."""
    for seed in SEEDS:
        fault.draw(seed)

    assert len(drawn) == len(SEEDS)
    never = {"powered-off", "pod-route-away", "pod-network-away"}
    assert not never & {each.fault.name for each in drawn}


def test_what_no_fault_can_break_is_refused(cluster: Cluster) -> None:
    """As the fault itself refuses it; a lab without workers, too."""
    with pytest.raises(BadInput, match="switch the power"):
        fault.draw(1, among=["powered-off"])
    cluster.record = replace(RECORD, machines=RECORD.machines[:1])
    with pytest.raises(BadInput, match="acts on a worker"):
        fault.draw(1, among=["kubelet-stopped"])

    assert notes(cluster) == []


def test_in_a_lab_that_can_have_all_the_seed_alone_decides(
    cluster: Cluster,
    workers: dict[str, Worker],
    drawn: list[fault.Injection],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same fault on the same worker as ever."""
    monkeypatch.setattr(Machine, "has_power", True)
    able = [each for each in fault.every() if each.needs != fault.NAMESPACE]
    names = [each.name for each in able if not each.addon]
    expected = []
    for seed in SEEDS:
        fault.draw(seed)
        chance = random.Random(seed)  # noqa: S311 - a game
        name, worker = chance.choice(names), chance.choice(["node1", "node2"])
        is_there = fault.find(name).needs == fault.MACHINE
        expected.append((name, worker if is_there else ""))

    assert [(each.fault.name, each.at.name) for each in drawn] == expected


def test_an_adopted_cluster_has_faults_of_its_namespaces_only(
    cluster: Cluster, drawn: list[fault.Injection]
) -> None:
    """And those that change nothing beside; without a namespace there is none."""
    cluster.record = TEAM
    with pytest.raises(BadInput, match="adopted"):
        fault.draw(1)
    for seed in SEEDS:
        fault.draw(seed, namespace="chapter")

    assert len(drawn) == len(SEEDS)
    assert not any(each.fault.outside for each in drawn)
