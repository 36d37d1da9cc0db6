"""A JupyterLab of the tests' own, and what a reader does in it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import seclusion
from bookbuild import sources
from labs import Lab, own_home
from paths import K8SLAB, ROOT
from playwright.sync_api import Locator, Page, expect

from booktools.execute import CELL_LIMIT_S
from booktools.jupyterlab.opening import PAGE
from booktools.notebooks import load
from k8slab import progress
from k8slab.core.poll import until
from labmaker.bundle.servers import answers, free_port

CODE = ".jp-CodeCell"
PROMPT = ".jp-InputPrompt"
EDITOR = ".cm-content"
STORED = ".k8slab-stored"
"""What an output says of itself that is not of the reader's own run."""
RUN_ALL_S = 900
"""How long all cells of a chapter may take: no claim, only an end."""
_TOKEN = "only-for-this-test"
_NEXT_CELL_S = 120  # until JupyterLab has begun, too
_DONE = re.compile(r"\[\d+\]")


@dataclass
class Server:
    """A JupyterLab of the tests.

    Attributes:
        url: Its address, without a path.
        book: The copy of the book that it serves.
        lab: The lab its kernels act on.
        started: When it was started, on the monotonic clock.
        visits: Numbers the workspaces.
    """

    url: str
    book: Path
    lab: Lab
    started: float
    visits: Iterator[int] = field(default_factory=count)

    def address(self, page: str) -> str:
        """Return where a page of the book is, in a workspace with nothing else open."""
        workspace = f"lab/workspaces/visit-{next(self.visits)}"
        return f"{self.url}/{workspace}/tree/{page}?token={_TOKEN}"


