"""Another version of a component reaches every place, and says what follows."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from paths import ROOT

from k8slab.core.process import Completed
from k8slab.errors import BundleError, CommandFailed, HostProblem
from labmaker.bundle import versions
from labmaker.bundle.bump import Bump, bump
from labmaker.bundle.components import COMPONENTS

pytestmark = pytest.mark.slow

KNOWN = versions.read(ROOT / "bundle")
MODULES = {c.name: c.module.family or c.module.path for c in COMPONENTS if c.module}
THREE = [c.name for c in COMPONENTS if KNOWN.of(c.name).count(".") == 2]
# Measured or noted once, and renewed with the book and the benchmark.
PAST = ("RESULTS.md", "CHANGELOG.md", "go.sum", "requirements.lock")


class Go:
    """A computer with a Go that tidies without finding anything to do.

    Args:
        version: Go's version; none is installed and none can be fetched when empty.
        complaint: What ``go mod tidy`` fails with.
    """

    where = "this computer"

    def __init__(self, version: str = KNOWN.go_min, complaint: str = "") -> None:
        self.version = version
        self.complaint = complaint
        self.tidied: list[str] = []

    def run(self, argv: Sequence[str], **_: object) -> Completed:
        """Answer as Go does; there is no pip."""
        words = list(argv)
        if not self.version:
            raise HostProblem(f"no {words[0]} here")
        if words[-1] == "tidy":
            if self.complaint:
                raise CommandFailed(
                    words, where=self.where, returncode=1, stderr=self.complaint
                )
            folder = Path(words[words.index("-C") + 1])
            self.tidied.append((folder / "go.mod").read_text("utf-8"))
            (folder / "go.sum").write_text("tidied\n", "utf-8")
        version = f"go version go{self.version} linux/amd64\n"
        out = "{}" if "-json" in words else version
        return Completed(tuple(argv), self.where, 0, out, "", 0.0)


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of all that may name a version, which nothing changes."""
    root = tmp_path_factory.mktemp("pristine") / "repository"
    left_out = shutil.ignore_patterns(
        ".*", "_build", "artefacts", "__pycache__", "*.egg-info"
    )
    shutil.copytree(ROOT, root, ignore=left_out)
    return root


@pytest.fixture
def repository(tmp_path: Path, pristine: Path) -> Path:
    """A copy of all that may name a version; its files are replaced, never written."""
    root = tmp_path / "repository"
    shutil.copytree(pristine, root, copy_function=os.link)
    return root


def next_of(version: str) -> str:
    """Return a version that nothing has yet."""
    return version.rpartition(".")[0] + ".97" if "." in version else "97"


def texts(root: Path) -> dict[str, str]:
    """Return the text of every file; of a notebook without its outputs."""
    found = {}
    for path in root.rglob("*"):
        if path.is_file() and path.name not in PAST:
            text = path.read_text("utf-8", errors="replace")
            if path.suffix == ".ipynb":
                text = re.sub(
                    r'^   "outputs": \[\n.*?^   \]', "", text, flags=re.M | re.S
                )
                text = re.sub(r'^  "lab": \{.*?^  \}', "", text, flags=re.M | re.S)
            found[str(path.relative_to(root))] = text
    return found


@pytest.fixture(scope="module")
def before(pristine: Path) -> dict[str, str]:
    """Return what the copy of all that may name a version says."""
    return texts(pristine)


def naming(said: dict[str, str], version: str) -> set[str]:
    """Return the lines that name a version, beside those of other Go modules."""
    alone = re.compile(rf"(?<![\d.]){re.escape(version)}(?![\d.])")
    return {
        f"{path}: {line}"
        for path, text in said.items()
        if version in text
        for line in text.splitlines()
        if alone.search(line)
    }


def bumped(root: Path, name: str, run: Go | None = None) -> Bump:
    """Give a component the next version."""
    return bump(root, root / "cache", name, next_of(KNOWN.of(name)), run or Go())


@pytest.mark.parametrize("name", THREE)
def test_no_place_with_the_old_version_is_left(
    repository: Path, before: dict[str, str], name: str
) -> None:
    """Neither in the bundle nor in manifests, chapters, tests and pages."""
    done = bumped(repository, name)
    left = naming(texts(repository), KNOWN.of(name))

    module = f"bundle/go/{name}/go.mod"
    own = [line for line in left if line.startswith(f"{module}: ")]

    assert naming(before, KNOWN.of(name))
    assert {line for line in left if "/go.mod: " not in line} == set()
    assert [line for line in own if (MODULES.get(name) or "none") in line] == []
    assert versions.read(repository / "bundle").of(name) == done.new


@pytest.mark.parametrize("image", KNOWN.images)
def test_no_reference_with_the_old_tag_is_left(repository: Path, image: str) -> None:
    """Images are named with the new tag wherever a Pod, a test or a page names them."""
    name = next(c.name for c in COMPONENTS for i in c.images if i.name == image)
    old = re.compile(re.escape(KNOWN.images[image]) + r"(?![\w.-])")
    bumped(repository, name)

    assert [path for path, text in texts(repository).items() if old.search(text)] == []


