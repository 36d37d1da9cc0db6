"""Add-ons: what they are made of, and that no ended command leaves half of one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from fakes import lab
from fakes.api_server import FakeApi
from paths import BUNDLE

from k8slab.core.phases import Ledger
from k8slab.core.process import LocalRunner
from k8slab.errors import BadInput, InUse, LabError, NotReady
from k8slab.folder import LabFolder
from k8slab.kube.cluster import Cluster
from labmaker import addons
from labmaker.addons import ADDONS, AddOn, catalogue, find, images
from labmaker.addons.base import LABEL, labelled, manifests, read, unavailable
from labmaker.addons.local_path_provisioner import LocalPathProvisioner
from labmaker.addons.metallb import MetalLB
from labmaker.addons.traefik import Traefik
from labmaker.addons.work import Work
from labmaker.bundle import Bundle, versions
from labmaker.bundle.components import find as component
from labmaker.settings import Settings

SYSTEM = "kube-system"
REGISTRY = "docker/registry/v2"


def words(value: Any, key: str) -> Iterator[str]:
    """Yield what stands under a key anywhere in an object."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == key and isinstance(inner, str):
                yield inner
            yield from words(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from words(inner, key)


@pytest.mark.parametrize("addon", ADDONS, ids=lambda addon: addon.name)
def test_an_addon_is_made_of_the_bundle_s_images(addon: AddOn) -> None:
    """Each has its version and is one that the add-on's components make."""
    known = versions.read(BUNDLE)
    named = [i.name for c in addon.components for i in component(c).images]
    seen = set(words(read(manifests(addon.name)), "image"))

    assert seen == {known.images[name] for name in named}
    used = [*addon.components, *addon.kinds]
    assert all(component(name).on_demand for name in used)


@pytest.mark.parametrize("addon", ADDONS, ids=lambda addon: addon.name)
def test_all_objects_of_an_addon_and_its_pods_are_labelled(addon: AddOn) -> None:
    """So that a removal finds them, whatever the manifests say by then."""
    made = labelled(addon.name, read(manifests(addon.name)))
    work = [each for each in made if "template" in each.get("spec", {})]
    every = made + [each["spec"]["template"] for each in work]

    assert work != []
    assert {each["metadata"]["labels"].get(LABEL) for each in every} == {addon.name}


@pytest.mark.parametrize(
    ("wanted", "available", "said"),
    [(2, 1, "{} a: 1 of 2 available"), (0, 0, "{} a: 0 of 1 available"), (2, 2, "")],
    ids=["one is not there", "scaled away", "all are there"],
)
@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_a_workload_without_its_pods_is_not_available(
    cluster: Cluster, fake: FakeApi, kind: str, wanted: int, available: int, said: str
) -> None:
    """Nor is one that somebody scaled away: who has the add-on wants it to work."""
    meta = {"name": "a", "namespace": SYSTEM, "generation": 1}
    obj = {"kind": kind, "metadata": meta, "spec": {"replicas": wanted}}
    status = {"observedGeneration": 1, "availableReplicas": available}
    told = [unavailable(cluster, [obj])]
    fake.put(f"{kind.lower()}s", {**obj, "status": status}, SYSTEM)
    told.append(unavailable(cluster, [obj]))

    assert told == [f"there is no {kind} a", said.format(kind)]


@pytest.mark.parametrize("addon", ADDONS, ids=lambda addon: addon.name)
def test_an_addon_that_is_enabled_again_gets_its_pods_back(addon: AddOn) -> None:
    """Its manifests say how many there are, or what was scaled away stays away."""
    made = read(manifests(addon.name))
    scaled = [each["spec"] for each in made if each["kind"] == "Deployment"]

    assert [spec.get("replicas") for spec in scaled] == [1]


def test_what_is_made_in_comes_first_and_what_asks_comes_last() -> None:
    """A namespace is made first; an APIService is made last and goes first."""
    kinds = ["APIService", "Service", "Deployment", "ServiceAccount", "Namespace"]
    objects = [{"kind": kind, "metadata": {"name": "a"}} for kind in kinds]
    objects[2]["spec"] = {"template": {"metadata": {}}}
    made = [each["kind"] for each in labelled("a", objects)]

    assert made == [
        "Namespace",
        "ServiceAccount",
        "Service",
        "Deployment",
        "APIService",
    ]


def test_only_addons_can_be_named() -> None:
    """The error lists those there are."""
    with pytest.raises(BadInput, match="no add-on named 'nonsense'") as caught:
        find("nonsense")

    assert "metrics-server" in caught.value.wanted


def registry(folder: Path, **blobs: str) -> Path:
    """Write a registry with a repository for each name, of the blobs of its word."""
    for name, letters in blobs.items():
        for letter in letters:
            digest = letter * 64
            blob = folder / REGISTRY / "blobs/sha256" / (letter * 2) / digest / "data"
            layers = folder / REGISTRY / "repositories" / name / "_layers/sha256"
            for path in (blob, layers / digest / "link"):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(digest)
    return folder


def files(folder: Path) -> set[str]:
    """Return all files and folders below a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_images_come_into_the_depot_and_go_again(tmp_path: Path) -> None:
    """What they share with others stays; a copy that was ended is made whole."""
    depot = registry(tmp_path / "depot", echo="ab")
    more = registry(tmp_path / "more", toy="bc")
    before, run = files(depot), LocalRunner()
    ended = depot / REGISTRY / "blobs/sha256/cc" / ("c" * 64) / "data.part"
    ended.parent.mkdir(parents=True)
    ended.write_text("half")
    came = [images.offer(more, depot, run) for _ in range(2)]
    there = files(depot)
    images.withdraw(depot, ["toy"])

    assert came == [True, False]
    assert there == before | files(more)
    assert files(depot) == before


class Toy(AddOn):
    """An add-on that works or not as a test wants."""

    name = "toy"
    what = "a toy"

    def __init__(self) -> None:
        self.trouble = ""
        self.used: list[str] = []
        self.removed = 0

    def objects(self, cluster: Cluster) -> list[dict[str, Any]]:
        """Return one object."""
        meta = {"name": "toy", "namespace": "default"}
        return [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta}]

    def health(self, cluster: Cluster) -> str:
        """Return what the test says."""
        return self.trouble

    def ready(self, cluster: Cluster, *, timeout: float = 0) -> None:
        """Do not wait."""
        if self.trouble:
            raise NotReady("toy", wanted="", seen=self.trouble, waited_s=0)

    def in_use(self, cluster: Cluster) -> list[str]:
        """Return what the test says."""
        return self.used

    def remove(self, cluster: Cluster) -> None:
        """Count."""
        self.removed += 1


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeApi]:
    """Serve an API for one test."""
    server = FakeApi(tmp_path)
    yield server
    server.close()


@pytest.fixture
def folder(tmp_path: Path) -> LabFolder:
    """Return the folder of a lab that is up."""
    return LabFolder(tmp_path / "labs", lab.RECORD.name)


@pytest.fixture
def cluster(fake: FakeApi, folder: LabFolder) -> Iterator[Cluster]:
    """Return that lab's cluster, whose kubectl notes what it is told."""
    made = lab.connect(fake, folder)
    folder.save(replace(lab.RECORD, complete=True))
    says(folder, "exit 0")
    yield made
    made.close()


def says(folder: LabFolder, script: str) -> None:
    """Give the lab a kubectl that notes its first argument, then does something."""
    log = folder.root / "kubectl.log"
    folder.kubectl.write_text(f"#!/bin/sh\necho $1 >> {log}\n{script}\n")
    folder.kubectl.chmod(0o755)


def told(folder: LabFolder) -> list[str]:
    """Return what kubectl was told."""
    return (folder.root / "kubectl.log").read_text().split()


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Toy:
    """Return an add-on that is in the catalogue."""
    made = Toy()
    monkeypatch.setattr(catalogue, "ADDONS", (made,))
    return made


@pytest.fixture
def work(folder: LabFolder, cluster: Cluster) -> Work:
    """Return what changes the lab's add-ons."""
    return Work(folder, cluster, Ledger())


def no_bundle() -> Bundle:
    """Return the bundle, which nothing here needs."""
    raise AssertionError("the toy has no images")


def state(work: Work) -> tuple[tuple[str, ...], object]:
    """Return which add-ons are enabled, and which one is half done."""
    return work.record.addons, work.record.maker.get("addon")


def test_an_addon_is_enabled_and_disabled(
    work: Work, toy: Toy, folder: LabFolder
) -> None:
    """The lab's folder says so; doing it again changes nothing."""
    seen = []
    for _ in range(2):
        work.enable(toy, no_bundle)
        seen.append(state(work))
    for _ in range(2):
        work.disable(toy)
        seen.append(state(work))

    assert seen == [(("toy",), None)] * 2 + [((), None)] * 2
    assert told(folder) == ["apply", "delete"]
    assert toy.removed == 1


def test_what_does_not_come_to_work_is_removed(
    work: Work, toy: Toy, folder: LabFolder
) -> None:
    """Nothing of it stays, and the folder knows of nothing."""
    toy.trouble = "it is broken"
    with pytest.raises(NotReady):
        work.enable(toy, no_bundle)

    assert (state(work), toy.removed) == (((), None), 1)
    assert told(folder) == ["apply", "delete"]


def test_what_was_enabled_is_not_removed_when_it_cannot_be_mended(
    work: Work, toy: Toy
) -> None:
    """Readers may have objects of it."""
    work.enable(toy, no_bundle)
    toy.trouble = "it broke"
    with pytest.raises(NotReady):
        work.enable(toy, no_bundle)

    assert (state(work), toy.removed) == ((("toy",), None), 0)


def test_what_a_killed_command_left_is_removed_by_the_next(
    work: Work, toy: Toy, folder: LabFolder
) -> None:
    """Also when the first removal failed, as with a machine that is off."""
    toy.trouble = "it is broken"
    says(folder, "exit 1")
    with pytest.raises(Exception, match="kubectl"):
        work.enable(toy, no_bundle)
    left = state(work)
    says(folder, "exit 0")
    work.tidy(meant={"toy"})
    meant = state(work)
    work.tidy()

    assert (left, meant, state(work)) == (((), "toy"), ((), "toy"), ((), None))
    assert toy.removed == 1


def test_half_of_an_addon_that_is_used_stays_as_an_enabled_one(
    work: Work, toy: Toy, folder: LabFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Readers have objects of it; enabling it again makes it whole."""

    def interrupted(*_: object) -> None:
        toy.used, toy.trouble = ["Service shop/door"], "it is not whole"
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(toy, "ready", interrupted)
        with pytest.raises(KeyboardInterrupt):
            work.enable(toy, no_bundle)
    kept = state(work), toy.removed
    monkeypatch.setattr(toy, "ready", lambda *_: None)
    work.enable(toy, no_bundle)

    assert kept == ((("toy",), None), 0)
    assert told(folder) == ["apply", "apply"]


def test_half_of_an_addon_that_is_used_keeps_no_command_from_its_work(
    folder: LabFolder, cluster: Cluster, toy: Toy
) -> None:
    """A killed command left it; no phase counts as failed."""
    folder.save(replace(lab.RECORD, complete=True, maker={"addon": "toy"}))
    toy.used, ledger = ["Service shop/door"], Ledger()
    work = Work(folder, cluster, ledger)
    work.tidy(meant={"other"})

    assert (state(work), toy.removed) == ((("toy",), None), 0)
    assert [phase.outcome for phase in ledger.phases] == ["unchanged"]


def test_what_does_not_work_after_a_start_is_enabled_again(
    work: Work,
    toy: Toy,
    folder: LabFolder,
    cluster: Cluster,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Which puts back what is missing; that command is the next step."""
    work.enable(toy, no_bundle)
    monkeypatch.setattr("k8slab.lab.connect", lambda name: cluster)
    toy.trouble = "it broke"
    with pytest.raises(NotReady) as caught:
        addons.resume(folder, Ledger())

    assert caught.value.next == "'k8slab addon enable --name default toy'"


def test_what_is_used_is_not_removed(work: Work, toy: Toy) -> None:
    """The error names what would be lost; the add-on is enabled as before."""
    work.enable(toy, no_bundle)
    toy.used = ["PersistentVolume pvc-1"]
    with pytest.raises(InUse, match="in use") as caught:
        work.disable(toy)

    assert "pvc-1" in caught.value.seen
    assert (state(work), toy.removed) == ((("toy",), None), 0)


@pytest.fixture
def made_here(
    work: Work, cluster: Cluster, folder: LabFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Make it a lab whose add-ons the commands of this process change."""
    made = Settings("default", 1, 2, "ready", "podman", "1").record(
        lambda _: ((), ()), {}
    )
    folder.save(replace(work.record, maker=made.maker))
    monkeypatch.setenv("K8SLAB_HOME", str(folder.home))
    monkeypatch.setenv("K8SLAB_LAB", folder.name)
    monkeypatch.setattr("labmaker.addons.work.lab.connect", lambda _: cluster)
    monkeypatch.setattr("labmaker.addons.work.require_root", lambda _: None)
    bundle = SimpleNamespace(has_images_of=None, has_manifests_of=None)
    monkeypatch.setattr("labmaker.addons.work.opened", lambda: bundle)


@pytest.mark.usefixtures("made_here")
def test_a_removal_that_fails_is_still_a_matter_of_its_chapter(
    work: Work, toy: Toy, folder: LabFolder
) -> None:
    """Its clean-up can be tried again, and removes the add-on then."""
    work.enable(toy, no_bundle)
    folder.require({"toy": "toy"})
    toy.used = ["PersistentVolume pvc-1"]
    with pytest.raises(InUse):
        addons.disable("toy")
    after_it_failed = folder.required()
    toy.used = []
    addons.disable("toy")

    assert after_it_failed == {"toy": "toy"}
    assert (state(work), folder.required()) == (((), None), {})


@pytest.mark.usefixtures("made_here")
def test_what_a_chapter_requires_is_noted_before_it_is_enabled(
    work: Work, toy: Toy, folder: LabFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So no end leaves it without a note; what was there before is not noted."""
    mine, needed, toy.needs = Toy(), Toy(), ("mine", "needed")
    mine.name, needed.name = "mine", "needed"
    monkeypatch.setattr(catalogue, "ADDONS", (mine, needed, toy))
    addons.enable("mine")
    folder.require({"toy": "toy"})  # as one that never came to work left it
    monkeypatch.setenv("K8SLAB_FOR_CHAPTER", "1")
    seen = []

    def killed(*_: object) -> bool:
        seen.append((work.record.addons, list(folder.required().items())))
        raise SystemExit

    monkeypatch.setattr(needed, "prepare", killed)
    with pytest.raises(SystemExit):
        addons.enable("toy")

    assert seen == [(("mine",), [("needed", "toy"), ("toy", "toy")])]
    addons.disable("toy")
    addons.disable("needed")
    assert (state(work), folder.required()) == ((("mine",), None), {})


@pytest.mark.usefixtures("made_here", "toy")
def test_what_a_reader_enables_is_no_chapters(
    folder: LabFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither what nobody had before, nor what a chapter had enabled."""
    addons.enable("toy")
    first = folder.required()
    addons.disable("toy")
    with monkeypatch.context() as patch:
        patch.setenv("K8SLAB_FOR_CHAPTER", "1")
        addons.enable("toy")
    chapters = folder.required()
    addons.enable("toy")

    assert (first, chapters, folder.required()) == ({}, {"toy": "toy"}, {})


@pytest.mark.parametrize("do", [addons.enable, addons.disable])
@pytest.mark.parametrize(
    "maker", [{"inventory": "/etc/hosts.yaml"}, {}], ids=["inventory", "adopted"]
)
def test_a_lab_that_was_not_made_here_has_no_addons(
    cluster: Cluster,
    folder: LabFolder,
    monkeypatch: pytest.MonkeyPatch,
    do: Any,
    maker: Any,
) -> None:
    """It is said before the bundle is opened, or anything else is done."""
    folder.save(replace(lab.RECORD, maker=maker, complete=True))
    monkeypatch.setenv("K8SLAB_HOME", str(folder.home))
    monkeypatch.setenv("K8SLAB_LAB", folder.name)
    monkeypatch.setattr("labmaker.addons.work.opened", no_bundle)
    with pytest.raises(LabError, match=r"before it|not made by this command"):
        do("metallb")


def test_what_another_needs_is_not_removed(
    work: Work, toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the other, and a command that disables it."""
    other = Toy()
    other.name, other.needs = "other", ("toy",)
    monkeypatch.setattr(catalogue, "ADDONS", (toy, other))
    for each in catalogue.with_needs(other):
        work.enable(each, no_bundle)
    with pytest.raises(InUse, match="toy is needed") as caught:
        work.disable(toy)

    assert "addon disable" in caught.value.next
    assert "other" in caught.value.next
    assert state(work) == (("toy", "other"), None)


def test_a_lab_without_addresses_for_load_balancers_is_left_alone(
    work: Work, folder: LabFolder
) -> None:
    """As one that was made before there were any: nothing is begun."""
    with pytest.raises(LabError, match="no addresses for load balancers") as caught:
        work.enable(find("metallb"), no_bundle)

    assert state(work) == ((), None)
    assert caught.value.next == "'k8slab reset --name default'"


class Kind(Toy):
    """An add-on with an object of its own kind, which the bundle brings."""

    kinds = ("gateway-api",)

    def objects(self, cluster: Cluster) -> list[dict[str, Any]]:
        """Return one more object."""
        own = {"apiVersion": "toys.dev/v1", "kind": "Bear", "metadata": {"name": "b"}}
        return [own, *super().objects(cluster)]


class Brought:
    """A bundle with one kind in it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def manifests_of(self, component: str) -> Path:
        """Write the kind, and return its folder."""
        (self._folder / "bears.yaml").write_text(
            "kind: CustomResourceDefinition\nmetadata: {name: bears.toys.dev}\n"
        )
        return self._folder


def test_kinds_of_the_bundle_come_first_and_go_without_it(
    work: Work,
    fake: FakeApi,
    folder: LabFolder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They are found by their label; an object whose kind is unknown is not named."""
    toy, log = Kind(), folder.root / "said.log"
    monkeypatch.setattr(catalogue, "ADDONS", (toy,))
    says(folder, f'read -r input; echo "$@" "$input" >> {log}')

    def delete(method: str, path: str) -> None:
        """Do what kubectl, which only notes it here, was told to do."""
        if "delete --ignore-not-found --wait=false crd" in log.read_text():
            fake.drop("customresourcedefinitions", "bears.toys.dev")

    work.enable(toy, lambda: cast(Bundle, Brought(tmp_path)))
    made = log.read_text()
    log.write_text("")
    meta = {"name": "bears.toys.dev", "labels": {LABEL: "toy"}}
    kind = {"metadata": meta, "spec": {"names": {"kind": "Bear"}}}
    fake.put("customresourcedefinitions", kind)
    fake.on_request = delete
    work.disable(toy)

    assert made.index("bears.toys.dev") < made.index("toys.dev/v1")
    assert "ConfigMap" in log.read_text()
    assert "Bear" not in log.read_text()
    assert not fake.holds("customresourcedefinitions", "bears.toys.dev")


def test_what_readers_made_with_traefik_keeps_it(
    fake: FakeApi, cluster: Cluster
) -> None:
    """Gateways would go with their kind, and Ingresses of the class would be silent."""
    fake.put("gateways", {"metadata": {"name": "door"}, "spec": {}}, "shop")
    for name, of in (("ours", "traefik"), ("other", "other")):
        spec = {"ingressClassName": of}
        ingress = {"metadata": {"name": name}, "spec": spec}
        fake.put("ingresses", ingress, "shop")

    assert Traefik().in_use(cluster) == ["Gateway shop/door", "Ingress shop/ours"]


def test_what_readers_made_of_metallb_s_kinds_keeps_it(
    fake: FakeApi, cluster: Cluster
) -> None:
    """Its own pool goes with it, and so does what its speakers tell of Services."""
    group = "metallb.io"
    fake.kinds += [
        (group, "v1beta1", "IPAddressPool", "ipaddresspools", True),
        (group, "v1beta2", "BGPPeer", "bgppeers", True),
        (group, "v1beta1", "ServiceL2Status", "servicel2statuses", True),
    ]
    own = {"name": "lab", "labels": {LABEL: "metallb"}}
    fake.put("ipaddresspools", {"metadata": own}, "metallb-system")
    fake.put("ipaddresspools", {"metadata": {"name": "mine"}}, "metallb-system")
    fake.put("bgppeers", {"metadata": {"name": "router"}}, "metallb-system")
    fake.put("servicel2statuses", {"metadata": {"name": "l2"}}, "metallb-system")
    ingress = {"loadBalancer": {"ingress": [{"ip": "172.30.1.200"}]}}
    fake.put("services", {"metadata": {"name": "door"}, "status": ingress}, "shop")

    assert MetalLB().in_use(cluster) == [
        "Service shop/door",
        "BGPPeer metallb-system/router",
        "IPAddressPool metallb-system/mine",
    ]


def test_volumes_that_were_made_keep_their_provisioner(
    fake: FakeApi, cluster: Cluster
) -> None:
    """Those of others do not count."""
    by = "pv.kubernetes.io/provisioned-by"
    for name, provisioner in (("ours", "rancher.io/local-path"), ("other", "other")):
        spec = {"persistentVolumeReclaimPolicy": "Delete"}
        meta = {"name": name, "annotations": {by: provisioner}}
        volume = {"metadata": meta, "spec": spec, "status": {"phase": "Bound"}}
        fake.put("persistentvolumes", volume)

    assert LocalPathProvisioner().in_use(cluster) == ["PersistentVolume ours"]
