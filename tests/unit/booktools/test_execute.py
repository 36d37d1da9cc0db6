"""Chapters are executed in a real kernel, against a lab that is only pretended."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nbformat.v4 as v4
import pytest

from booktools import execute, notebooks
from booktools.gateway import LabGateway
from k8slab import errors
from k8slab.core.phases import Ledger
from labmaker import cli

pytestmark = pytest.mark.slow

TOKEN = "abcdef" + "." + "0123456789abcdef"


class FakeGateway(LabGateway):
    """A lab whose content is a text file beside the chapter."""

    def __init__(self, folder: Path) -> None:
        self.world = folder / "world.txt"

    def snapshot(self, name: str, needs: object) -> list[str]:
        """Return the lines of the file."""
        return self.world.read_text().splitlines() if self.world.exists() else []

    def difference(self, before: Any, after: Any) -> list[str]:
        """Return the lines that came."""
        return [line for line in after if line not in before]

    def versions(self, name: str, needs: object) -> dict[str, str]:
        """Return a made-up version."""
        return {"Kubernetes": "1.2.3"}


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Return a writer of chapters from (id, source, tags)."""

    def written(*cells: Sequence[str]) -> Path:
        made = [
            v4.new_code_cell(source, id=cell_id, metadata={"tags": list(tags)})
            for cell_id, source, *tags in cells
        ]
        lab = {"needs": ["cluster"], "minutes": 1, "timeout": 60}
        notebook = v4.new_notebook(cells=made, metadata={"lab": lab})
        path = tmp_path / "sample.ipynb"
        path.write_text(notebooks.dump(notebook), encoding="utf-8")
        return path

    return written


def run(path: Path) -> str:
    """Execute one chapter against the pretended lab; say what became of its file."""
    ledger = Ledger()
    gateway = FakeGateway(path.parent)
    execute.run([path], lab="pretend", ledger=ledger, gateway=gateway)
    return ledger.phases[0].outcome


def test_a_run_is_stored_with_its_outputs_and_facts(write: Callable[..., Path]) -> None:
    """Outputs, counts, versions, no widget noise; in the one form, ids kept."""
    path = write(
        ("lab-name", "import os; print(os.environ['K8SLAB_LAB'])"),
        ("widget", "import ipywidgets; ipywidgets.IntSlider()"),
    )

    outcome = run(path)
    stored = notebooks.load(path)
    first, second = stored.notebook.cells

    assert outcome == "changed"
    assert [first.id, second.id] == ["lab-name", "widget"]
    assert [first.execution_count, second.execution_count] == [1, 2]
    assert first.outputs[0].text == "pretend\n"
    assert stored.settings["run"]["versions"] == {"Kubernetes": "1.2.3"}
    assert set(stored.settings["run"]) == {
        "above",
        "claims",
        "date",
        "digest",
        "seconds",
        "versions",
    }
    assert stored.settings["run"]["digest"] == notebooks.digest(stored.notebook)
    assert "widgets" not in stored.notebook.metadata
    assert path.read_text(encoding="utf-8") == notebooks.dump(stored.notebook)


