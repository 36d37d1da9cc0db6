"""Run a chapter's cells in a real kernel as readers do: again, and after a restart."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbclient import NotebookClient
from nbclient.exceptions import (
    CellExecutionError,
    CellTimeoutError,
    DeadKernelError,
)
from paths import ROOT

from booktools.execute import CELL_LIMIT_S
from booktools.gateway import LabGateway
from booktools.notebooks import Chapter, load, tags
from booktools.transport import reach_by_files

SEED = "SEED"  # a variable that repeats a sample


def chapter(name: str = "pods-and-controllers") -> Chapter:
    """Return a chapter that the proofs run."""
    return load(ROOT / "chapters" / f"{name}.ipynb")


def cell_ids(of: Chapter) -> list[str]:
    """Return the ids of the code cells that are run, in order."""
    return [cell.id for cell in of.cells("code") if "nbval-skip" not in tags(cell)]


def acts_once(of: Chapter, index: int) -> bool:
    """Say whether a cell says of itself, or the text above it, that it acts once."""
    above, cell = of.notebook.cells[max(0, index - 1)], of.notebook.cells[index]
    said = above.source if above.cell_type == "markdown" else ""
    return bool(re.search(r"\bacts once\b", f"{said}\n{cell.source}"))


def sections(of: Chapter) -> dict[str, list[Any]]:
    """Return the code cells of each section, by the id of the first, in order.

    Each fault and each exercise is one; others go on below smaller headings. Not those
    above the first heading and of the clean-up; and no section of which a part says
    that it acts once.
    """
    found: list[list[Any]] = []
    once: list[int] = []
    apart = False
    for index, cell in enumerate(of.notebook.cells):
        titles = re.findall(r"(?m)^(###?) (.*)", cell.source)
        if cell.cell_type != "markdown":
            titles = []
        for level, title in titles:
            if level == "##":
                apart = title.strip() in ("When it breaks", "Exercises")
        if titles and (apart or titles[-1][0] == "##"):
            found.append([])
        elif found and cell.id in cell_ids(of):
            found[-1].append(cell)
            if acts_once(of, index) or "lab-cleanup" in tags(cell):
                once.append(len(found) - 1)
    kept = [cells for at, cells in enumerate(found) if cells and at not in once]
    return {cells[0].id: cells for cells in kept}


def run_again(of: Chapter, lab: str, wanted: Sequence[str]) -> dict[str, str]:
    """Run a chapter and, when all of it was run, sections of it once more.

    Args:
        of: The chapter; its file is not changed.
        lab: The lab it acts on.
        wanted: The ids of the sections' first cells, in the order in which they are
            run again.

    Returns:
        Of each section that failed then, the error with its cell.
    """
    failed: dict[str, str] = {}
    ids, parts = cell_ids(of), sections(of)
    cells = [cell for cell in of.cells("code") if cell.id in ids]
    ends = [cell for cell in cells if "lab-cleanup" in tags(cell)]
    with kernel(of, lab) as execute:

        def done(cells: Sequence[Any]) -> None:
            for cell in cells:
                with looked_at(lab):
                    execute(cell)

        done([cell for cell in cells if cell not in ends])
        for first in wanted:
            try:
                done(parts[first])
            except CellExecutionError as error:
                failed[first] = str(error)
        done(ends)
    return failed


@contextmanager
def kernel(of: Chapter, lab: str) -> Iterator[Callable[[Any], Any]]:
    """Give what executes a cell in a chapter's own kernel and returns it.

    Args:
        of: The chapter; its file is not changed.
        lab: The lab it acts on.
    """
    client, cells = _client(of), of.notebook.cells

    def execute(cell: Any) -> Any:
        cells.append(cell)  # a later output may belong to a cell that ran before
        return client.execute_cell(cell, len(cells) - 1)

    with client.setup_kernel(env={**os.environ, "K8SLAB_LAB": lab}):
        yield execute


@contextmanager
def looked_at(lab: str) -> Iterator[None]:
    """When a cell fails, print what its cluster held then, and what had happened."""
    try:
        yield
    except (CellExecutionError, CellTimeoutError, DeadKernelError):
        print(LabGateway().look(lab))
        raise


def run(
    of: Chapter,
    lab: str,
    *,
    kill_after: str = "",
    times: int = 1,
    spec: Path | None = None,
    begun: Callable[[], None] = lambda: None,
) -> None:
    """Run a chapter in a kernel of its own; an error of a cell is raised.

    Args:
        of: The chapter; its file is not changed.
        lab: The lab it acts on.
        kill_after: The id of the cell after which the kernel is killed, as by a
            crash: nothing of it can clean up. Empty: run to the end.
        times: How often each cell is run before the next one is; one that tells its
            reader that it acts once, is run once.
        spec: The folder of another kernel's specification.
        begun: Called when the first cell has run.
    """
    client = _client(of, spec)
    first, *_ = wanted = cell_ids(of)
    with client.setup_kernel(env={**os.environ, "K8SLAB_LAB": lab}):
        for index, cell in enumerate(of.notebook.cells):
            if cell.get("id") not in wanted or cell.cell_type != "code":
                continue
            for _ in range(1 if acts_once(of, index) else times):
                with looked_at(lab):
                    client.execute_cell(cell, index)
            if cell.id == first:
                begun()
            if cell.id == kill_after:
                _kill(client)
                return
    assert not kill_after, f"there is no cell {kill_after}"


@dataclass(frozen=True)
class Stop:
    """A cell up to which a chapter is run.

    Attributes:
        chapter: The chapter's name.
        cell: The cell's id.
    """

    chapter: str
    cell: str

    def __str__(self) -> str:
        return f"{self.chapter}:{self.cell}"


def stops(names: Sequence[str]) -> list[Stop]:
    """Return every cell of some chapters, in order."""
    return [Stop(name, cell) for name in names for cell in cell_ids(chapter(name))]


def seed() -> int:
    """Return what a sample of tests is drawn by.

    It is the book's commit, so that two runs on the same state are alike; ``SEED=7``
    in the environment is another.
    """
    return int(os.environ.get(SEED) or _commit(), 16)


def drawn(
    names: Sequence[str],
    *,
    limit_s: float,
    fits: Callable[[Stop], bool] = lambda stop: True,
) -> tuple[int, list[Stop]]:
    """Draw a cell of one chapter for each of a few tests; each seed has its own.

    Over time every chapter's turn comes; see `seed`.

    Args:
        names: The chapters.
        limit_s: Only cells for which the book's own run took no longer; if there is
            none, the first one.
        fits: Only cells of which this is true.

    Returns:
        The seed, and a cell of each chapter in an order that is drawn, too.
    """
    draw = random.Random(seed())  # noqa: S311 - a sample, no secret
    found = []
    for name in names:
        fit = [stop for stop in stops([name]) if fits(stop)]
        soon = [stop for stop in fit if _seconds(stop) <= limit_s]
        found.append(draw.choice(soon or fit[:1]))
    return seed(), draw.sample(found, len(found))


def go_back(stop: Stop, lab: str) -> None:
    """Run a chapter up to a cell, restart the kernel, run all above and the cell."""
    for _ in range(2):
        run(chapter(stop.chapter), lab, kill_after=stop.cell)


def seconds(name: str) -> float:
    """Return how long a chapter took in the book's own run."""
    return float(chapter(name).settings["run"]["seconds"])


def _seconds(stop: Stop) -> float:
    """Return how long a cell and all above it took in the book's own run."""
    of = chapter(stop.chapter)
    ids, ran = cell_ids(of), of.settings["run"]
    at = ids.index(stop.cell) + 1
    share = ran["seconds"] * at / len(ids)
    known = ran.get("above", {})
    return float(share if at == len(ids) else known.get(ids[at], share))


def _commit() -> str:
    done = subprocess.run(
        ["git", "rev-parse", "--short=8", "HEAD"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or "0"


def _client(of: Chapter, spec: Path | None = None) -> NotebookClient:
    client = NotebookClient(
        of.notebook,
        timeout=CELL_LIMIT_S,
        kernel_name=spec.name if spec else "python3",
        store_widget_state=False,
        resources={"metadata": {"path": str(Path(of.path).parent)}},
    )
    manager = reach_by_files(client.create_kernel_manager())
    if spec:
        manager.kernel_spec_manager.kernel_dirs = [str(spec.parent)]
    client.reset_execution_trackers()
    return client


def _kill(client: NotebookClient) -> None:
    assert client.km is not None
    provisioner: Any = client.km.provisioner
    os.kill(provisioner.pid, signal.SIGKILL)