def test_a_go_module_and_its_family_get_the_new_version(repository: Path) -> None:
    """Kubernetes' staging modules are numbered apart; go.sum follows."""
    go = Go()
    new = next_of(KNOWN.kubernetes)
    staging_old, staging_new = (
        "v0." + v.split(".", 1)[1] for v in (KNOWN.kubernetes, new)
    )
    bumped(repository, "kubernetes", go)
    folder = repository / "bundle" / "go" / "kubernetes"
    text = (folder / "go.mod").read_text("utf-8")
    seen = set(re.findall(r"=> k8s\.io/\S+ (\S+)", text))

    assert go.tidied == [text]
    assert re.findall(r"k8s\.io/kubernetes v(\S+)", text) == [new]
    assert seen == {staging_new}
    assert staging_old not in text.split()
    assert (folder / "go.sum").read_text("utf-8") == "tidied\n"


def test_the_list_of_versions_keeps_its_comments(repository: Path) -> None:
    """One line is another one."""
    file = repository / "bundle" / "versions.yaml"
    before = file.read_text("utf-8").splitlines()
    bumped(repository, "mariadb")
    after = file.read_text("utf-8").splitlines()

    assert [pair for pair in zip(before, after, strict=True) if len(set(pair)) > 1] == [
        ('mariadb: "10.11"', 'mariadb: "10.97"')
    ]


def test_it_says_what_is_built_and_executed_again(repository: Path) -> None:
    """The database is in one image, and four chapters use it."""
    done = bumped(repository, "mariadb")

    assert done.rebuilt == ("image-mariadb", "registry")
    assert done.chapters == (
        "debugging-workloads",
        "persistent-storage",
        "pods-and-controllers",
        "static-pods-and-volumes",
    )
    assert "manifests/pods-and-controllers/rc-database.yaml" in done.changed
    assert done.commands == done.doubtful == ()


def test_a_chapter_that_only_shows_the_version_is_executed_again(
    repository: Path,
) -> None:
    """All of them show that of Kubernetes; outputs are not edited."""
    chapter = repository / "chapters" / "concepts.ipynb"
    before = chapter.read_text("utf-8")
    done = bumped(repository, "kubernetes")
    all_chapters = {path.stem for path in chapter.parent.glob("*.ipynb")}

    assert set(done.chapters) == all_chapters
    assert chapter.read_text("utf-8") == before


def test_without_go_it_says_what_to_run(repository: Path) -> None:
    """The module's file is changed, its sums are not."""
    done = bumped(repository, "coredns", Go(""))

    assert done.commands == ("go -C bundle/go/coredns mod tidy",)
    assert "bundle/go/coredns/go.mod" in done.changed
    assert "bundle/go/coredns/go.sum" not in done.changed


def test_a_version_that_go_does_not_find_changes_nothing(repository: Path) -> None:
    """It is the compiler's list that counts."""
    before = texts(repository)
    with pytest.raises(BundleError, match="Go cannot take etcd") as caught:
        bumped(repository, "etcd", Go(complaint="unknown revision v3.7.97"))

    assert "unknown revision" in caught.value.seen
    assert texts(repository) == before


def test_a_version_that_two_components_have_is_not_guessed_at(repository: Path) -> None:
    """Where it stands alone, a reader has to decide."""
    file = repository / "bundle" / "versions.yaml"
    text = file.read_text("utf-8")
    file.unlink()
    file.write_text(text.replace(KNOWN.of("cni"), KNOWN.kubernetes), "utf-8")
    done = bumped(repository, "kubernetes")

    assert "manifests/install/clusterconfiguration-lab.yaml" in done.doubtful
    assert "bundle/versions.yaml" in done.changed
    assert versions.read(repository / "bundle").of("cni") == KNOWN.kubernetes


def test_the_version_that_it_has_changes_nothing(repository: Path) -> None:
    """There is nothing to do, so nothing is done."""
    before = texts(repository)
    done = bump(repository, repository, "etcd", KNOWN.of("etcd"), Go(""))

    assert done.changed == ()
    assert texts(repository) == before


def test_an_unknown_component_is_refused(repository: Path) -> None:
    """Those that there are, are named."""
    with pytest.raises(BundleError, match="no component named 'kubernets'") as caught:
        bump(repository, repository, "kubernets", "1.2.3", Go())

    assert "kubernetes, containerd" in caught.value.wanted


@pytest.mark.parametrize("version", ["v1.2.3", "1.2", "1.2.3.4", "1.2.3-rc.1", "", "x"])
def test_a_malformed_version_is_refused(repository: Path, version: str) -> None:
    """It has as many numbers as the one before, and nothing else."""
    with pytest.raises(BundleError, match="no version of etcd") as caught:
        bump(repository, repository, "etcd", version, Go())

    assert KNOWN.of("etcd") in caught.value.wanted
