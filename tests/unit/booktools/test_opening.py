"""What JupyterLab's terminals and cells find on their PATH."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from booktools.jupyterlab import opening


def test_kubectl_is_the_guarded_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In JupyterLab's own environment, and arguments arrive as typed."""
    (tmp_path / "bin").mkdir()
    real = tmp_path / "bin" / "k8slab"
    real.write_text('#!/bin/sh\nprintf "<%s>" "$@"\n')
    real.chmod(0o755)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    before = os.environ["PATH"]
    made = opening.environment()
    script = "kubectl get pods -l 'a in (b, c)'; k8slab ssh node1"
    done = subprocess.run(
        ["sh", "-c", script],
        env=made,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == "<kubectl><get><pods><-l><a in (b, c)><ssh><node1>"
    assert os.environ["PATH"] == before
    assert made["PATH"].endswith(before)


def test_a_terminal_keeps_that_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its shell is named, so that it is no login shell that sets another PATH."""
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setenv("SHELL", "/bin/bash")
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: intro\n")
    argv = opening.arguments(tmp_path)

    assert "--ServerApp.terminado_settings=shell_command=['/bin/bash']" in argv
