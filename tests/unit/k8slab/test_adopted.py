"""Somebody's cluster in a session: its token, its images, and what it does not give."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import lab
from fakes.api_server import FakeApi

from k8slab import check, fault, probe
from k8slab.errors import (
    ApiError,
    ApiUnreachable,
    CertificateExpired,
    LabError,
    NoMachines,
)
from k8slab.folder import LabFolder
from k8slab.kube import current, images, namespace, snapshot
from k8slab.kube.cluster import Cluster
from k8slab.kube.objects import Pod
from k8slab.lab_record import ADOPTED, LabRecord
from k8slab.widgets._watching import Watching

PREFIX = "registry.example/team/book"
RECORD = replace(
    lab.RECORD,
    name="team",
    provider=ADOPTED,
    machines=(),
    ranges=None,
    images={"echo": f"{PREFIX}/echo:1"},
)
MANIFEST = "containers:\n- image: registry.lab/echo:1 # from registry.lab/echo\n"


@pytest.fixture
def folder(tmp_path: Path) -> LabFolder:
    """Say where the lab of `team` is kept."""
    return LabFolder(tmp_path / "labs", RECORD.name)


@pytest.fixture
def team(fake: FakeApi, folder: LabFolder) -> Iterator[Cluster]:
    """Connect to the fake API as to an adopted cluster, with a token."""
    made = connect(fake, folder, user={"token": "a-token"})
    current.use(made)
    yield made
    current.forget()
    made.close()


def connect(api: FakeApi, folder: LabFolder, **changes: object) -> Cluster:
    """Write an adopted cluster's kubeconfig, and connect with it."""
    folder.root.mkdir(parents=True)
    folder.kubectl.touch()
    api.kubeconfig(folder.kubeconfig, **changes)  # type: ignore[arg-type]
    lab.pin(api, folder)
    return Cluster(RECORD, {}, folder)


def test_the_record_is_read_as_it_was_written() -> None:
    """Without machines and ranges; a lab of machines keeps its own."""
    assert LabRecord.from_json(RECORD.to_json()) == RECORD
    assert LabRecord.from_json(lab.RECORD.to_json()) == lab.RECORD
    assert not lab.RECORD.is_adopted
    assert replace(RECORD, images={"echo": "registry.lab/echo:1"}).prefix == ""
    below = {"speaker": "registry.lab/addon/speaker:1"}
    assert replace(lab.RECORD, images=below).prefix == ""


@pytest.mark.slow
def test_a_token_stands_in_every_request(fake: FakeApi, team: Cluster) -> None:
    """In those of the library, and in those of the official client."""
    team.verify()
    team.find("pods")

    assert set(fake.authorizations) == {"Bearer a-token"}
    assert "a-token" not in repr(team.check_access())


@pytest.mark.parametrize(
    "ask",
    [
        lambda team: team.on("node1"),
        lambda team: team.machine("master"),
        lambda team: team.machines,
        lambda team: team.ranges,
        lambda team: probe.echo_everywhere(31245),
        lambda team: probe.dns("echo", from_="node1"),
        lambda team: probe.tcp("10.96.0.1", 80, from_="master"),
        lambda team: fault.inject("kubelet-stopped", "node2"),
        lambda team: fault.inject("dns-broken"),
        lambda team: fault.inject("pending-taints", "chapter"),
        lambda team: fault.inject("claim-without-class", "chapter"),
        lambda team: fault.inject("webhook-silent", "chapter"),
        lambda team: fault.inject("stuck-namespace", "chapter"),
    ],
)
def test_what_needs_a_machine_says_so(
    team: Cluster, ask: Callable[[Cluster], object]
) -> None:
    """Nothing is done on no machine and called done."""
    with pytest.raises(NoMachines, match="adopted") as refused:
        ask(team)

    assert "'k8slab up" in refused.value.next


def test_a_claim_that_cannot_be_tried_is_no_failure_as_promised(team: Cluster) -> None:
    """Whatever error a chapter promises, nothing is known of it here."""
    with pytest.raises(NoMachines), check.fails(LabError):
        team.on("node1")
    with check.fails(NoMachines):
        team.on("node1")


def test_a_pod_asks_a_pod_and_nobody_else_does(
    team: Cluster, fake: FakeApi, folder: LabFolder
) -> None:
    """From a Pod kubectl does it; from this computer or a machine nothing does."""
    folder.kubectl.write_text("#!/bin/sh\necho\n")
    folder.kubectl.chmod(0o755)
    pod = Pod.read(fake.pod("echo-1", ip="10.1.2.3"))

    assert probe.tcp(pod, 12345, from_=pod).ok
    for from_ in (None, "master"):
        with pytest.raises(NoMachines):
            probe.tcp(pod, 12345, from_=from_)


def test_only_image_fields_of_a_manifest_change() -> None:
    """In YAML and JSON, with quotes and without; a comment stays."""
    assert images.in_manifest(MANIFEST, PREFIX) == MANIFEST.replace(
        "registry.lab", PREFIX, 1
    )
    text = '{"image": "registry.lab/echo:1", "arg": "registry.lab/echo:1"}'
    assert images.in_manifest(text, PREFIX).count(PREFIX) == 1
    other = "image: registry.lab.example/echo"
    assert images.in_manifest(other, PREFIX) == other