@contextmanager
def started(folder: Path) -> Iterator[Server]:
    """Start JupyterLab on a copy of the book, beside a lab of its own.

    Args:
        folder: An empty folder for the copy and for what JupyterLab keeps.
    """
    book = folder / "book"
    for name in ("chapters", "manifests"):
        shutil.copytree(ROOT / name, book / name)
    for name in sources():
        shutil.copy(ROOT / name, book)
    with own_home() as home:
        made = home.up("browser")
        port = free_port()
        own = {
            "K8SLAB_LAB": made.name,
            "K8SLAB_RECORD": "1",
            "JUPYTER_CONFIG_DIR": str(folder / "config"),
            "JUPYTER_DATA_DIR": str(folder / "data"),
            "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
            "IPYTHONDIR": str(folder / "ipython"),
        }
        words = ["book", "open", "--root", str(book)]
        words += [f"--ServerApp.port={port}", f"--IdentityProvider.token={_TOKEN}"]
        began = time.monotonic()
        with (folder / "log").open("w") as log:
            process = subprocess.Popen(
                [str(K8SLAB), *words],
                env={**os.environ, **own},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            until(lambda: answers(port), what="server", want="up", timeout=90)
            with seclusion.reachable(port):
                yield Server(f"http://127.0.0.1:{port}", book, made, began)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            finally:
                process.kill()  # Ctrl-C has reached it, too, and two may be too many
            record = progress.path(home.folder, made.name)
            for name in (record.name, f".{record.name}.lock"):
                (home.folder / name).unlink(missing_ok=True)


def renewed(page: Page, server: Server, name: str) -> None:
    """Give the reader a page of the book as the repository has it, and no kernel.

    A test before may have run it.
    """
    headers = {"Authorization": f"token {_TOKEN}"}
    sessions = page.request.get(f"{server.url}/api/sessions", headers=headers)
    for each in sessions.json():
        if each["path"] == name:
            where = f"{server.url}/api/sessions/{each['id']}"
            assert page.request.delete(where, headers=headers).ok
    shutil.copy(ROOT / name, server.book / name)


def opened(page: Page, server: Server, name: str) -> None:
    """Open a page of the book; wait until all of it is there and its kernel is idle."""
    page.set_default_timeout(60_000)
    page.goto(server.address(name))
    # JupyterLab draws one cell after the other: what is the last one changes.
    cells, wanted = page.locator(CODE), len([*load(server.book / name).cells("code")])
    while (drawn := cells.count()) < wanted:
        expect(cells).not_to_have_count(drawn, timeout=1000 * _NEXT_CELL_S)
    expect(cells).to_have_count(wanted)
    idle(page)
    page.wait_for_selector(".jp-Spinner", state="hidden")


def connected(page: Page, server: Server) -> None:
    """Open the first page and connect to the lab, as a chapter does."""
    opened(page, server, PAGE)
    new_cell(page, "from k8slab import lab; cluster = lab.connect()")
    run(page)


def idle(page: Page, timeout: float = 60) -> None:
    """Wait until the kernel has nothing to do, and no cell waits for it."""
    status = page.locator("#jp-main-statusbar")
    expect(status).to_contain_text("| Idle", timeout=1000 * timeout)
    waiting = page.locator(f'{PROMPT}:has-text("[*]")')
    expect(waiting).to_have_count(0, timeout=1000 * timeout)


def last_cell(page: Page) -> Locator:
    """Return the last cell of the notebook."""
    return page.locator(CODE).last


def run(page: Page, timeout: float = 60) -> None:
    """Run the cell that is being typed into, to its end."""
    page.keyboard.press("Control+Enter")
    expect(last_cell(page).locator(PROMPT)).to_contain_text(
        _DONE, timeout=1000 * timeout
    )


def new_cell(page: Page, source: str) -> None:
    """Add a cell below the last one, and type into it."""
    cells = page.locator(CODE)
    count = cells.count()
    # Not just anywhere in the cell: links of the first page's table open chapters.
    last_cell(page).locator(PROMPT).click()
    page.keyboard.press("b")
    expect(cells).to_have_count(count + 1)
    page.keyboard.press("Enter")
    page.keyboard.type(source)
    expect(last_cell(page).locator(EDITOR)).to_contain_text(source.splitlines()[-1])


def says(page: Page, words: str, seconds: float = 60) -> None:
    """Wait until the last cell's output holds some words, and bring it into view."""
    output = last_cell(page).locator(".jp-Cell-outputWrapper")
    expect(output).to_contain_text(words, timeout=1000 * seconds)
    output.scroll_into_view_if_needed()


class Chapter:
    """A chapter that is open, by the ids of its cells.

    Args:
        page: The page it is open in.
        file: Its file.
    """

    def __init__(self, page: Page, file: Path) -> None:
        self.page = page
        self.ids = [cell.id for cell in load(file).cells("code")]

    def cell(self, name: str) -> Locator:
        """Return a code cell."""
        return self.page.locator(CODE).nth(self.ids.index(name))

    def output(self, name: str) -> Locator:
        """Return what a cell shows below its code."""
        return self.cell(name).locator(".jp-Cell-outputWrapper")

    def select(self, name: str) -> None:
        """Click beside the code of a cell."""
        prompt = self.cell(name).locator(PROMPT)
        prompt.scroll_into_view_if_needed()
        prompt.click()

    def run(self, name: str, timeout: float = CELL_LIMIT_S) -> str:
        """Run a cell to its end; return what it shows then."""
        self.select(name)
        self.page.keyboard.press("Control+Enter")
        expect(self.cell(name).locator(PROMPT)).to_contain_text(
            _DONE, timeout=1000 * timeout
        )
        idle(self.page, timeout)
        return self.output(name).inner_text()

    def menu(self, command: str, menu: str = "Run") -> None:
        """Choose an entry of a menu."""
        self.page.locator(f'.lm-MenuBar-item:has-text("{menu}")').click()
        self.page.locator(f'.lm-Menu-item[data-command="{command}"]').click()

    def restart(self) -> None:
        """Restart the kernel."""
        self.menu("kernelmenu:restart", "Kernel")
        self.page.locator(".jp-Dialog .jp-mod-accept").click()
        self.page.wait_for_selector(".jp-Dialog", state="detached")
        idle(self.page)


def saved(page: Page) -> None:
    """Save what is open: not what JupyterLab began to save by itself before."""
    with page.expect_request(lambda each: each.method == "PUT") as began:
        page.keyboard.press("Control+s")
    answer = began.value.response()
    assert answer is not None
    assert answer.ok
