"""What JupyterLab saves of a chapter, of another notebook and of a plain file."""

import asyncio
import json
import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_server.serverapp import ServerApp
from nbconvert.exporters import get_exporter
from paths import ROOT

from booktools.jupyterlab import opening
from booktools.jupyterlab.saving import BookContentsManager, in_book_form
from booktools.notebooks import dump, load

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


@pytest.mark.parametrize("words", ["mine", ""], ids=["other words", "the same words"])
def test_a_chapter_that_git_put_back_is_stored_again(
    tmp_path: Path, words: str
) -> None:
    """What the reader ran is not there any more, even if it printed the same."""
    path = tmp_path / "concepts.ipynb"
    path.write_bytes(CHAPTER.read_bytes())
    manager = BookContentsManager(root_dir=str(tmp_path))
    model = delivered(manager)
    of_the_book = nbformat.read(CHAPTER, as_version=4)
    shown = [c for c in of_the_book.cells if c.cell_type == "code" and c.outputs]
    ran = {cell.id: cell for cell in model["content"].cells}
    for cell in shown[:-1]:
        mine = [nbformat.v4.new_output("stream", text=words)] if words else cell.outputs
        ran[cell.id].outputs, ran[cell.id].execution_count = mine, cell.execution_count
    ran[shown[-1].id].outputs = [nbformat.v4.new_output("stream", text="mine")]
    asyncio.run(manager.save(model, "concepts.ipynb"))
    own = json.dumps(delivered(manager)["content"])
    path.write_bytes(CHAPTER.read_bytes())
    again = json.dumps(delivered(manager)["content"])

    assert own.count("k8slab-stored") == 0
    assert again.count('class=\\"k8slab-stored') == len(shown)


@pytest.mark.slow
def test_an_earlier_save_that_comes_back_is_the_readers(tmp_path: Path) -> None:
    """As by File > Revert Notebook to Checkpoint."""
    path = tmp_path / "concepts.ipynb"
    path.write_bytes(CHAPTER.read_bytes())
    manager = BookContentsManager(root_dir=str(tmp_path))
    model = delivered(manager)
    first, second = [
        c for c in model["content"].cells if c.cell_type == "code" and c.outputs
    ][:2]
    told = []
    for cell in (first, second):
        cell.outputs = [nbformat.v4.new_output("stream", text="mine")]
        asyncio.run(manager.save(deepcopy(model), "concepts.ipynb"))
        told.append((path.read_bytes(), delivered(manager)["content"]))

    path.write_bytes(told[0][0])

    assert delivered(manager)["content"] == told[0][1]
    assert told[0][1] != told[1][1]


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


def as_another_tool_writes_it(ids: list[str] | None = None) -> dict[str, Any]:
    """Return a chapter of an older format, without ids; or with those that it gave."""
    content = json.loads(json.dumps(nbformat.read(CHAPTER, as_version=4)))
    code = [cell for cell in content["cells"] if cell["cell_type"] == "code"]
    content["cells"] = code[:3]
    for at, cell in enumerate(content["cells"]):
        del cell["id"]
        if ids is not None:
            cell["id"] = ids[at]
    content["nbformat_minor"] = 4 if ids is None else 5
    return {"type": "notebook", "format": "json", "content": content}


@pytest.mark.parametrize(
    ("ids", "kept"),
    [
        (None, ["cell-1", "cell-2", "cell-3"]),
        (["a", "a", "a"], ["a", "cell-2", "cell-3"]),
        (["a", "cell-4", "a"], ["a", "cell-4", "cell-3"]),
        (["cell-3", "", "cell-3"], ["cell-3", "cell-2", "cell-4"]),
    ],
)
def test_a_chapter_of_another_tool_is_saved_with_ids(
    tmp_path: Path, ids: list[str] | None, kept: list[str]
) -> None:
    """The same ones each time, by the cells' places; what was run is the reader's."""
    path = tmp_path / "concepts.ipynb"
    manager = BookContentsManager(root_dir=str(tmp_path))
    saved = []
    for _ in range(2):
        sent = as_another_tool_writes_it(ids)
        sent["content"]["cells"][2]["outputs"] = [
            nbformat.v4.new_output("stream", text="mine")
        ]
        asyncio.run(manager.save(sent, "concepts.ipynb"))
        saved.append(path.read_bytes())
    cells = delivered(manager)["content"].cells

    assert saved[0] == saved[1]
    assert [cell.id for cell in cells] == kept
    assert cells[2].outputs[0].text == "mine"


@pytest.mark.parametrize("ids", [None, ["a", "a", "b"]])
def test_a_chapter_of_another_tool_can_be_read(
    tmp_path: Path, ids: list[str] | None
) -> None:
    """Each cell has an id of its own, and nothing warns."""
    path = tmp_path / "concepts.ipynb"
    content = as_another_tool_writes_it(ids)["content"]
    path.write_text(json.dumps(content), encoding="utf-8")

    assert len({cell.id for cell in load(path).notebook.cells}) == 3


@pytest.fixture
def exporter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Return what gives the means by which JupyterLab's server exports."""
    (tmp_path / "_toc.yml").write_text("root: intro\n")
    with monkeypatch.context() as patched:
        patched.setattr(sys, "prefix", str(tmp_path))
        _, *words = opening.arguments(tmp_path)
    server = ServerApp()
    server.parse_command_line(words)
    made: Any = get_exporter  # it has no types
    return lambda kind: made(kind)(config=server.config)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["notebook", "html", "markdown"])
def test_an_exported_chapter_is_as_it_is_stored(
    tmp_path: Path, exporter: Callable[[str], Any], kind: str
) -> None:
    """Without the words above stored outputs, and with their numbers."""
    (tmp_path / "concepts.ipynb").write_bytes(CHAPTER.read_bytes())
    shown = delivered(BookContentsManager(root_dir=str(tmp_path)))["content"]
    plain = nbformat.read(CHAPTER, as_version=4)
    exported, _ = exporter(kind).from_notebook_node(shown)

    assert "k8slab-stored" in json.dumps(shown)
    assert "stored output" not in exported
    assert exported == exporter(kind).from_notebook_node(plain)[0]


def page(name: str) -> Any:
    """Return a file of the repository as JupyterLab gets it."""
    return asyncio.run(BookContentsManager(root_dir=str(ROOT)).get(name))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("glossary.md", "(term-api-server)=\n### API server\n\nThe program"),
        ("glossary.md", "Chapters: [See every part"),
        ("runbook.md", "| all of an object | `get pod NAME -o yaml` |"),
        ("symptoms.md", "| kubelet-stopped"),
        ("notes.md", "| run three echo servers on port 12345 | Keep"),
        ("intro.md", "- [Talk to a cluster](chapters/first-steps.ipynb), 30 minutes."),
        ("reference.md", "help(wait.pods)"),
    ],
)
def test_pages_that_are_made_are_made_for_jupyterlab(name: str, words: str) -> None:
    """Filled, to read only, with links that it opens."""
    model = page(name)

    assert words in model["content"]
    assert "made here" not in model["content"]
    assert "](chapters/concepts)" not in model["content"]
    assert not model["writable"]


@pytest.mark.parametrize("name", ["onboarding.md", "CHANGELOG.md", "pyproject.toml"])
def test_other_files_are_delivered_as_they_are(name: str) -> None:
    model = page(name)

    assert model["content"] == (ROOT / name).read_text(encoding="utf-8")
    assert model["writable"]
