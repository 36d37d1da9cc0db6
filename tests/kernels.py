"""Run a chapter's cells in a real kernel, and kill that kernel after one of them."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nbclient import NotebookClient
from paths import ROOT

from booktools.notebooks import Chapter, load, tags

CELL_LIMIT_S = 600


def chapter(name: str = "pods-and-controllers") -> Chapter:
    """Return a chapter that the proofs run."""
    return load(ROOT / "chapters" / f"{name}.ipynb")


def cell_ids(of: Chapter) -> list[str]:
    """Return the ids of the code cells that are run, in order."""
    return [cell.id for cell in of.cells("code") if "nbval-skip" not in tags(cell)]


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


def run(
    of: Chapter,
    lab: str,
    *,
    kill_after: str = "",
    spec: str = "python3",
    begun: Callable[[], None] = lambda: None,
) -> None:
    """Run a chapter in a kernel of its own; an error of a cell is raised.

    Args:
        of: The chapter; its file is not changed.
        lab: The lab it acts on.
        kill_after: The id of the cell after which the kernel is killed, as by a
            crash: nothing of it can clean up. Empty: run to the end.
        spec: The name of the kernel's specification, as Jupyter finds it.
        begun: Called when the first cell has run.
    """
    client = _client(of, spec)
    first, *_ = wanted = cell_ids(of)
    with client.setup_kernel(env={**os.environ, "K8SLAB_LAB": lab}):
        for index, cell in enumerate(of.notebook.cells):
            if cell.get("id") not in wanted or cell.cell_type != "code":
                continue
            client.execute_cell(cell, index)
            if cell.id == first:
                begun()
            if cell.id == kill_after:
                _kill(client)
                return
    assert not kill_after, f"there is no cell {kill_after}"


def _client(of: Chapter, spec: str = "python3") -> NotebookClient:
    client = NotebookClient(
        of.notebook,
        timeout=CELL_LIMIT_S,
        kernel_name=spec,
        store_widget_state=False,
        resources={"metadata": {"path": str(Path(of.path).parent)}},
    )
    client.reset_execution_trackers()
    return client


def _kill(client: NotebookClient) -> None:
    assert client.km is not None
    provisioner: Any = client.km.provisioner
    os.kill(provisioner.pid, signal.SIGKILL)
