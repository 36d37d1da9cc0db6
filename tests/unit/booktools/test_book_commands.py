"""The commands of the book: which lab and which copy of the book they mean."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from fakes import chapters
from typer.testing import CliRunner

from booktools import notebooks
from k8slab.errors import BadInput, LabMissing
from labmaker import cli


class Started(BaseException):
    """JupyterLab took this program's place."""


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a book of one chapter; labs and programs are the test's own, too."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("K8SLAB_HOME", str(tmp_path / "labs"))
    monkeypatch.setenv("K8SLAB_LAB", "default")
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "prefix"))
    trust = tmp_path / "prefix" / "bin" / "jupyter-trust"
    trust.parent.mkdir(parents=True)
    trust.write_text("#!/bin/sh\n")
    trust.chmod(0o755)
    root = tmp_path / "book"
    (root / "chapters").mkdir(parents=True)
    chapters.write(root / "chapters", chapters.good_cells(), name="first")
    (root / "_toc.yml").write_text("root: intro\nchapters:\n- file: chapters/first\n")
    return root


@pytest.fixture
def opened(book: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return what runs `book open`, and returns JupyterLab's words and variables."""

    def start(_: str, argv: Sequence[str], env: dict[str, str]) -> None:
        seen.append((argv, env))
        raise Started

    seen: list[tuple[Sequence[str], dict[str, str]]] = []
    monkeypatch.setattr(os, "execve", start)

    def run(*words: str) -> tuple[Sequence[str], dict[str, str]]:
        with pytest.raises(Started):
            cli.command()(["book", "open", *words])
        return seen.pop()

    return run


def test_jupyterlab_opens_on_the_lab_that_is_named(book: Path, opened: Any) -> None:
    """Its first page, its kernels and its terminals; the rest goes to JupyterLab."""
    argv, env = opened("--root", str(book), "--name", "ada", "--ServerApp.port=1")

    assert env["K8SLAB_LAB"] == "ada"
    assert "ssh --name ada node1" in (book / "start.ipynb").read_text()
    assert argv[-1] == "--ServerApp.port=1"
    assert "ada" not in argv


def test_no_lab_has_such_a_name(book: Path) -> None:
    """JupyterLab is not started, nor a chapter."""
    for verb in ("open", "run"):
        with pytest.raises(BadInput, match="cannot be the name of a lab"):
            cli.command()(["book", verb, "--name", "../ada"])


def test_a_folder_that_is_no_book_is_refused_before_anything_is_written(
    tmp_path: Path, book: Path
) -> None:
    """What JupyterLab reads at its start stays as it was."""
    with pytest.raises(BadInput, match="no copy of the book") as caught:
        cli.command()(["book", "open", "--root", str(tmp_path / "none")])

    assert "_toc.yml" in caught.value.wanted
    assert [path.name for path in (tmp_path / "prefix").iterdir()] == ["bin"]


@pytest.mark.slow
def test_a_home_directory_is_expanded(book: Path, opened: Any, tmp_path: Path) -> None:
    """A shell leaves the one behind an equals sign alone."""
    argv, _ = opened("--root=~/book")
    shown = CliRunner().invoke(cli.command(), ["progress", "--html=~/page.html"])
    written = CliRunner().invoke(cli.command(), ["progress", "--export=~/ada.json"])

    assert f"--ServerApp.root_dir={book}" in argv
    assert (shown.exit_code, written.exit_code) == (0, 0)
    assert (tmp_path / "page.html").is_file()
    assert (tmp_path / "ada.json").is_file()


@pytest.mark.slow
def test_chapters_run_on_the_lab_that_is_named(
    book: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not on the one that the environment means."""
    monkeypatch.chdir(book)
    with pytest.raises(LabMissing, match="no lab named 'ada'"):
        cli.command()(["book", "run", "--name", "ada"])


@pytest.mark.slow
def test_all_chapters_are_found_from_any_folder(
    book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy's own in its folder, else the repository's."""
    (tmp_path / "other" / "chapters").mkdir(parents=True)
    toc = "root: intro\nchapters:\n- file: chapters/none\n"
    (tmp_path / "other" / "_toc.yml").write_text(toc)
    monkeypatch.setattr(notebooks, "ROOT", tmp_path / "other")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput, match="no such chapter") as caught:
        cli.command()(["book", "run"])
    monkeypatch.chdir(book)
    with pytest.raises(LabMissing):
        cli.command()(["book", "run"])

    assert caught.value.where == str(tmp_path / "other" / "chapters" / "none.ipynb")


def test_what_is_exported_is_not_shown(book: Path, tmp_path: Path) -> None:
    """No file that was named is left out without a word."""
    export = ["progress", "--export", str(tmp_path / "out.json")]
    for words in (["a.json"], ["--html", str(tmp_path / "c.html")]):
        with pytest.raises(BadInput, match="not both"):
            cli.command()([*export, *words])

    assert not (tmp_path / "out.json").exists()
    assert not (tmp_path / "c.html").exists()


@pytest.mark.slow
def test_a_page_that_cannot_be_written_is_told(book: Path, tmp_path: Path) -> None:
    """As by a folder in its place; no variable of this program is to blame."""
    with pytest.raises(BadInput, match="cannot be written") as caught:
        cli.command()(["progress", "--html", str(tmp_path)])

    assert caught.value.where == str(tmp_path)
    assert "a file in a folder" in caught.value.next
