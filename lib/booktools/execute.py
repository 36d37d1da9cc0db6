"""Execute chapters against a lab, and store what they printed."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from k8slab.core import files
from k8slab.core.patience import stretched
from k8slab.core.phases import Ledger, Phase
from k8slab.errors import BadInput, CheckFailed, LabError

from .gateway import Gateway, LabGateway
from .lint import secrets
from .notebooks import (
    CHAPTER_LIMIT_S,
    Chapter,
    chapter_paths,
    digest,
    dump,
    load,
    tags,
    text_of,
)
from .progress import claims
from .transport import reach_by_files

CELL_LIMIT_S = 600
_TRACE_LINES = 12


def run(
    paths: Sequence[Path] = (),
    *,
    lab: str = "default",
    root: Path | None = None,
    ledger: Ledger | None = None,
    gateway: Gateway | None = None,
) -> None:
    """Execute chapters in place, one after the other, and store their outputs.

    A chapter that fails, or that leaves the lab different, is not stored: its file
    stays as it was. Its clean-up cells run all the same.

    Args:
        paths: The chapters; all that ``_toc.yml`` names when there are none.
        lab: The name of the lab they act on; it must be up unless none needs it.
        root: The book's folder; the working directory by default.
        ledger: Keeps a phase for each chapter.
        gateway: The way to labs; tests give their own.

    Raises:
        BadInput: A chapter is missing or not a notebook.
        CheckFailed: A cell failed, a secret was printed, or something was left.
        LabMissing: There is no lab of that name, or it is stopped.
    """
    gateway = gateway or LabGateway()
    ledger = ledger or Ledger()
    chosen = list(paths) or chapter_paths(root or Path.cwd())
    if not chosen:
        raise BadInput("there is no chapter to execute", where="_toc.yml")
    chapters = [load(path) for path in chosen]
    for chapter in chapters:
        with ledger.phase("execute", chapter.name) as phase:
            _one(chapter, lab, gateway, phase)


def _one(chapter: Chapter, lab: str, gateway: Gateway, phase: Phase) -> None:
    """Execute one chapter, compare the lab before and after, then store it."""
    needs = chapter.settings.get("needs", [])
    before = gateway.snapshot(lab, needs)
    started = time.monotonic()
    above = _cells(chapter, lab)
    seconds = time.monotonic() - started
    left = gateway.difference(before, gateway.snapshot(lab, needs))
    if left:
        was_there = all(line.startswith("removed: ") for line in left)
        raise CheckFailed(
            f"{chapter.name} left the lab different; its outputs are not stored",
            where=str(chapter.path),
            wanted="the lab as it was before",
            seen="\n".join(left),
            next="an earlier run may have left it: execute the chapter once more"
            if was_there
            else "remove it in the cell tagged lab-cleanup",
        )
    chapter.notebook.metadata.setdefault("lab", {})["run"] = {
        "date": datetime.now(UTC).date().isoformat(),
        "seconds": round(seconds),
        "above": above,
        "versions": gateway.versions(lab, needs),
        "claims": claims(chapter),
        "digest": digest(chapter.notebook),
    }
    if not _store(chapter):
        phase.unchanged()


def _cells(chapter: Chapter, lab: str) -> dict[str, int]:
    """Run all code cells; after a failed one, only those that clean up.

    Returns:
        For each cell that ran, by its id, how many seconds all above it took.
    """
    cell_limit = int(stretched(CELL_LIMIT_S))
    client = NotebookClient(
        chapter.notebook,
        timeout=cell_limit,
        kernel_name="python3",
        store_widget_state=False,
        record_timing=False,
        resources={"metadata": {"path": str(chapter.path.parent)}},
    )
    reach_by_files(client.create_kernel_manager())
    above: dict[str, int] = {}
    limit = time.monotonic() + stretched(
        float(chapter.settings.get("timeout", CHAPTER_LIMIT_S))
    )
    failure: LabError | None = None
    client.reset_execution_trackers()
    own = {"K8SLAB_LAB": lab, "K8SLAB_RECORD": "0"}  # not the reader's progress
    with client.setup_kernel(env={**os.environ, **own}):
        started = time.monotonic()
        for index, cell in enumerate(chapter.notebook.cells):
            if cell.cell_type != "code" or "nbval-skip" in tags(cell):
                continue
            cleaning = "lab-cleanup" in tags(cell)
            if failure is not None and not cleaning:
                continue
            left = cell_limit if cleaning else max(1, limit - time.monotonic())
            client.timeout = min(cell_limit, int(left) or 1)
            above[cell.id] = round(time.monotonic() - started)
            try:
                client.execute_cell(cell, index)
            except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
                failure = failure or _failed(chapter, cell, error)
                if isinstance(error, DeadKernelError):
                    break
    if failure is not None:
        raise failure
    return above


def _failed(chapter: Chapter, cell: Any, error: Exception) -> CheckFailed:
    """Say which cell failed, with the last lines of its traceback."""
    trace = [o.traceback for o in cell.outputs if o.output_type == "error"]
    lines = "\n".join(trace[0]).splitlines() if trace else str(error).splitlines()
    did = "killed its kernel" if isinstance(error, DeadKernelError) else "failed"
    return CheckFailed(
        f"the cell {cell.id!r} {did}; the outputs are not stored",
        where=str(chapter.path),
        wanted="a run without an error",
        seen="\n".join(lines[-_TRACE_LINES:]),
    )


def _store(chapter: Chapter) -> bool:
    """Write a chapter in its normal form unless it holds a secret."""
    for cell in chapter.cells("code"):
        for leak in secrets.leaks(text_of(cell.outputs)):
            raise CheckFailed(
                f"the cell {cell.id!r} printed a {leak.kind}; nothing is stored",
                where=str(chapter.path),
                seen=leak.start,
            )
    text = dump(chapter.notebook)
    if text == chapter.path.read_text(encoding="utf-8"):
        return False
    files.write(chapter.path, text, mode=0o644)
    return True