def test_no_port_is_taken_for_a_kernel(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was free may be taken by others before the kernel listens there."""
    ask = "from ipykernel.kernelapp import IPKernelApp as app; print(app.instance()."
    path = write(("way", f"{ask}transport)"))
    with TemporaryDirectory() as short:
        monkeypatch.setenv("JUPYTER_RUNTIME_DIR", short)
        run(path)
        left = list(Path(short).iterdir())

    assert notebooks.load(path).notebook.cells[0].outputs[0].text == "ipc\n"
    assert left == []


def test_a_failed_run_is_not_stored_and_cleans_up(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    """The file stays as it was; only the clean-up cells run behind the failure."""
    path = write(
        ("wrong", "1/0"),
        ("later", "open('later.txt', 'w')"),
        ("tidy", "open('tidied.txt', 'w').close()", "lab-cleanup"),
    )
    before = path.read_bytes()

    with pytest.raises(errors.CheckFailed, match="'wrong' failed") as caught:
        run(path)

    assert "ZeroDivisionError" in caught.value.seen
    assert path.read_bytes() == before
    assert (tmp_path / "tidied.txt").exists()
    assert not (tmp_path / "later.txt").exists()


def test_a_cell_that_kills_its_kernel_is_named_at_once(
    write: Callable[..., Path],
) -> None:
    """A cell that had its limit of minutes would be told to have failed."""
    path = write(("fine", "1"), ("kill", "import os; os.kill(os.getpid(), 9)"))

    with pytest.raises(errors.CheckFailed, match="'kill' killed its kernel"):
        run(path)


def test_a_run_notes_how_long_all_above_a_cell_took(
    write: Callable[..., Path],
) -> None:
    """In seconds, for what a reader is told who goes back after a restart."""
    path = write(("first", "import time; time.sleep(2)"), ("second", "1"))
    run(path)
    above = notebooks.load(path).settings["run"]["above"]

    assert above["first"] == 0
    assert 2 <= above["second"] < 30


@pytest.mark.parametrize(
    ("left", "cure"),
    [
        ("added: configmap/left", "remove it in the cell tagged lab-cleanup"),
        ("removed: configmap/left", "execute the chapter once more"),
    ],
)
def test_a_run_that_leaves_something_is_not_stored(
    write: Callable[..., Path], left: str, cure: str
) -> None:
    """The difference is named; what only went was there from an earlier run."""
    path = write(("leave", f"open('world.txt', 'w').write({left!r})"))
    before = path.read_bytes()

    with pytest.raises(errors.CheckFailed, match="left the lab different") as caught:
        run(path)

    assert caught.value.seen == left
    assert cure in caught.value.next
    assert path.read_bytes() == before


def test_a_run_that_prints_a_secret_is_not_stored(write: Callable[..., Path]) -> None:
    """A token in an output stops the run before the file is written."""
    path = write(("show", f"print({TOKEN!r})"))
    before = path.read_bytes()

    with pytest.raises(errors.CheckFailed, match="printed a bootstrap token") as caught:
        run(path)

    assert TOKEN not in str(caught.value)
    assert path.read_bytes() == before


def test_a_missing_chapter_is_bad_input(tmp_path: Path) -> None:
    """The error names the file, and no kernel is started."""
    with pytest.raises(errors.BadInput, match="no such chapter"):
        run(tmp_path / "none.ipynb")


def test_the_command_takes_chapters_as_its_words(tmp_path: Path) -> None:
    """As the README has it: 'k8slab book run chapters/NAME.ipynb'."""
    with pytest.raises(errors.BadInput, match="no such chapter") as caught:
        cli.command()(["book", "run", str(tmp_path / "none.ipynb")])

    assert "none.ipynb" in caught.value.where


def test_no_chapter_at_all_is_bad_input(tmp_path: Path) -> None:
    """Executing nothing is not success."""
    (tmp_path / "_toc.yml").write_text("root: intro\n")

    with pytest.raises(errors.BadInput, match="no chapter to execute"):
        execute.run(root=tmp_path, gateway=FakeGateway(tmp_path))


def test_the_one_form_does_not_depend_on_chance() -> None:
    """Cut streams, editors' metadata and widget views make no difference."""
    view = {notebooks.WIDGET_VIEW: {"model_id": "1"}, "text/html": "<b>x</b>"}
    cell = v4.new_code_cell("x  \n", id="one", execution_count=1)
    cell.metadata = {"collapsed": True, "tags": []}
    cell.outputs = [
        v4.new_output("stream", name="stdout", text="a"),
        v4.new_output("stream", name="stdout", text="b\n"),
        v4.new_output("display_data", data=view),
    ]

    plain = json.loads(notebooks.dump(v4.new_notebook(cells=[cell])))

    (kept,) = plain["cells"]
    assert (kept["id"], kept["metadata"], kept["source"]) == ("one", {}, ["x"])
    assert [o.get("text") for o in kept["outputs"]] == [["ab\n"], None]
    assert kept["outputs"][1]["data"] == {"text/html": ["<b>x</b>"]}


def test_what_is_folded_in_the_book_is_folded_in_jupyterlab() -> None:
    """A solution stays hidden until the reader asks for it; other cells are open."""
    folded, shown = (v4.new_code_cell("x", id=name) for name in ("one", "two"))
    folded.metadata["tags"] = ["hide-cell"]
    shown.metadata["jupyter"] = {"source_hidden": True}

    plain = json.loads(notebooks.dump(v4.new_notebook(cells=[folded, shown])))

    hidden = {"outputs_hidden": True, "source_hidden": True}
    assert [cell["metadata"].get("jupyter") for cell in plain["cells"]] == [
        hidden,
        None,
    ]


def test_the_order_is_that_of_the_contents(tmp_path: Path) -> None:
    """Parts, chapters and sections are read from top to bottom; other pages are not."""
    (tmp_path / "_toc.yml").write_text(
        "root: intro\nparts:\n"
        "- chapters:\n  - file: chapters/b\n    sections:\n    - file: chapters/c\n"
        "- chapters:\n  - file: appendix\n  - file: chapters/a\n"
    )

    names = [path.stem for path in notebooks.chapter_paths(tmp_path)]

    assert names == ["b", "c", "a"]
