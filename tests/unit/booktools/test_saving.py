"""What JupyterLab saves of a chapter, of another notebook and of a plain file."""

import asyncio
import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import nbformat
from paths import ROOT

from booktools.jupyterlab.saving import BookContentsManager, in_book_form
from booktools.notebooks import dump

CHAPTER = ROOT / "chapters" / "concepts.ipynb"
NOTES = {"codemirror_mode": {"name": "ipython", "version": 3}, "name": "python"}


def as_jupyterlab_sends_it() -> dict[str, Any]:
    """Return a chapter with what JupyterLab notes in every notebook it opens."""
    content = nbformat.read(CHAPTER, as_version=4)
    content.metadata.language_info = nbformat.from_dict(NOTES)
    for cell in content.cells:
        cell.metadata.trusted = True
        cell.metadata.scrolled = True
    return {"type": "notebook", "format": "json", "content": content}


def test_a_chapter_is_saved_as_the_book_keeps_it() -> None:
    saved = in_book_form(as_jupyterlab_sends_it())

    assert dump(saved["content"]) == CHAPTER.read_text(encoding="utf-8")
    assert saved["content"].metadata.language_info == {"name": "python"}
    assert not any(cell.metadata.get("scrolled") for cell in saved["content"].cells)
    assert (saved["type"], saved["format"]) == ("notebook", "json")


def test_what_the_reader_wrote_is_saved() -> None:
    sent = as_jupyterlab_sends_it()
    cells = sent["content"].cells
    at = next(i for i, cell in enumerate(cells) if cell.cell_type == "code")
    cells[at].source = "mine = 1"
    cells[at].outputs = []

    saved = in_book_form(sent)["content"].cells[at]

    assert (saved.source, saved.outputs) == ("mine = 1", [])


def test_another_notebook_and_a_plain_file_are_left_alone() -> None:
    sent = json.loads(json.dumps(as_jupyterlab_sends_it()))
    del sent["content"]["metadata"]["lab"]
    file = {"type": "file", "format": "text", "content": "words"}

    assert in_book_form(deepcopy(sent)) == sent
    assert in_book_form(dict(file)) == file


def test_the_server_writes_a_chapter_that_was_only_opened_as_it_was(
    tmp_path: Path,
) -> None:
    manager = BookContentsManager(root_dir=str(tmp_path))
    sent = json.loads(json.dumps(as_jupyterlab_sends_it()))

    asyncio.run(manager.save(sent, "concepts.ipynb"))

    assert (tmp_path / "concepts.ipynb").read_bytes() == CHAPTER.read_bytes()


def delivered(manager: BookContentsManager) -> Any:
    """Return the chapter as JupyterLab gets it."""
    return asyncio.run(manager.get("concepts.ipynb"))


def test_a_stored_output_says_so_until_its_cell_is_run(tmp_path: Path) -> None:
    """It has no number; what the reader ran is theirs, also when opened again."""
    (tmp_path / "concepts.ipynb").write_bytes(CHAPTER.read_bytes())
    manager = BookContentsManager(root_dir=str(tmp_path))
    model = delivered(manager)
    shown = [c for c in model["content"].cells if c.cell_type == "code" and c.outputs]
    run = shown[0]
    run.outputs, run.execution_count = [], 7
    run.outputs.append(nbformat.v4.new_output("stream", text="mine\n"))
    asyncio.run(manager.save(model, "concepts.ipynb"))
    again = [c for c in delivered(manager)["content"].cells if c.cell_type == "code"]
    told = {
        cell.id: (cell.execution_count, "stored" in str(cell.outputs[0]))
        for cell in again
        if cell.outputs
    }

    assert told.pop(run.id) == (7, False)
    assert set(told.values()) == {(None, True)}
    assert len(told) == len(shown) - 1


def test_what_was_only_delivered_is_saved_as_it_was(tmp_path: Path) -> None:
    """The mark of a stored output never gets into a file."""
    path = tmp_path / "concepts.ipynb"
    path.write_bytes(CHAPTER.read_bytes())
    manager = BookContentsManager(root_dir=str(tmp_path))
    model = delivered(manager)

    asyncio.run(manager.save(model, "concepts.ipynb"))

    assert "k8slab-stored" in json.dumps(model["content"])
    assert path.read_bytes() == CHAPTER.read_bytes()


def test_a_chapter_that_was_trusted_is_trusted_when_it_is_opened_again(
    tmp_path: Path,
) -> None:
    """JupyterLab would hide its drawings otherwise."""
    path = tmp_path / "concepts.ipynb"
    path.write_bytes(CHAPTER.read_bytes())
    manager = BookContentsManager(root_dir=str(tmp_path))
    manager.notary.db_file = ":memory:"
    manager.notary.secret_file = str(tmp_path / "secret")
    model = delivered(manager)
    for cell in model["content"].cells:
        cell.metadata.trusted = True

    asyncio.run(manager.save(model, "concepts.ipynb"))

    cells = [c for c in delivered(manager)["content"].cells if c.cell_type == "code"]
    assert {cell.metadata.trusted for cell in cells} == {True}
