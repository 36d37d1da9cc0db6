"""The files around the chapters: sizes, ties, environment and lock."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from nbformat import NotebookNode
from packaging.version import Version

from booktools import conda_environment, notebooks
from booktools.jupyterlab import listing
from booktools.lint import checks
from booktools.notebooks import Chapter
from k8slab.core.process import LocalRunner

PIN = re.compile(r"(?m)^([A-Za-z0-9][\w.-]*)==([^\s;\\]+)")


def pins(lock: str) -> dict[str, list[Version]]:
    """Return each package of a lock with its pinned versions."""
    found: dict[str, list[Version]] = {}
    for name, version in PIN.findall(lock):
        key = re.sub(r"[-_.]+", "-", name).lower()
        found.setdefault(key, []).append(Version(version))
    return found


def drift(pyproject: Path, lock: Path) -> list[str]:
    """Return what ``pyproject.toml`` asks for and the lock does not satisfy."""
    locked = pins(lock.read_text(encoding="utf-8"))
    found = []
    for requirement in conda_environment.wanted(pyproject).requirements:
        versions = locked.get(re.sub(r"[-_.]+", "-", requirement.name).lower(), [])
        if len(versions) != 1:
            found.append(f"{requirement}: {len(versions)} pins instead of one")
        elif not requirement.specifier.contains(versions[0], prereleases=True):
            found.append(f"{requirement}: pinned to {versions[0]}")
    return found


def test_tracked_files_are_small_text_without_ties(root: Path) -> None:
    """No path, mirror, secret or binary of one computer is in the repository."""
    files = checks.tracked(root)

    found = [str(v) for path in files for v in checks.in_file(path, root)]

    assert len(files) > 20
    assert found == []


def test_the_file_list_knows_the_workshop(root: Path) -> None:
    """What git keeps beside the chapters and the pages; 'k8slab book open' hides it."""
    listed = LocalRunner(cwd=root).run(checks.LS_FILES).stdout.splitlines()
    names = {name.partition("/")[0] for name in listed}
    pages = {f"{name}.md" for name in notebooks.contents(root / "_toc.yml")}
    book = {"chapters", "manifests", *pages}
    made = {"_build", "artefacts"}

    assert {name for name in names - book if name[0] != "."} == listing.WORKSHOP - made
    assert not listing.WORKSHOP & book


def test_no_module_is_long(root: Path) -> None:
    """A module has one responsibility; its length follows from that."""
    modules = (root / "lib").rglob("*.py")
    lines = {str(p): len(p.read_text("utf-8").splitlines()) for p in modules}

    assert len(lines) > 50
    assert {name: n for name, n in lines.items() if n > 500} == {}


@pytest.mark.parametrize(
    ("name", "content", "rule"),
    [
        ("a.md", "see /home/" + "somebody/project/x", "ties"),
        ("pip.conf", "index-url = https://" + "mirror.example/simple", "ties"),
        ("a.sh", "export GOPROXY=https://" + "proxy.example", "ties"),
        ("a.py", "URL = 'https://" + "user:word@host.example/'", "ties"),
        ("a.yaml", "server: http://" + "mirror.example:8081/x", "ties"),
        ("a.pem", "-----BEGIN EC " + "PRIVATE KEY-----", "secrets"),
        ("chapters/_figures/a.svg", "x" * 60_001, "size"),
        ("a.bin", "\0", "binary"),
        ("a.txt", "x" * 400_001, "size"),
    ],
)
def test_a_bad_file_is_seen(tmp_path: Path, name: str, content: str, rule: str) -> None:
    """Each kind of bad file is reported by its rule."""
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)

    found = checks.in_file(path, tmp_path)

    assert [v.rule for v in found] == [rule]


def test_a_path_of_this_computer_is_seen(tmp_path: Path) -> None:
    """The project's own absolute path is in no file, tests included."""
    path = tmp_path / "tests" / "a.py"
    path.parent.mkdir()
    path.write_text(f"ROOT = '{tmp_path}'")

    assert [v.rule for v in checks.in_file(path, tmp_path)] == ["ties"]


def test_addresses_of_the_lab_are_no_tie(tmp_path: Path) -> None:
    """Its names and its own network are the same on every computer."""
    path = tmp_path / "a.md"
    path.write_text(
        "https://registry.lab/v2/ and https://depot.lab/apt, localhost:8888, "
        "https://172.30.1.11:6443"
    )

    assert checks.in_file(path, tmp_path) == []


def test_the_environment_comes_from_the_project(root: Path) -> None:
    """environment.yml is what the generator writes; 'make environment' renews it."""
    written = (root / "environment.yml").read_text(encoding="utf-8")

    assert written == conda_environment.environment(root / "pyproject.toml")


def test_the_lock_satisfies_the_project(root: Path) -> None:
    """Each requirement has one pin in range; 'make lock' renews them."""
    assert drift(root / "pyproject.toml", root / "requirements.lock") == []


def test_the_lock_holds_hashes_and_no_address(root: Path) -> None:
    """A lock is good on every computer, and pip can check what it fetched."""
    lock = (root / "requirements.lock").read_text(encoding="utf-8")

    assert "://" not in lock
    assert lock.count("--hash=sha256:") >= len(pins(lock)) > 50


