"""The web book, built as 'make book' does, in a folder of a test's own."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from paths import ROOT, SHARED_BOOK

from booktools.notebooks import contents
from k8slab.core import files

PAGES = [*contents(ROOT / "_toc.yml"), "search", "genindex"]


def sources() -> list[str]:
    """Return the files around the chapters that the book is built from."""
    pages = [f"{name}.md" for name in contents(ROOT / "_toc.yml") if "/" not in name]
    return ["_config.yml", "_toc.yml", *pages]


def prepare(folder: Path) -> None:
    """Copy what the book is built from, and add pages that are not the book's."""
    for name in sources():
        shutil.copy(ROOT / name, folder / name)
    skip = shutil.ignore_patterns(".ipynb_checkpoints")
    shutil.copytree(ROOT / "chapters", folder / "chapters", ignore=skip)
    for stray in (".venv", "lib"):  # they would not build
        (folder / stray).mkdir()
        (folder / stray / "stray.md").write_text("{unknown}`role`\n")


def build(folder: Path) -> Path:
    """Build the book in a folder that was prepared, and return the site's folder."""
    builder = Path(sys.executable).with_name("jupyter-book")
    done = subprocess.run(
        [builder, "build", ".", "-n", "-W", "--keep-going"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return site(folder)


def shared(factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """Return the site of a book that is built once, and the seconds that took.

    Workers of pytest-xdist share it: the first builds, the others wait. So do the steps
    of 'make test', which names a folder that is empty when it begins.
    """
    base = factory.getbasetemp()
    if SHARED_BOOK in os.environ:
        base = Path(os.environ[SHARED_BOOK])
        base.mkdir(parents=True, exist_ok=True)
    elif "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    folder, took = base / "book", base / "book-seconds"
    with files.locked(base / "book.lock"):
        if not took.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            prepare(folder)
            began = time.monotonic()
            build(folder)
            took.write_text(str(time.monotonic() - began))
    return site(folder), float(took.read_text())


def site(folder: Path) -> Path:
    """Return where the site is of a book that was built in a folder."""
    return folder / "_build" / "html"


def pages(of: Path) -> list[str]:
    """Return the names of the pages of a built site, those that search included."""
    found = of.rglob("*.html")
    return sorted(
        page.relative_to(of).as_posix()
        for page in found
        if "_static" not in page.parts and "_sources" not in page.parts
    )
