"""A chapter that cannot be read is named, and keeps no other from its readers."""

from __future__ import annotations

import json
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nbformat.v4 as v4
import pytest
from fakes import chapters
from jupyter_server.services.contents.fileio import atomic_writing

from booktools import coverage, notebooks
from booktools import progress as reader
from booktools.jupyterlab import opening, reading
from k8slab.errors import BadInput

MERGED = '<<<<<<< Updated upstream\n{"cells": []}\n=======\n'
DAMAGED: list[bytes] = [
    b"[" * 100_000,
    b"",
    MERGED.encode(),
    b"[]",
    b"null",
    b"{}",
    b'"text"',
    b"\xff\xfe{",
    b'{"nbformat": 4, "nbformat_minor": 5}',
    b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": null}',
    b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [{}]}',
    b'{"nbformat": 5, "nbformat_minor": 0, "metadata": {}, "cells": []}',
    b'{"nbformat": [], "cells": []}',
]


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a book of two chapters, the second of which the ways know."""
    (tmp_path / ".git").mkdir()
    monkeypatch.setenv("K8SLAB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("K8SLAB_LAB", "default")
    (tmp_path / "_toc.yml").write_text(
        "root: intro\nchapters:\n- file: chapters/broken\n- file: chapters/concepts\n"
    )
    (tmp_path / "chapters" / "_notes").mkdir(parents=True)
    for name in ("broken", "concepts"):
        title = v4.new_markdown_cell(f"# The {name}\n\nA promise.", id="title")
        chapters.write(tmp_path / "chapters", [title], name=name)
    items, answers = coverage.files(tmp_path)
    items.write_text(json.dumps({"All": {"a": "one", "b": "two"}}))
    place = {"shown": ["title"], "checked": ["check"]}
    known = [{"chapter": name, **place} for name in ("broken", "concepts")]
    answers.write_text(json.dumps(dict(zip("ab", known, strict=True))))
    return tmp_path


@pytest.fixture
def broken(book: Path) -> Path:
    """Damage the first of its chapters."""
    path = book / "chapters" / "broken.ipynb"
    path.write_text(MERGED)
    return path


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_chapter_is_named_with_its_cure(
    tmp_path: Path, content: bytes
) -> None:
    """Whatever is wrong in it: the error is ours, and the file is left as it is."""
    (tmp_path / ".git").mkdir()
    path = tmp_path / "a chapter.ipynb"
    path.write_bytes(content)

    with pytest.raises(BadInput, match="not a notebook") as caught:
        notebooks.load(path)

    assert caught.value.where == str(path)
    assert caught.value.seen
    anew = f"git -C {tmp_path} checkout HEAD -- 'a chapter.ipynb'"
    assert caught.value.next == anew
    assert path.read_bytes() == content


def test_the_cure_works_as_printed(tmp_path: Path) -> None:
    """From any folder, and while a merge is not resolved."""
    path = tmp_path / "a chapter.ipynb"

    def git(*words: str, code: int = 0) -> None:
        who = ["-c", "user.name=x", "-c", "user.email=x@x.example"]
        done = subprocess.run(["git", *who, *words], cwd=tmp_path, check=False)
        assert done.returncode == code

    def commit(title: str) -> None:
        chapters.write(tmp_path, [v4.new_markdown_cell(title, id="t")], name=path.stem)
        git("add", ".")
        git("commit", "-qm", title)

    git("init", "-q", "-b", "ours")
    commit("before")
    git("checkout", "-qb", "theirs")
    commit("theirs")
    git("checkout", "-q", "ours")
    commit("ours")
    git("merge", "theirs", code=1)
    with pytest.raises(BadInput) as caught:
        notebooks.load(path)

    subprocess.run(caught.value.next, shell=True, cwd="/", check=True)  # noqa: S602
    assert notebooks.load(path).notebook.cells[0].source == "ours"


def test_a_learners_copy_has_its_chapter_from_the_repository(tmp_path: Path) -> None:
    """It is in no git, as onboarding.md makes it; what no book has is not promised."""
    (tmp_path / "chapters of ada").mkdir()
    path = tmp_path / "chapters of ada" / "concepts.ipynb"
    for each in (path, path.with_name("own.ipynb")):
        each.write_text(MERGED)
    with pytest.raises(BadInput) as caught:
        notebooks.load(path)
    with pytest.raises(BadInput) as other:
        notebooks.load(path.with_name("own.ipynb"))

    subprocess.run(caught.value.next, shell=True, cwd="/", check=True)  # noqa: S602
    own = notebooks.ROOT / "chapters" / path.name
    assert notebooks.load(path).title == notebooks.load(own).title
    assert other.value.next == "copy it anew from where the book came from"


@pytest.mark.parametrize("name", ["chapters", "glossary.md", "folder.ipynb"])
def test_what_is_no_notebook_is_not_brought_back(tmp_path: Path, name: str) -> None:
    """The command would undo all that was changed in it since the last commit."""
    (tmp_path / ".git").mkdir()
    path = tmp_path / name
    path.write_text("# Words\n") if path.suffix == ".md" else path.mkdir()

    with pytest.raises(BadInput, match="not a notebook") as caught:
        notebooks.load(path)

    assert caught.value.next == "name notebooks: chapters/concepts.ipynb"


def test_a_chapter_that_jupyterlab_is_writing_is_read_whole(tmp_path: Path) -> None:
    """It empties the file first: readers beside it wait for the rest."""
    path = chapters.write(tmp_path, [v4.new_markdown_cell("before", id="t")]).path
    after = path.read_text().replace("before", "after")
    with ThreadPoolExecutor(1) as pool, atomic_writing(str(path)) as file:
        file.write(after[: len(after) // 2])
        file.flush()
        reading = pool.submit(notebooks.load, path)
        with pytest.raises(TimeoutError):
            reading.result(0.3)
        file.write(after[len(after) // 2 :])
    assert reading.result(10).notebook.cells[0].source == "after"


KEPT = (".~a chapter.ipynb", ".ipynb_checkpoints/a chapter-checkpoint.ipynb")


@pytest.mark.parametrize("name", KEPT, ids=["writer-killed", "checkpoint"])
def test_a_damaged_chapter_comes_back_with_the_readers_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """From what JupyterLab put aside before it wrote, or from its checkpoint."""
    (tmp_path / ".git").mkdir()
    monkeypatch.setattr(notebooks, "_WRITING_S", 0.1)
    cells = [v4.new_markdown_cell("an answer", id="t")]
    path = chapters.write(tmp_path, cells, name="a chapter").path
    (tmp_path / name).parent.mkdir(exist_ok=True)
    shutil.copy(path, tmp_path / name)
    path.write_text(MERGED)
    with pytest.raises(BadInput) as caught:
        notebooks.load(path)
    cure, _, other = caught.value.next.partition(", or without what you did in it: ")
    subprocess.run(cure, shell=True, cwd="/", check=True)  # noqa: S602 - ours

    assert notebooks.load(path).notebook.cells[0].source == "an answer"
    assert other.startswith(f"git -C {tmp_path} checkout HEAD -- ")


def test_a_copy_that_is_damaged_too_is_not_offered(tmp_path: Path) -> None:
    """What brings the book's own back is."""
    (tmp_path / ".git").mkdir()
    path = tmp_path / "chapter.ipynb"
    copy = tmp_path / ".ipynb_checkpoints" / "chapter-checkpoint.ipynb"
    copy.parent.mkdir()
    for each in (path, copy):
        each.write_text(MERGED)
    with pytest.raises(BadInput) as caught:
        notebooks.load(path)

    assert caught.value.next == f"git -C {tmp_path} checkout HEAD -- chapter.ipynb"


