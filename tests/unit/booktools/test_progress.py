"""The record of the reader's progress: kept in JupyterLab only, and shown."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import nbformat.v4 as v4
import pytest
from typer.testing import CliRunner

from booktools import notebooks, team
from booktools import progress as shown
from booktools.jupyterlab import opening
from k8slab import check, progress
from k8slab.errors import BadInput, LabError
from labmaker import cli


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


@pytest.mark.parametrize(
    "noted",
    [
        {"run": None},
        {"run": []},
        {"run": {"claims": 5}},
        {"minutes": None},
        {"minutes": "20 min"},
    ],
)
def test_what_a_chapter_notes_otherwise_counts_as_nothing(
    home: Path, book: Path, noted: dict[str, object]
) -> None:
    """One chapter's metadata hides neither the others nor the first page."""
    chapter = notebooks.load(book / "chapters" / "first.ipynb")
    chapter.notebook.metadata["lab"] = noted
    (book / "chapters" / "concepts.ipynb").write_text(notebooks.dump(chapter.notebook))
    with (book / "_toc.yml").open("a") as toc:
        toc.write("- file: chapters/concepts\n")

    found = shown.rows(book, home)
    assert [(row.name, row.minutes, row.claims) for row in found] == [
        ("first", 0, 2),
        ("concepts", 0, 2),
    ]
    page = opening.first_page(book)
    assert "[Count](chapters/concepts.ipynb) (0)" in str(page)


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


@pytest.mark.parametrize(
    "text",
    ["{", "[]", "null", "7", "\x00", pytest.param("[" * 100_000, id="deep")],
)
def test_a_broken_record_is_told_and_kept(home: Path, book: Path, text: str) -> None:
    """A check goes on without it; `progress` says what to do, and nothing is lost."""
    home.mkdir()
    file = progress.path(home, "default")
    file.write_text(text)
    check.that("one", True)
    check.exercise("sums", ("two", False))

    with pytest.raises(LabError, match="cannot be read") as caught:
        shown.progress(book, home)
    assert file.read_text() == text
    assert f"mv {file} {file}.aside" in caught.value.next
    assert "remove" not in str(caught.value)


def test_a_record_that_may_not_be_read_is_told(home: Path, book: Path) -> None:
    """A folder is in its place."""
    progress.path(home, "default").mkdir(parents=True)
    check.that("one", True)
    check.exercise("sums", ("two", False))

    with pytest.raises(LabError, match="cannot be read"):
        shown.progress(book, home)


@pytest.mark.parametrize(
    "noted",
    [
        {"claims": None},
        {"claims": "one"},
        {"claims": {"one": 1}, "solved": 5},
        {"claims": [None, 5, []]},
        {"tries": None},
        {"tries": {"sums: two": "often"}},
        {"tries": {"sums: two": -7}},
        {"tries": [1]},
        {"last": 5},
        None,
        [],
        "words",
    ],
)
def test_what_another_version_noted_otherwise_stops_no_check(
    home: Path, book: Path, noted: object
) -> None:
    """It counts as nothing, and the chapter's record is ours from then on."""
    home.mkdir()
    file = progress.path(home, "default")
    file.write_text(json.dumps({"first": noted}))
    check._attempts.clear()
    (before,) = shown.rows(book, home)
    check.exercise("sums", ("two", False, "a hint"))
    check.that("one", True)
    (row,) = shown.rows(book, home)

    assert (before.seen, before.last) == (0, "")
    assert row.seen == 1
    assert progress.read(file)["first"].tries == {"sums: two": 1}


def test_what_another_version_noted_beside_it_stays(home: Path, book: Path) -> None:
    """A field, a chapter of another form, and what belongs to the whole."""
    home.mkdir()
    file = progress.path(home, "default")
    newer = {
        "schema": 2,
        "first": {"claims": ["one"], "minutes": [12, 7]},
        "second": {"claims": 7, "notes": "mine"},
    }
    file.write_text(json.dumps(newer))
    (row,) = shown.rows(book, home)
    check.that("two", True)
    record = json.loads(file.read_text())

    assert row.seen == 1
    assert record["first"]["minutes"] == [12, 7]
    assert record["first"]["claims"] == ["one", "two"]
    assert {**record, "first": None} == {**newer, "first": None}


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


@pytest.fixture
def exported(
    home: Path, book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[str, team.Learner]]:
    """Return what runs `progress --export`; it returns what was said and written."""
    monkeypatch.setattr(shown, "ROOT", book)
    monkeypatch.setenv("LOGNAME", "login")
    check.that("one", True)
    monkeypatch.setenv("K8SLAB_LAB", "ada")
    check.that("two", True)
    check.exercise("sums", ("three", True))
    monkeypatch.setenv("K8SLAB_LAB", "default")

    def run(*words: str) -> tuple[str, team.Learner]:
        file = tmp_path / "out.json"
        argv = ["progress", "--export", str(file), *words]
        done = CliRunner().invoke(cli.command(), argv)
        assert done.exit_code == 0, done.output
        (learner,) = team.collect([file])
        return done.stderr, learner

    return run


@pytest.mark.parametrize(
    ("words", "lab", "name", "solved"),
    [
        ([], "default", "login", 0),
        (["--name", "ada"], "ada", "ada", 1),
        (["--name", "ada", "--learner", "Ada L."], "ada", "Ada L.", 1),
        (["--name", "default"], "default", "login", 0),
    ],
)
def test_the_lab_says_whose_progress_is_exported(
    exported: Callable[..., tuple[str, team.Learner]],
    words: list[str],
    lab: str,
    name: str,
    solved: int,
) -> None:
    """A shared computer has several; what was written names the one it was."""
    said, learner = exported(*words)

    assert learner.name == name
    assert [len(row.solved) for row in learner.rows] == [solved]
    assert f"in the lab {lab!r}" in said
    assert "no record" not in said


def test_a_lab_without_a_record_is_told_with_those_that_have_one(
    exported: Callable[..., tuple[str, team.Learner]],
) -> None:
    """Its name was perhaps mistyped."""
    said, learner = exported("--name", "eda")

    assert learner.name == "eda"
    assert "the lab 'eda' has no record; labs with one: ada, default" in said


def test_the_progress_of_a_lab_is_shown(
    exported: Callable[..., tuple[str, team.Learner]],
) -> None:
    done = CliRunner().invoke(cli.command(), ["progress", "--name", "ada"])

    assert "1 of 2 claims checked, 1 of 1 exercises" in done.stdout


def test_no_lab_has_such_a_name(
    exported: Callable[..., tuple[str, team.Learner]],
) -> None:
    """It would be another file's."""
    done = CliRunner().invoke(cli.command(), ["progress", "--name", "../ada"])

    assert isinstance(done.exception, BadInput)
