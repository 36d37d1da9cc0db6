"""The record of the reader's progress: kept in JupyterLab only, and shown."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat.v4 as v4
import pytest

from booktools import notebooks
from booktools import progress as shown
from k8slab import check, progress
from k8slab.errors import LabError


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be a reader who has a chapter open in JupyterLab."""
    monkeypatch.setenv("K8SLAB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("K8SLAB_LAB", "default")
    monkeypatch.setenv("K8SLAB_RECORD", "1")
    monkeypatch.setenv("JPY_SESSION_NAME", "/somewhere/chapters/first.ipynb")
    return tmp_path / "home"


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """Write a book of one chapter with two claims and one exercise."""
    grade = v4.new_code_cell("", id="exercise-sums-grade")
    claims = v4.new_code_cell("", id="look-check")
    claims.outputs = [v4.new_output("stream", text="✔ one\n✔ two\n")]
    title = v4.new_markdown_cell("# Count", id="title")
    (tmp_path / "chapters").mkdir()
    text = notebooks.dump(v4.new_notebook(cells=[title, claims, grade]))
    (tmp_path / "chapters" / "first.ipynb").write_text(text)
    (tmp_path / "_toc.yml").write_text(
        "root: intro\nchapters:\n- file: chapters/first\n"
    )
    return tmp_path


def test_what_is_done_is_shown(home: Path, book: Path) -> None:
    """Claims seen and exercises solved are counted against what the chapter holds."""
    check.that("one", True)
    before = shown.progress(book, home).text
    check.that("two", True)
    check.exercise("sums", ("three", True))

    assert before == "◐ Count: 1 of 2 claims checked, 0 of 1 exercises solved"
    (row,) = shown.rows(book, home)
    assert row.finished
    assert shown.progress(book, home).text.startswith("✔ Count")


def test_what_solutions_claim_is_not_asked_of_the_reader(
    home: Path, book: Path
) -> None:
    """A reader who solves an exercise another way has missed nothing."""
    path = book / "chapters" / "first.ipynb"
    chapter = notebooks.load(path)
    solution = v4.new_code_cell("", id="solution-sums-check")
    solution.outputs = [v4.new_output("stream", text="✔ the book's own way\n")]
    chapter.notebook.cells.append(solution)
    path.write_text(notebooks.dump(chapter.notebook))

    assert shown.claims(chapter) == ["one", "two"]
    assert [row.claims for row in shown.rows(book, home)] == [2]


def test_the_total_stays_when_the_readers_outputs_are_stored(
    home: Path, book: Path
) -> None:
    """It is the total of the book's own run, which the chapter notes."""
    path = book / "chapters" / "first.ipynb"
    chapter = notebooks.load(path)
    chapter.notebook.metadata["lab"] = {"run": {"claims": ["one", "two", "three"]}}
    path.write_text(notebooks.dump(chapter.notebook))

    assert [row.claims for row in shown.rows(book, home)] == [3]


def test_an_unsolved_exercise_is_not_recorded(home: Path, book: Path) -> None:
    """Only its true claims are."""
    check.exercise("sums", ("one", True), ("two", False))

    (row,) = shown.rows(book, home)
    assert (row.seen, row.solved) == (1, ())


@pytest.mark.parametrize(
    ("name", "value"), [("K8SLAB_RECORD", "0"), ("JPY_SESSION_NAME", "")]
)
def test_tests_record_nothing(
    home: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """Neither where tests say so, nor outside of JupyterLab."""
    monkeypatch.setenv(name, value)
    check.that("one", True)

    assert not progress.path(home, "default").exists()


def test_a_broken_record_is_told_and_kept(home: Path, book: Path) -> None:
    """A check goes on without it; `progress` says what to do."""
    home.mkdir()
    progress.path(home, "default").write_text("{")
    check.that("one", True)

    with pytest.raises(LabError, match="remove the file"):
        shown.progress(book, home)
    assert progress.path(home, "default").read_text() == "{"


def test_the_record_is_small_and_said_once(home: Path) -> None:
    """A claim seen twice is one claim."""
    check.that("one", True)
    check.that("one", True)

    record = json.loads(progress.path(home, "default").read_text())
    assert record["first"]["claims"] == ["one"]


def test_readers_on_one_computer_have_a_record_each(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has a lab; what one does is not what another did."""
    monkeypatch.setenv("K8SLAB_LAB", "ada")
    check.that("one", True)

    assert list(progress.read(progress.path(home, "ada"))) == ["first"]
    assert progress.read(progress.path(home, "default")) == {}


def test_hints_go_on_after_a_restart_of_the_kernel(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A new kernel knows how often the reader tried, until the exercise is solved."""
    claim = ("two", lambda: False, "first", "second", "third")
    said = []
    for fact in (False, False, True, False):
        monkeypatch.setattr(check, "_attempts", {})  # as in a new kernel
        check.exercise("sums", ("two", lambda fact=fact: fact, *claim[2:]))
        said.append(capsys.readouterr().out.splitlines()[-1])

    assert said[:2] == ["  hint: first", "  hint: second"]
    assert said[2].startswith("Solved")
    assert said[3] == "  hint: first"
