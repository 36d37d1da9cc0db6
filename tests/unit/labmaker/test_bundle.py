"""What the front of the bundle promises to its callers."""

import os
import shutil
import time
from pathlib import Path

import pytest
from paths import BUNDLE

from k8slab.core.files import write
from k8slab.core.phases import Ledger
from k8slab.errors import BundleError
from labmaker.bundle import Bundle, components, graph, transfer, versions
from labmaker.bundle.cache import MANIFEST, Cache
from labmaker.bundle.components import Component, GoModule, Image
from labmaker.bundle.recipes import recipes

KNOWN = versions.read(BUNDLE)
KEYS = graph.keys(recipes(KNOWN), BUNDLE)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A cache with every artefact of the real recipes, each one small file."""
    cache = Cache(tmp_path)
    for name, key in KEYS.items():
        with cache.making(name, key) as folder:
            (folder / "file").write_text(name, "utf-8")
    artefacts = [cache.artefact(name, key) for name, key in KEYS.items()]
    write(tmp_path / MANIFEST, transfer.manifest(artefacts))
    return tmp_path


def test_a_complete_bundle_opens_quickly(root: Path) -> None:
    """Opening reads the source and sizes, not the files: it takes little CPU time."""
    started = time.process_time()
    bundle = Bundle.open(root, BUNDLE)
    took_s = time.process_time() - started

    assert [artefact.name for artefact in bundle.artefacts] == list(KEYS)
    assert took_s < 0.3


def test_a_bundle_that_is_not_built_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the command."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(BundleError) as caught:
        Bundle.open(tmp_path, BUNDLE)

    assert caught.value.next == "run 'k8slab bundle build'"


@pytest.mark.parametrize("text", [None, "{"], ids=["missing", "broken"])
def test_who_is_not_root_has_root_build_the_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None
) -> None:
    """Into a folder that both use: root's own cache is no other user's."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    if text is not None:
        (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(BundleError) as caught:
        Bundle.open(tmp_path, BUNDLE)

    before, built, after = caught.value.next.partition("'k8slab bundle build'")
    assert built
    for part in (before, after):
        assert "'export K8SLAB_CACHE=/var/cache/k8slab'" in part


def test_an_out_of_date_bundle_names_the_artefact(root: Path, tmp_path: Path) -> None:
    """After a change of a package the apt repository is out of date."""
    source = tmp_path / "source"
    source.mkdir()
    for name in ("go", "images", "machine", "versions.yaml"):
        (source / name).symlink_to(BUNDLE / name)
    with pytest.raises(BundleError, match="out of date: apt was made"):
        Bundle.open(root, source)


def test_a_cut_off_file_is_seen_at_once(root: Path) -> None:
    """Opening compares sizes, and names the file."""
    folder = Bundle.open(root, BUNDLE).path("store")
    (folder / "file").write_text("", "utf-8")
    with pytest.raises(BundleError) as caught:
        Bundle.open(root, BUNDLE)

    assert caught.value.where == str(folder / "file")


def test_an_artefact_that_was_removed_is_missed(root: Path) -> None:
    """The error is the bundle's, and says what to do."""
    for path in Cache(root).artefacts.glob("store-*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(BundleError, match="is broken") as caught:
        Bundle.open(root, BUNDLE)

    assert "k8slab bundle build" in caught.value.next


def test_verify_sees_a_changed_byte(root: Path) -> None:
    """A file of the same size and other content is seen by verify only."""
    bundle = Bundle.open(root, BUNDLE)
    names = bundle.verify()
    (bundle.path("apt") / "file").write_text("apX", "utf-8")
    Bundle.open(root, BUNDLE)
    with pytest.raises(BundleError, match="is broken"):
        bundle.verify()

    assert names == list(KEYS)


def test_a_damaged_manifest_is_an_error_of_the_bundle(root: Path) -> None:
    """Half a manifest is no traceback of the JSON reader."""
    (root / MANIFEST).write_text('{"artefacts": [', "utf-8")
    with pytest.raises(BundleError, match="manifest cannot be read"):
        Bundle.open(root, BUNDLE)


def test_an_unchanged_bundle_is_not_built_again(root: Path) -> None:
    """One phase says that nothing had to be done."""
    ledger = Ledger()
    Bundle.build(root, BUNDLE, ledger)
    seen = [(phase.name, phase.outcome) for phase in ledger.phases]

    assert seen == [("look for changes", "unchanged")]


def test_an_exported_bundle_can_be_imported(root: Path, tmp_path: Path) -> None:
    """The other computer's bundle has the same artefacts and checksums."""
    here = Bundle.open(root, BUNDLE)
    here.export(tmp_path / "kit.tar")
    there = Bundle.import_(tmp_path / "there", BUNDLE, tmp_path / "kit.tar")

    assert there.artefacts == there.kit == here.kit
    assert there.verify() == [artefact.name for artefact in here.kit]


@pytest.mark.parametrize(
    ("file", "seen"), [("none/kit.tar", "no folder"), ("there", "a folder of that")]
)
def test_a_place_for_an_export_is_looked_at_first(
    root: Path, tmp_path: Path, file: str, seen: str
) -> None:
    """Before the whole kit is read, which takes minutes, and would tell its own."""
    (tmp_path / "there").mkdir()
    bundle = Bundle.open(root, BUNDLE)
    (bundle.path("store") / "file").write_text("STORE")
    with pytest.raises(BundleError, match="cannot be exported") as caught:
        bundle.export(tmp_path / file)

    assert caught.value.seen.startswith(seen)
    assert caught.value.next.startswith("name a file in a folder that is there")


def test_the_kit_has_nothing_that_only_builds_it(root: Path) -> None:
    """No compiled program but kubectl, no image of Pods beside the registry's."""
    kit = {artefact.name for artefact in Bundle.open(root, BUNDLE).kit}

    assert kit == {
        "apt",
        "image-bare",
        "image-depot",
        "image-ready",
        "kubectl",
        "registry",
        "store",
    }


def test_an_imported_kit_is_not_built_again(root: Path, tmp_path: Path) -> None:
    """It needs no compiler, though what it was made of is not there."""
    Bundle.open(root, BUNDLE).export(tmp_path / "kit.tar")
    Bundle.import_(tmp_path / "there", BUNDLE, tmp_path / "kit.tar")
    ledger = Ledger()
    Bundle.build(tmp_path / "there", BUNDLE, ledger)

    assert [phase.outcome for phase in ledger.phases] == ["unchanged"]


def test_a_pruned_bundle_still_makes_labs(root: Path) -> None:
    """With --kit-only it has what labs are made of, and opens."""
    Bundle.open(root, BUNDLE).prune(kit_only=True)
    bundle = Bundle.open(root, BUNDLE)

    assert bundle.artefacts == bundle.kit
    assert bundle.verify() == [artefact.name for artefact in bundle.kit]


def test_a_machine_image_is_named_after_its_key(root: Path) -> None:
    """Two versions of a machine image never share a name."""
    bundle = Bundle.open(root, BUNDLE)
    key = KEYS["image-ready"][:12]

    assert bundle.image_ref("ready") == f"localhost/k8slab/ready:{key}"
    assert bundle.image_ref("echo") == f"registry.lab/echo:{KNOWN.of('echo')}"


def test_an_unknown_artefact_is_named(root: Path) -> None:
    """The error lists what there is."""
    with pytest.raises(BundleError, match="no artefact named 'nonsense'"):
        Bundle.open(root, BUNDLE).path("nonsense")


@pytest.mark.parametrize(
    ("changed", "rebuilt"),
    [
        ("images/echo/echo.py", {"image-echo", "registry", "store"}),
        ("images/mariadb/my.cnf", {"image-mariadb", "registry"}),
        ("packages/kubelet/DEBIAN/control", {"apt", "image-ready"}),
        ("machine/setup-depot", {"image-depot"}),
    ],
)
def test_a_change_reaches_only_what_depends_on_it(
    tmp_path: Path, changed: str, rebuilt: set[str]
) -> None:
    """The keys that follow from a file are those of the artefacts made of it."""
    source = tmp_path / "bundle"
    shutil.copytree(BUNDLE, source)
    (source / changed).write_text("changed", "utf-8")
    seen = graph.keys(recipes(KNOWN), source)

    assert {name for name in KEYS if seen[name] != KEYS[name]} == rebuilt


ADD_ON = Component(
    "addon",
    GoModule("example.org/addon", {"addon": "example.org/addon"}),
    images=(Image("addon", "v{version}"),),
    on_demand=True,
)


@pytest.fixture
def with_add_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A source with one component more, which is built on demand."""
    source = tmp_path / "with-add-on"
    shutil.copytree(BUNDLE, source)
    for name in ("go/addon/go.mod", "go/addon/go.sum", "images/addon/Containerfile"):
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).write_text("", "utf-8")
    with (source / "versions.yaml").open("a", encoding="utf-8") as file:
        file.write("addon: 1.0.0\n")
    monkeypatch.setattr(components, "COMPONENTS", (*components.COMPONENTS, ADD_ON))
    return source


def test_one_entry_makes_a_component(with_add_on: Path) -> None:
    """Its program, image and registry are made when asked for; others stay as is."""
    known = versions.read(with_add_on)
    seen = graph.keys(recipes(known, ["addon"]), with_add_on)

    assert known.images["addon"] == "registry.lab/addon:v1.0.0"
    made = {"go-addon", "image-addon", "registry-addon"}
    assert set(seen) - set(KEYS) == made
    assert seen.items() >= KEYS.items()
    assert graph.keys(recipes(known), with_add_on) == KEYS


def test_what_is_built_on_demand_is_missed_only_when_it_is_used(
    root: Path, with_add_on: Path
) -> None:
    """A bundle without it opens; the error says how it is built."""
    bundle = Bundle.open(root, with_add_on)
    with pytest.raises(BundleError) as caught:
        bundle.image_tar("addon")

    assert [artefact.name for artefact in bundle.artefacts] == list(KEYS)
    assert "k8slab bundle build COMPONENT" in caught.value.next


def test_what_was_built_on_demand_stays(root: Path, with_add_on: Path) -> None:
    """Also after a build that does not ask for it; a change makes it go."""
    cache, known = Cache(root), versions.read(with_add_on)
    every = graph.keys(recipes(known, ["addon"]), with_add_on)
    made = {"go-addon", "image-addon", "registry-addon"}
    for name in made:
        with cache.making(name, every[name]) as folder:
            (folder / "file").write_text(name, "utf-8")
    built = Bundle.build(root, with_add_on, Ledger())
    (with_add_on / "images/addon/Containerfile").write_text("other", "utf-8")
    changed = Bundle.open(root, with_add_on)

    names = {artefact.name for artefact in built.artefacts}
    stay = {artefact.name for artefact in changed.artefacts}
    assert names - set(KEYS) == made
    assert names - stay == {"image-addon", "registry-addon"}
    assert (built.has_images_of("addon"), changed.has_images_of("addon")) == (
        True,
        False,
    )


def test_only_components_can_be_asked_for(root: Path) -> None:
    """The error lists those there are."""
    with pytest.raises(BundleError, match="no component named 'nonsense'") as caught:
        Bundle.build(root, BUNDLE, Ledger(), also=["nonsense"])

    assert "kubernetes" in caught.value.wanted
