"""What JupyterLab's terminals and cells find on their PATH."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from booktools.jupyterlab import opening, terminals


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a reader's home, beside a k8slab that says what it was told."""
    program(tmp_path / "prefix" / "bin" / "k8slab", 'printf "<%s>" "$@"')
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "prefix"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SHELL", "/bin/bash")
    return tmp_path


def program(path: Path, script: str) -> None:
    """Write a program."""
    path.parent.mkdir(parents=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def says(argv: list[str]) -> str:
    """Return what a command says in JupyterLab's own environment."""
    made = terminals.environment()
    done = subprocess.run(argv, env=made, capture_output=True, text=True, check=True)
    return done.stdout


def test_kubectl_is_the_guarded_one() -> None:
    """Arguments arrive as typed, and this process keeps its own PATH."""
    before = os.environ["PATH"]
    script = "kubectl get pods -l 'a in (b, c)'; k8slab ssh node1"

    assert says(["sh", "-c", script]) == (
        "<kubectl><get><pods><-l><a in (b, c)><ssh><node1>"
    )
    assert os.environ["PATH"] == before
    assert terminals.environment()["PATH"].endswith(before)


def test_a_server_of_the_readers_own_has_no_say(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its token or password Jupyter tells no address; JupyterLab's looks stay."""
    monkeypatch.setenv("JUPYTER_TOKEN", "mine")
    monkeypatch.setenv("JUPYTER_PATH", "/mine")
    monkeypatch.delenv("JUPYTER_CONFIG_DIR", raising=False)
    made = terminals.environment()

    assert "JUPYTER_TOKEN" not in made
    assert made["JUPYTER_CONFIG_DIR"] == f"{sys.prefix}/share/k8slab/jupyter"
    assert made["JUPYTERLAB_SETTINGS_DIR"] == f"{home}/.jupyter/lab/user-settings"
    assert made["JUPYTER_PATH"] == f"{sys.prefix}/share/jupyter:/mine"


def test_a_terminal_finds_it_before_the_readers_own(home: Path) -> None:
    """Whose folder the reader's file for bash puts first, with all else in the file."""
    program(home / "own" / "kubectl", "echo production")
    (home / ".bashrc").write_text("PATH=$HOME/own:$PATH; greeting=hello\n")
    script = "kubectl get pods; echo $greeting; command -v kubectl"
    said = says([*terminals.shell(), "-i", "-c", script])

    assert said.startswith("<kubectl><get><pods>hello\n")
    assert "/prefix/share/k8slab/bin/kubectl" in said


def test_another_kubectl_finds_no_cluster(home: Path) -> None:
    """In other shells, whose files are not read here, it may come first."""
    (home / ".kube").mkdir()
    (home / ".kube" / "config").write_text("server: production\n")
    seen = says(["sh", "-c", 'cat "$KUBECONFIG"'])

    assert seen == "apiVersion: v1\nkind: Config\n"


@pytest.mark.parametrize("name", ["zsh", "fish", "sh"])
def test_another_shell_is_started_by_its_name(
    home: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that it is no login shell, which sets another PATH."""
    program(home / "own" / name, "")
    monkeypatch.setenv("SHELL", str(home / "own" / name))

    assert terminals.shell() == [str(home / "own" / name)]


def test_a_shell_that_is_not_here_is_not_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A container or chroot is often told the shell of the computer around it."""
    monkeypatch.setenv("SHELL", "/nonexistent/zsh")

    assert Path(terminals.shell()[0]).is_file()


def test_jupyterlab_is_told_the_shell(tmp_path: Path) -> None:
    """By its own option for terminals."""
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: intro\n")
    argv = opening.arguments(tmp_path)
    told = next(each for each in argv if "terminado_settings" in each)

    assert told.endswith(f"shell_command={terminals.shell()!r}")
    assert "--rcfile" in told


def test_a_full_disk_leaves_what_jupyterlab_reads_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With half of its settings it would begin without them, and say nothing."""
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: intro\n")
    opening.arguments(tmp_path)
    kept = [tmp_path / opening.PAGE, *(tmp_path / "prefix").rglob("*overrides.json")]
    before = [path.read_text() for path in kept]
    write = Path.write_bytes

    def full(path: Path, data: bytes | str, **_: object) -> int:
        write(path, b"{")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space left"):
        opening.arguments(tmp_path)

    assert [path.read_text() for path in kept] == before
    assert len(kept) == 2
