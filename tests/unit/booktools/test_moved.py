"""A clone that was moved or copied works at its new place, at the next ``make``."""

from __future__ import annotations

import os
import shutil
import subprocess
import venv
from collections.abc import Callable
from pathlib import Path

import pytest
from paths import ROOT

from booktools import moved


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone with an environment, whose program tells where its library is."""
    root = tmp_path / "first"
    (root / "lib" / "booktools").mkdir(parents=True)
    (root / "lib" / "thelib.py").write_text("")
    shutil.copy(ROOT / "lib" / "booktools" / "moved.py", root / "lib" / "booktools")
    shutil.copy(ROOT / "Makefile", root)
    venv.create(root / ".venv", symlinks=True, with_pip=False)
    (site,) = (root / ".venv" / "lib").glob("python*/site-packages")
    (site / "__editable__.k8slab.pth").write_text(f"{root}/lib\n")
    for name in ("k8slab", "other"):
        program = root / ".venv" / "bin" / name
        python = root / ".venv" / "bin" / "python"
        program.write_text(f"#!{python}\nimport thelib; print(thelib.__file__)\n")
        program.chmod(0o755)
    return root


def tells(root: Path, program: str = "k8slab") -> str:
    """Return what a clone's program tells."""
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return subprocess.run(
        [root / ".venv" / "bin" / program],
        capture_output=True,
        text=True,
        check=True,
        env=env,
    ).stdout.strip()


def copied(source: Path, target: Path) -> None:
    """Copy a clone as ``cp -a`` does."""
    shutil.copytree(source, target, symlinks=True)


@pytest.mark.parametrize("way", [shutil.move, copied], ids=["mv", "cp -a"])
@pytest.mark.parametrize(
    "name", ["second", "my book", "first-2", "deep/" * 40 + "x"], ids=lambda n: n[:8]
)
def test_a_clone_that_moved_follows(
    clone: Path, tmp_path: Path, way: Callable[[Path, Path], object], name: str
) -> None:
    """All its programs run with its own library, also below a long or odd name."""
    target = tmp_path / name
    target.parent.mkdir(parents=True, exist_ok=True)
    way(clone, target)

    assert moved.follow(target / ".venv") == clone / ".venv"
    assert tells(target) == str(target / "lib" / "thelib.py")
    assert tells(target, "other") == tells(target)
    assert moved.follow(target / ".venv") is None


def test_a_clone_that_moved_twice_follows(clone: Path, tmp_path: Path) -> None:
    """Also out of a place whose name had a space in it."""
    for before, after in (("first", "a b"), ("a b", "c d"), ("c d", "third")):
        (tmp_path / before).rename(tmp_path / after)
        assert moved.follow(tmp_path / after / ".venv") is not None

    assert tells(tmp_path / "third") == str(tmp_path / "third" / "lib" / "thelib.py")


@pytest.mark.parametrize("name", ["k8slab", "other", "__editable__.k8slab.pth"])
def test_a_clone_whose_following_was_ended_goes_on(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """At whichever file Ctrl-C comes, also while that is written."""
    target = tmp_path / "second"
    clone.rename(target)
    write = Path.write_bytes

    def ended(path: Path, content: bytes) -> int:
        write(path, content[:9] if name in path.name else content)
        if name in path.name:
            raise KeyboardInterrupt
        return len(content)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", ended)
        with pytest.raises(KeyboardInterrupt):
            moved.follow(target / ".venv")

    assert moved.follow(target / ".venv") == clone / ".venv"
    for program in ("k8slab", "other"):
        assert tells(target, program) == str(target / "lib" / "thelib.py")


def test_a_clone_that_stayed_is_left_alone(clone: Path, tmp_path: Path) -> None:
    """Neither a link to it nor a shared environment has moved."""
    (tmp_path / "link").symlink_to(clone)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / ".venv").symlink_to(clone / ".venv")
    before = (clone / ".venv" / "bin" / "k8slab").read_bytes()

    for root in (clone, tmp_path / "link", tmp_path / "other"):
        assert moved.follow(root / ".venv") is None
    assert (clone / ".venv" / "bin" / "k8slab").read_bytes() == before


def test_an_environment_without_the_program_is_left_alone(tmp_path: Path) -> None:
    """It is being made, or somebody else's."""
    assert moved.follow(tmp_path) is None


def test_make_notices_and_says_it(clone: Path, tmp_path: Path) -> None:
    """Any target will do; the second time there is nothing to say."""
    root = tmp_path / "moved"
    clone.rename(root)
    said = [
        subprocess.run(
            ["make", "help"], cwd=root, capture_output=True, text=True, check=True
        ).stderr
        for _ in range(2)
    ]

    assert said == [f"this clone was at {clone}: .venv follows\n", ""]
    assert tells(root) == str(root / "lib" / "thelib.py")
