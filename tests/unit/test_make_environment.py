"""The virtual environment of ``make``: made anew where it cannot be used."""

from __future__ import annotations

import hashlib
import os
import select
import shutil
import subprocess
import sys
import venv
from collections.abc import Mapping
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
OTHER = "#!/bin/sh\n[ $1 = --version ] && echo Python {} || exit 1\n"
PIP = """
import os, pathlib, sys
with open("piped", "a") as file:
    print(os.environ.get("PIP_USER"), *sys.argv[1:], file=file)
if not (os.environ.get("PIP_TARGET") or os.environ.get("PIP_PYTHON")):
    pathlib.Path(".venv/bin/k8slab").touch(0o755)
"""


def run(root: Path, **programs: str) -> subprocess.CompletedProcess[str]:
    """Run the recipe with other programs than this computer's."""
    return run_with({}, root, programs)


def run_with(
    variables: Mapping[str, str], root: Path, programs: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run the recipe so, with variables that the reader has set."""
    folder = root / "programs"
    folder.mkdir()
    for name, text in {"python3": PYTHON, "uv": UV, **programs}.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return subprocess.run(
        ["make", ".venv/.installed"],
        cwd=root,
        env={
            "HOME": str(root),
            "PATH": f"{folder}:{os.environ['PATH']}",
            **variables,
        },
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )


def make(root: Path, **programs: str) -> list[str]:
    """Run the recipe with a Python that makes nothing; return what it was to make."""
    done = run(root, **programs)
    assert done.returncode == 0, done.stderr
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


def test_a_python_that_does_not_fit_is_told_with_one_that_does(clone: Path) -> None:
    """What is there is said, and a package that is none of what is there."""
    (clone / ".venv" / ".installed").unlink()
    others = {f"python3.{minor}": OTHER.format("3.9.2") for minor in (11, 12, 13)}
    apt = "#!/bin/sh\n[ $2 = python3.12 ]\n"
    new = OTHER.format("3.14.1")
    told = run(clone, python3=new, **{"apt-cache": apt}, **others).stderr
    shutil.rmtree(clone / "programs")
    alone = run(clone, python3=new, **{"apt-cache": UV + "exit 100\n"}, **others).stderr

    assert "needed, and here is Python 3.14.1: apt-get install python3.12 " in told
    assert " python3.12-venv" in told
    assert "Python 3.14.1: put one of them on the PATH" in alone


@pytest.mark.parametrize("name", ["python3", "python3.11"])
def test_the_chosen_pythons_own_venv_is_named(clone: Path, name: str) -> None:
    """Another one's does not serve it."""
    (clone / ".venv" / ".installed").unlink()
    lacks = PYTHON.replace("case", "case $* in *ensurepip*) exit 1 ;; esac\ncase", 1)
    programs = {f"python3.{minor}": OTHER.format("3.9.2") for minor in (12, 13)}
    programs |= {"python3": OTHER.format("3.14.1"), name: lacks}
    done = run(clone, id="#!/bin/sh\necho 1000\n", **programs)

    assert f"{name} has no venv: apt-get install {name}-venv\n" in done.stderr


@pytest.mark.parametrize("works", [True, False])
def test_pip_does_what_uv_cannot(clone: Path, works: bool) -> None:
    """Which knows no pip.conf, where the index may be named; nor is 'user' heeded."""
    (clone / ".venv" / ".installed").unlink()
    (main,) = (clone / ".venv" / "lib").glob("python*/site-packages/pip/__main__.py")
    main.write_text(PIP)
    make(clone, uv=UV if works else f"{UV}exit 2\n")
    lines = (clone / "piped").read_text().splitlines()
    installs = [line.split() for line in lines if " install " in line]

    assert [line[-1] for line in installs] == (
        [] if works else ["requirements.lock", "."]
    )
    assert all(line[0] == "0" for line in installs)


@pytest.mark.slow
@pytest.mark.parametrize("by", ["a variable", "pip.conf"])
def test_pip_installs_into_the_environment_or_says_so(clone: Path, by: str) -> None:
    """Variables do not matter; a pip.conf that sends it elsewhere is told."""
    (clone / ".venv" / ".installed").unlink()
    (main,) = (clone / ".venv" / "lib").glob("python*/site-packages/pip/__main__.py")
    main.write_text(PIP if by == "a variable" else "")
    names = ("PIP_PYTHON", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_DRY_RUN")
    elsewhere = dict.fromkeys(names, str(clone / "elsewhere"))
    done = run_with(elsewhere, clone, {"uv": f"{UV}exit 2\n"})

    assert (done.returncode == 0) == (by == "a variable")
    assert ("pip installed elsewhere than in .venv" in done.stderr) == bool(
        done.returncode
    )
    for made in ("bin/k8slab", ".installed"):
        assert (clone / ".venv" / made).exists() == (done.returncode == 0)


def test_a_file_that_bash_would_read_first_is_not_read(clone: Path) -> None:
    """BASH_ENV may name one that prints, which make would take for its own rules."""
    (clone / "noisy").write_text("echo now using node v22\n")
    (clone / ".venv" / "bin" / "k8slab").touch()
    done = run_with({"BASH_ENV": str(clone / "noisy")}, clone, {})

    assert done.returncode == 0, done.stderr
    assert "node" not in done.stdout + done.stderr


def test_variables_of_another_python_are_not_this_ones(clone: Path) -> None:
    """With them it would not even begin, or find other packages first."""
    (clone / ".venv" / ".installed").unlink()
    names = ("PYTHONHOME", "PYTHONPATH", "PYTHONSAFEPATH")
    seen = "".join(f"${{{name}-}}" for name in names)
    spy = PYTHON.replace("case", f'echo "<{seen}>" >> seen\ncase', 1)
    done = run_with(dict.fromkeys(names, "/nonexistent"), clone, {"python3": spy})

    assert done.returncode == 0, done.stderr
    assert set((clone / "seen").read_text().split()) == {"<>"}


def test_what_takes_long_is_shown_as_it_comes(tmp_path: Path) -> None:
    """MAKEFLAGS of the reader's own may hold it back to the end of a recipe."""
    (flags,) = [
        line
        for line in (ROOT / "Makefile").read_text().splitlines()
        if line.startswith("MAKEFLAGS")
    ]
    os.mkfifo(tmp_path / "go")
    recipe = f"{flags}\nall:\n\t@echo begun; read line < go; echo ended\n"
    (tmp_path / "Makefile").write_text(recipe)
    with subprocess.Popen(
        ["make"],
        cwd=tmp_path,
        env={**os.environ, "MAKEFLAGS": "-j2 -Otarget", "MAKELEVEL": "0"},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        shown, _, _ = select.select([process.stdout], [], [], 20)
        (tmp_path / "go").write_text("now\n")

        assert shown
        assert process.stdout.read().split() == ["begun", "ended"]