def test_an_empty_chapter_and_a_forbidden_one_keep_no_other(
    book: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first page names them; neither is called damaged that is not."""
    first, _ = notebooks.chapter_paths(book)
    chapters.write(book / "chapters", [], name="broken")
    _, (empty,) = notebooks.readable(book)
    read = Path.read_text

    def refuse(self: Path, *args: Any, **options: Any) -> str:
        if self == first:
            raise PermissionError(13, "Permission denied")
        return read(self, *args, **options)

    monkeypatch.setattr(Path, "read_text", refuse)
    (well,), (forbidden,) = notebooks.readable(book)

    assert "is empty" in empty.what
    assert "checkout HEAD" in empty.next
    assert well.path.stem == "concepts"
    assert forbidden.what == "this chapter may not be read"
    assert forbidden.next.endswith(f"chmod a+r {first}")


def test_the_first_page_names_it_and_has_the_others(book: Path, broken: Path) -> None:
    """JupyterLab opens, at a page that says what to do."""
    cells = {cell.id: cell for cell in opening.first_page(book).cells}

    assert str(broken) in cells["damaged"].source
    anew = f"git -C {broken.parent} checkout HEAD -- {broken.name}"
    assert anew in cells["damaged"].source
    assert "The concepts" in cells["lab"].outputs[0].data["text/plain"]
    assert "[The concepts](chapters/concepts.ipynb)" in cells["ways"].source


def test_a_whole_book_has_no_such_part(book: Path) -> None:
    assert "damaged" not in [cell.id for cell in opening.first_page(book).cells]


def test_a_damaged_record_is_told_on_the_first_page(book: Path) -> None:
    """With what is seen of it; the page is there all the same."""
    (book / "home").mkdir()
    (book / "home" / "progress.json").write_text("{")

    look = opening.first_page(book).cells[1]

    assert "record of your progress cannot" in look.outputs[0].data["text/plain"]


def test_what_is_trusted_leaves_it_out(book: Path, broken: Path) -> None:
    """The command would end at it, with the chapters behind it untrusted."""
    argv = opening.trusted(book)

    assert str(broken) not in argv
    assert argv[-1] == str(book / "chapters" / "concepts.ipynb")


def test_pages_are_made_of_the_others(book: Path, broken: Path) -> None:
    """Of an answer in it, the notes have its name."""
    text = "<!-- made here: chapters -->\n\n<!-- made here: notes -->\n"
    page = reading.page(text, book)

    assert "[The concepts](chapters/concepts.ipynb)" in page
    assert "| one | broken | check |" in page
    broken.with_name("concepts.ipynb").write_text("")
    assert reading.page(text, book).strip() == ""


def test_the_progress_counts_the_others_and_says_so(book: Path, broken: Path) -> None:
    rows = reader.rows(book)

    assert [row.name for row in rows] == ["concepts"]
    assert reader.remarks(rows, "default", book)[0] == (
        "left out, as it cannot be read: chapters/broken.ipynb"
    )


def test_one_that_is_not_there_is_no_damage(book: Path) -> None:
    """A reader's copy may have fewer chapters."""
    (book / "chapters" / "broken.ipynb").unlink()
    found, damaged = notebooks.readable(book)

    assert ([chapter.name for chapter in found], damaged) == (["concepts"], [])