@pytest.mark.parametrize(
    ("lock", "found"),
    [
        ("some-thing==2.1 \\\n", []),
        ("", ["some_thing<3,>=2: 0 pins instead of one"]),
        ("some-thing==3.1 \\\n", ["some_thing<3,>=2: pinned to 3.1"]),
        (
            "some-thing==2.1 \\\nsome_thing==2.2 \\\n",
            ["some_thing<3,>=2: 2 pins instead of one"],
        ),
    ],
)
def test_a_lock_that_drifted_is_seen(
    tmp_path: Path, lock: str, found: list[str]
) -> None:
    """Missing, out of range and twice are three different drifts."""
    pyproject, pinned = tmp_path / "pyproject.toml", tmp_path / "requirements.lock"
    pyproject.write_text(
        '[project]\nrequires-python = ">=3.11"\ndependencies = ["some_thing>=2,<3"]\n'
    )
    pinned.write_text(lock)

    assert drift(pyproject, pinned) == found


def test_the_environment_follows_the_project(tmp_path: Path) -> None:
    """A new requirement changes the generated file; groups are in it."""
    pyproject = tmp_path / "pyproject.toml"
    pyproject.write_text(
        '[project]\nrequires-python = ">=3.11"\ndependencies = ["kubernetes>=36"]\n'
        '[dependency-groups]\ntest = ["pytest<10,>=9"]\n'
    )

    text = conda_environment.environment(pyproject)

    assert '  - "pytest>=9,<10"\n' in text
    assert '      - "kubernetes>=36"\n' in text


def book(
    folder: Path,
    *,
    listed: Sequence[str],
    there: Sequence[str] = (),
    manifests: dict[str, str] | None = None,
) -> None:
    """Write the files of a small book."""
    chapters = [{"file": f"chapters/{name}"} for name in listed]
    contents = {"format": "jb-book", "root": "intro", "chapters": chapters}
    (folder / "_toc.yml").write_text(json.dumps(contents))
    for name in there:
        path = folder / "chapters" / f"{name}.ipynb"
        path.parent.mkdir(exist_ok=True)
        path.write_text("{}")
    for name, text in (manifests or {}).items():
        path = folder / "manifests" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.mark.parametrize(
    ("listed", "there", "seen"),
    [
        (["a"], [], ["no file"]),
        (["a"], ["a", "b"], ["a stray notebook"]),
        ([], [], ["no chapter"]),
    ],
)
def test_contents_that_disagree_are_seen(
    tmp_path: Path, listed: list[str], there: list[str], seen: list[str]
) -> None:
    """Missing, stray and none at all are each reported."""
    book(tmp_path, listed=listed, there=there)

    assert [v.seen for v in checks.in_contents(tmp_path)] == seen


@pytest.mark.parametrize(
    ("manifests", "seen"),
    [
        ({}, ["x/pod.yaml"]),
        ({"x/pod.yaml": "kind: Pod\nimage: a/b:1\n"}, []),
        ({"x/pod.yaml": "kind: Pod\n", "x/b.yaml": "kind: Pod\n"}, ["unused"]),
        ({"x/pod.yaml": "kind: Pod\n---\nkind: Pod\n"}, ["objects"]),
        ({"x/pod.yaml": "kind: Pod\nimage: a/b\n"}, ["a/b"]),
        ({"x/pod.yaml": "kind: Pod\n  - image: a:5/b:latest\n"}, ["a:5/b:latest"]),
    ],
)
def test_manifests_that_do_not_fit_are_seen(
    tmp_path: Path,
    make: Callable[..., Chapter],
    good: list[NotebookNode],
    manifests: dict[str, str],
    seen: list[str],
) -> None:
    """Missing, unused, more than one object, and images without a pin."""
    book(tmp_path, listed=[], manifests=manifests)

    found = checks.in_manifests(tmp_path, [make(good)])

    assert [v.seen for v in found] == seen


def test_belittling_words_are_seen() -> None:
    """In prose, and not in code."""
    text = "You simply run it, e.g. twice.\n```console\njust run\n```\n"

    assert [v.seen for v in checks.in_prose("a", text)] == ["'simply'", "'e.g.'"]


def test_a_book_that_executes_is_seen(tmp_path: Path) -> None:
    """Execution, and errors allowed, are each reported."""
    config = {"execute": {"execute_notebooks": "auto", "allow_errors": True}}
    (tmp_path / "_config.yml").write_text(json.dumps(config))

    assert len(checks.in_config(tmp_path)) == 2


def test_files_that_git_ignores_are_not_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tracked means: kept by git, or about to be; also in another user's clone."""
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")  # git's own tests' name
    git = shutil.which("git") or "git"
    subprocess.run([git, "init", "-q"], cwd=tmp_path, check=True)
    (tmp_path / ".gitignore").write_text("out/\n")
    (tmp_path / "kept.txt").write_text("x")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "y.txt").write_text("y")

    names = sorted(path.name for path in checks.tracked(tmp_path))

    assert names == [".gitignore", "kept.txt"]