@pytest.mark.parametrize(
    "form", ["-f {}", "-f={}", "-f{}", "--filename {}", "--filename={}", "-f {},{}"]
)
def test_kubectl_reads_a_copy_of_a_manifest(tmp_path: Path, form: str) -> None:
    """However its name is given; the manifest itself stays."""
    file = tmp_path / "rc.yaml"
    file.write_text(MANIFEST)

    said = images.in_arguments(
        ["apply", *form.format(file, file).split()], PREFIX, tmp_path / "copies"
    )

    (copy,) = (tmp_path / "copies").iterdir()
    assert PREFIX in copy.read_text()
    assert said == ["apply", *form.format(copy, copy).split()]
    assert file.read_text() == MANIFEST


def test_arguments_name_images_and_a_pods_own_do_not(tmp_path: Path) -> None:
    """What follows the double dash belongs to the program in the Pod."""
    run = ["run", "x", "--image=registry.lab/echo:1", "--", "ask", "registry.lab/x"]
    logs = ["logs", "-f", str(tmp_path)]

    assert images.in_arguments(run, PREFIX, tmp_path) == [
        "run",
        "x",
        f"--image={PREFIX}/echo:1",
        "--",
        "ask",
        "registry.lab/x",
    ]
    assert images.in_arguments(logs, PREFIX, tmp_path) == logs


def test_kubectl_gets_the_prefix(team: Cluster, folder: LabFolder) -> None:
    """In its arguments, and in what it reads on its standard input."""
    folder.kubectl.write_text('#!/bin/sh\necho "$@"\nwhile read -r a; do echo $a; done')
    folder.kubectl.chmod(0o755)

    said = team.kubectl(["apply", "-f", "-"], input=MANIFEST).stdout
    assert f"image: {PREFIX}/echo:1" in said
    said = team.kubectl(["run", "x", "--image=registry.lab/echo:1"]).stdout
    assert f"--image={PREFIX}/echo:1" in said


def test_a_chapter_is_told_where_images_come_from(
    team: Cluster, fake: FakeApi, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once, where its namespace is made."""
    fake.on_request = lambda method, path: _furnish(fake, method, path)

    team.scratch("chapter")

    assert f"images come from {PREFIX}, not registry.lab" in capsys.readouterr().out


def _furnish(fake: FakeApi, method: str, path: str) -> None:
    """Put what controllers put into a namespace that is made."""
    if (method, path) == ("POST", "/api/v1/namespaces"):
        fake.put("serviceaccounts", {"metadata": {"name": "default"}}, "chapter")
        fake.put("configmaps", {"metadata": {"name": "kube-root-ca.crt"}}, "chapter")


def test_kinds_that_may_not_be_listed_hold_nothing_of_a_chapter(
    team: Cluster, fake: FakeApi
) -> None:
    """Whoever may do only what is namespaced can clean up, and is compared."""
    refused = (403, {"kind": "Status", "reason": "Forbidden"})
    for plural in ("nodes", "persistentvolumes"):
        fake.errors[f"GET /api/v1/{plural}"] = refused

    namespace.Namespace(team, "chapter").remove()
    assert snapshot.take(team).things == {}


def test_only_what_chapters_make_is_compared(team: Cluster, fake: FakeApi) -> None:
    """Others are at work in the cluster, and their objects come and go."""
    before = snapshot.take(team)
    fake.put("namespaces", {"metadata": {"name": "others"}})
    fake.put("pods", fake.pod("others-1"), "others")
    labels = {namespace.LABEL: "chapter"}
    fake.put("namespaces", {"metadata": {"name": "chapter", "labels": labels}})

    found = snapshot.difference(before, snapshot.take(team))

    assert found == ["added: Namespace chapter"]


def test_no_step_brings_an_adopted_cluster_up(fake: FakeApi, folder: LabFolder) -> None:
    """When it is silent, its token is refused, or its certificate has expired."""
    team = connect(fake, folder, days=-1)
    path = "GET /api/v1/pods"
    fake.errors[path] = (401, {"kind": "Status"})

    with pytest.raises(CertificateExpired) as expired:
        team.find("pods")
    fake.kubeconfig(folder.kubeconfig, user={"token": "old"})
    team.close()
    with pytest.raises(ApiError) as refused:
        team.find("pods")
    fake.close()
    team.close()
    with pytest.raises(ApiUnreachable) as silent:
        team.find("pods")

    for error in (expired, refused, silent):
        assert error.value.next
        assert "k8slab" not in error.value.next
    team.close()


def test_a_live_view_gives_the_advice_of_the_cell(team: Cluster, fake: FakeApi) -> None:
    """Its connection is one to somebody's cluster, too."""
    watching = Watching(team, "pods", lambda _: None, timeout=0.1)
    fake.errors["GET /api/v1/pods"] = (401, {"kind": "Status"})
    with pytest.raises(ApiError) as cell:
        team.find("pods")
    with pytest.raises(ApiError) as live:
        watching.run()

    assert live.value.next == cell.value.next != ""
