"""The modes of what is made are decided here, not by the reader's umask."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from paths import BUNDLE, ROOT

from k8slab.core.phases import Ledger
from k8slab.core.process import LocalRunner
from labmaker import lifecycle


@pytest.fixture(autouse=True)
def strict() -> Iterator[None]:
    """Run a test as a reader does whose shell says ``umask 077``."""
    before = os.umask(0o077)
    yield
    assert os.umask(before) == 0o077, "the reader's umask was not put back"


def mode(path: Path) -> int:
    """Return a path's permissions."""
    return path.stat().st_mode & 0o777


def test_a_command_makes_files_that_others_may_read(tmp_path: Path) -> None:
    """What compilers, apt and cp write, machines read as other users."""
    LocalRunner(cwd=tmp_path).run(["sh", "-c", "mkdir folder; echo > folder/file"])

    assert mode(tmp_path / "folder") == 0o755
    assert mode(tmp_path / "folder" / "file") == 0o644


def test_a_lab_is_made_under_the_usual_umask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kubelet's folder, made by Python, has the mode of one made by Debian."""
    monkeypatch.setenv("K8SLAB_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(lifecycle, "require_root", lambda what: None)
    with lifecycle._transitions("test") as work:
        work.folder.write("secret", "x")
        work.folder.machine("node1").mkdir(parents=True)
        (work.folder.machine("node1") / "kubelet").mkdir()

    root = tmp_path / "home" / "test"
    assert mode(root / "machines" / "node1" / "kubelet") == 0o755
    assert (mode(root), mode(root / "secret")) == (0o700, 0o600)


def test_an_artefact_is_made_under_the_usual_umask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that a recipe writes can be read by the apt of a machine."""
    seen: list[int] = []

    def build(builder: object, recipes: Sequence[object]) -> dict[str, str]:
        (tmp_path / "Release").write_text("x")
        seen.append(mode(tmp_path / "Release"))
        raise InterruptedError

    monkeypatch.setattr("labmaker.bundle.graph.Builder.build", build)
    from labmaker.bundle import Bundle

    with pytest.raises(InterruptedError):
        Bundle.build(tmp_path / "cache", BUNDLE, Ledger())

    assert seen == [0o644]


def test_a_clone_has_the_line_ends_that_shells_read(tmp_path: Path) -> None:
    """Also one of a git that is set up for Windows, whose files WSL shares."""
    git = ["git", "-C", str(tmp_path), "-c", "core.autocrlf=true"]
    for name in ("Makefile", ".gitattributes"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run([*git, "add", "--all"], check=True, capture_output=True)
    (tmp_path / "Makefile").unlink()
    subprocess.run([*git, "checkout", "--quiet", "--", "Makefile"], check=True)

    assert (tmp_path / "Makefile").read_bytes() == (ROOT / "Makefile").read_bytes()
