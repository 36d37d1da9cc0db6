"""Open JupyterLab at the book's first page, asking nothing of the network."""

from __future__ import annotations

import html
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat

from k8slab.core import files
from k8slab.core.env import Environment
from k8slab.core.hints import command
from k8slab.core.rendered import Rendered
from k8slab.errors import BadInput, LabError

from .. import progress as reader
from .. import ways
from ..notebooks import dump, readable
from . import listing, terminals

PAGE = "start.ipynb"
"""The first page; made anew at each start, with what the reader has done so far."""
SETTINGS: dict[str, dict[str, Any]] = {
    "@jupyterlab/apputils-extension:notification": {
        "checkForUpdates": False,
        "doNotDisturbMode": True,
        "fetchNews": "false",
    },
    "@jupyterlab/completer-extension:manager": {"providerTimeout": 3000},
    "@jupyterlab/docmanager-extension:plugin": {
        "defaultViewers": {"markdown": "Markdown Preview"}
    },
}
_SERVER = (
    "--no-browser",
    "-y",
    "--ServerApp.log_level=ERROR",  # what is left is the address
    "--LabApp.log_level=ERROR",
    "--KernelManager.transport_encryption=auto",  # without it each kernel warns
    "--ip=127.0.0.1",
    "--ServerApp.contents_manager_class=booktools.jupyterlab.saving.BookContentsManager",
    "--Exporter.preprocessors=booktools.jupyterlab.stored.exported",
    *(f"--ContentsManager.hide_globs={name}" for name in listing.GLOBS),
    f"--LabApp.default_url=/lab/tree/{PAGE}",
    "--LabApp.news_url=None",
    "--LabApp.extension_manager=readonly",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
)
_KERNEL = 'c = get_config()\nc.InteractiveShellApp.extensions = ["k8slab.magics"]\n'
_WELCOME = """# Kubernetes Is Actually Simple

Your lab is one master and two workers, and it is yours to break.
Click into the next cell and press **Shift+Enter**: it looks at your lab, and shows \
how far you are."""
_LAB = """from booktools.jupyterlab import live
from k8slab import check, lab

check.that("your lab is up", all(node.ready for node in lab.connect().nodes()))
live.progress()"""
_DAMAGED = """## A chapter cannot be read

This page leaves it out, and the others work.

{damaged}"""
_WAYS = """## Ways through the book

The numbers are minutes.

{ways}

Every page can be read on the web, too: `make book` builds it into `_build/html`, \
with the outputs of the book's own run."""
_HOW = """## How a chapter works

- A chapter is a notebook: read from the top, and run each cell with **Shift+Enter**.
- `%kubectl` is the real kubectl, on this lab's cluster only; **Tab** completes verbs, \
kinds and names.
- `%%on node1` is a real shell on that machine.
- What needs a keyboard runs in a terminal (File, New, Terminal): `kubectl` is the \
lab's there, and `{ssh}` opens a shell on a machine.
- A line with ✔ is a claim that was checked against the cluster.
- The square in the toolbar interrupts a cell; you can run it again.
- After a restart of the kernel, use **Run > Run All Above Selected Cell**.
- Outputs that stand in a chapter before you run it are pale and say *stored output*; \
yours take their place."""


def arguments(root: Path) -> list[str]:
    """Prepare what JupyterLab reads at its start, and return its command line.

    Args:
        root: The book's folder.
    """
    prefix = Path(sys.prefix)
    settings = prefix / "share" / "jupyter" / "lab" / "settings" / "overrides.json"
    _write(settings, json.dumps(SETTINGS, indent=1))
    _write(prefix / "etc" / "ipython" / "ipython_kernel_config.py", _KERNEL)
    # Outputs hold drawings, which JupyterLab shows of notebooks that it trusts only.
    _write(root / PAGE, dump(first_page(root)))
    return [
        str(prefix / "bin" / "jupyter-lab"),
        *_SERVER,
        f"--ServerApp.root_dir={root}",
        *_notary(),
        f"--ServerApp.terminado_settings=shell_command={terminals.shell()!r}",
        *(["--allow-root"] if os.geteuid() == 0 else []),
    ]


def first_page(root: Path) -> Any:
    """Return the first page: how to run a cell, the chapters, and the progress.

    A file that is damaged, of a chapter or of the progress, is named and left out.
    """
    make: Any = nbformat.v4  # it has no types
    shown = _progress(root)
    look = make.new_code_cell(_LAB, id="lab", execution_count=1)
    data = {"text/plain": shown.text, "text/html": shown.html}
    look.outputs = [make.new_output("display_data", data)]
    chapters, damaged = readable(root)
    pages = [path.name for path in root.glob("*.md")]
    ssh = command("ssh", Environment.read().lab, "node1").strip("'")
    found = ways.lines(chapters, pages)
    cells = [
        make.new_markdown_cell(_WELCOME, id="welcome"),
        look,
        *([make.new_markdown_cell(_told(damaged), id="damaged")] if damaged else []),
        make.new_markdown_cell(_WAYS.format(ways=found), id="ways"),
        make.new_markdown_cell(_HOW.format(ssh=ssh), id="how"),
    ]
    return make.new_notebook(cells=cells)


def _progress(root: Path) -> Rendered:
    try:
        return reader.progress(root)
    except LabError as error:
        return Rendered(str(error), f"<pre>{html.escape(str(error))}</pre>")


def _told(damaged: Sequence[BadInput]) -> str:
    """Name the chapters that cannot be read, and what brings each back."""
    told = "\n\n".join(map(str, damaged))
    return _DAMAGED.format(damaged=f"```text\n{told}\n```")


def trusted(root: Path) -> list[str]:
    """Return the command that makes JupyterLab show what chapters hold.

    One that cannot be read is left out: the command would end there.

    Args:
        root: The book's folder.
    """
    prefix = Path(sys.prefix)
    pages = [root / PAGE, *(chapter.path for chapter in readable(root)[0])]
    return [
        str(prefix / "bin" / "jupyter-trust"),
        *_notary(),
        *map(str, pages),
    ]


def _notary() -> list[str]:
    """Say where signatures are kept: with the book's own Python, not the reader's."""
    folder = Path(sys.prefix) / "share" / "k8slab"
    folder.mkdir(parents=True, exist_ok=True)
    return [
        f"--NotebookNotary.secret_file={folder / 'notebook_secret'}",
        f"--NotebookNotary.db_file={folder / 'signatures.db'}",
    ]


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write(path, text, mode=0o644)
