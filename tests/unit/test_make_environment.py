"""The virtual environment of ``make``: made anew where it cannot be used."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from paths import ROOT

PYTHON = f"""#!/bin/sh
case "$*" in
*"-m venv"*) echo "$*" >> made ;;
*) exec {sys.executable} "$@" ;;
esac
"""
UV = "#!/bin/sh\n"


def make(root: Path) -> list[str]:
    """Run the recipe with a Python that makes nothing; return what it was to make."""
    programs = root / "programs"
    programs.mkdir()
    for name, text in (("python3", PYTHON), ("uv", UV)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    subprocess.run(
        ["make", ".venv/.installed"],
        cwd=root,
        env={"HOME": str(root), "PATH": f"{programs}:{os.environ['PATH']}"},
        capture_output=True,
        check=True,
        timeout=60,
    )
    made = root / "made"
    return made.read_text().splitlines() if made.exists() else []


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone whose environment was made of what its lock names."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("requirements.lock", "pyproject.toml"):
        (tmp_path / name).touch()
    venv.create(tmp_path / ".venv", symlinks=True, with_pip=False)
    (site,) = (tmp_path / ".venv" / "lib").glob("python*/site-packages")
    (site / "pip").mkdir()
    for name in ("__init__.py", "__main__.py"):
        (site / "pip" / name).touch()
    digest = f"{hashlib.sha256().hexdigest()}  "
    sums = f"{digest}requirements.lock\n{digest}pyproject.toml\n"
    digest = hashlib.sha256(sums.encode()).hexdigest()
    (tmp_path / ".venv" / ".installed").write_text(f"{digest}\n")
    return tmp_path


def test_an_environment_that_is_whole_stays(clone: Path) -> None:
    """Nothing is made or installed again."""
    before = (clone / ".venv" / ".installed").read_text()

    assert make(clone) == []
    assert (clone / ".venv" / ".installed").read_text() == before


@pytest.mark.parametrize("whole", [False, True], ids=["half made", "upgraded"])
def test_an_environment_without_its_packages_is_made_anew(
    clone: Path, whole: bool
) -> None:
    """As after Ctrl-C while it was made, or when Debian brought another Python."""
    (site,) = (clone / ".venv" / "lib").glob("python*/site-packages")
    shutil.rmtree(site / "pip")
    if not whole:
        (clone / ".venv" / ".installed").unlink()

    assert make(clone) == ["-m venv --clear .venv"]
    assert (clone / ".venv" / ".installed").exists()


def test_an_environment_whose_python_is_gone_is_made_anew(clone: Path) -> None:
    """As when a version of Python was removed."""
    python = clone / ".venv" / "bin" / "python"
    python.unlink()
    python.symlink_to("/usr/bin/python3.0")

    assert make(clone) == ["-m venv --clear .venv"]
