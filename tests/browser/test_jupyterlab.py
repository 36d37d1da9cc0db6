"""JupyterLab as 'make lab' starts it: a reader's first minutes in a real browser."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import labs
import pytest
from browsing import Seen
from labs import Lab, own_home
from paths import K8SLAB, ROOT
from playwright.sync_api import Locator, Page, expect

from booktools.jupyterlab.opening import PAGE
from k8slab import progress
from k8slab.core.env import Environment
from k8slab.core.poll import until
from k8slab.errors import BundleError
from k8slab.ssh.shell import Shell
from labmaker import bundle

CHAPTER = "concepts"
BACKWARDS = "service-access"
FIRST_CHECK_S = 120
TOKEN = "only-for-this-test"
_CODE = ".jp-CodeCell"
_PROMPT = ".jp-InputPrompt"
_EDITOR = ".cm-content"
_COMPLETER = ".jp-Completer-list"
# Counts how often a live view's picture changes, wherever it is on the page.
_COUNT_CHANGES = """() => {
  window.liveChanges = 0;
  new MutationObserver(all => {
    if (all.some(m => m.target.closest && m.target.closest('.jupyter-widgets')))
      window.liveChanges += 1;
  }).observe(document.body, {childList: true, subtree: true});
}"""


_STORED = ".k8slab-stored"


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
        return f"{self.url}/{workspace}/tree/{page}?token={TOKEN}"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Start JupyterLab on a copy of the book, beside a lab of its own."""
    try:
        bundle.opened()
    except BundleError as error:
        give_up = pytest.fail if Environment.read().required else pytest.skip
        give_up(f"no lab without the bundle: {error}")
    folder = tmp_path_factory.mktemp("reader")
    book = folder / "book"
    for name in ("chapters", "manifests"):
        shutil.copytree(ROOT / name, book / name)
    shutil.copy(ROOT / "_toc.yml", book)
    with own_home() as home:
        made = home.up("browser")
        port = _free_port()
        own = {
            "K8SLAB_LAB": made.name,
            "K8SLAB_RECORD": "1",
            "JUPYTER_CONFIG_DIR": str(folder / "config"),
            "JUPYTER_DATA_DIR": str(folder / "data"),
            "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
            "IPYTHONDIR": str(folder / "ipython"),
        }
        words = ["book", "open", "--root", str(book)]
        words += [f"--ServerApp.port={port}", f"--IdentityProvider.token={TOKEN}"]
        started = time.monotonic()
        with (folder / "log").open("w") as log:
            process = subprocess.Popen(
                [str(K8SLAB), *words],
                env={**os.environ, **own},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            until(lambda: _answers(port), what="server", want="up", timeout=90)
            yield Server(f"http://127.0.0.1:{port}", book, made, started)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
            record = progress.path(home.folder, made.name)
            for name in (record.name, f".{record.name}.lock"):
                (home.folder / name).unlink(missing_ok=True)


def _free_port() -> int:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return int(door.getsockname()[1])


def _answers(port: int) -> bool:
    with socket.socket() as door:
        door.settimeout(1)
        return door.connect_ex(("127.0.0.1", port)) == 0


def opened(page: Page, server: Server, name: str) -> None:
    """Open a page of the book; wait until all of it is there and its kernel is idle."""
    page.set_default_timeout(60_000)
    page.goto(server.address(name))
    # JupyterLab draws one cell after the other: what is the last one changes.
    cells = json.loads((server.book / name).read_text(encoding="utf-8"))["cells"]
    count = sum(cell["cell_type"] == "code" for cell in cells)
    expect(page.locator(_CODE)).to_have_count(count, timeout=120_000)
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
    waiting = page.locator(f'{_PROMPT}:has-text("[*]")')
    expect(waiting).to_have_count(0, timeout=1000 * timeout)


def last_cell(page: Page) -> Locator:
    """Return the last cell of the notebook."""
    return page.locator(_CODE).last


def run(page: Page, timeout: float = 60) -> None:
    """Run the cell that is being typed into, to its end."""
    page.keyboard.press("Control+Enter")
    expect(last_cell(page).locator(_PROMPT)).to_contain_text(
        re.compile(r"\[\d+\]"), timeout=1000 * timeout
    )


def new_cell(page: Page, source: str) -> None:
    """Add a cell below the last one, and type into it."""
    cells = page.locator(_CODE)
    count = cells.count()
    # Not just anywhere in the cell: links of the first page's table open chapters.
    last_cell(page).locator(_PROMPT).click()
    page.keyboard.press("b")
    expect(cells).to_have_count(count + 1)
    page.keyboard.press("Enter")
    page.keyboard.type(source)
    expect(last_cell(page).locator(_EDITOR)).to_contain_text(source.splitlines()[-1])


def says(page: Page, words: str, seconds: float = 60) -> None:
    """Wait until the last cell's output holds some words, and bring it into view."""
    output = last_cell(page).locator(".jp-Cell-outputWrapper")
    expect(output).to_contain_text(words, timeout=1000 * seconds)
    output.scroll_into_view_if_needed()


def test_the_first_green_check_comes_soon(
    server: Server, page: Page, seen: Seen, screenshot: Callable[..., Path]
) -> None:
    """From the start of JupyterLab to a ✔ under the reader's hands in 2 minutes."""
    opened(page, server, PAGE)
    screenshot(page, "jupyterlab-first-page", full=False)
    page.locator(_CODE).first.click()
    page.keyboard.press("Shift+Enter")
    expect(page.locator(".jp-OutputArea-output").first).to_contain_text(
        "✔ your lab is up", timeout=60_000
    )
    seconds = time.monotonic() - server.started
    print(f"first green check after {seconds:.1f} s")
    screenshot(page, "jupyterlab-first-check", full=False)

    assert seconds < FIRST_CHECK_S
    assert seen.outside == []


def test_a_chapter_that_is_only_opened_is_unchanged(server: Server, page: Page) -> None:
    """JupyterLab wants to save what it noted of the kernel; git sees no change."""
    name = f"chapters/{CHAPTER}.ipynb"
    chapter = server.book / name
    before = chapter.read_bytes()
    opened(page, server, name)
    expect(page.locator(".jp-mod-dirty")).to_have_count(1)

    with page.expect_response(lambda r: r.request.method == "PUT" and name in r.url):
        page.locator('[data-jp-item-name="save"] jp-button').click()

    expect(page.locator(".jp-mod-dirty")).to_have_count(0)
    assert chapter.read_bytes() == before


def test_the_first_page_shows_the_progress(server: Server, page: Page) -> None:
    """Each chapter is there by its title, with what was done of it."""
    opened(page, server, PAGE)
    text = page.locator(".jp-OutputArea-output").last.inner_text()

    assert "of 2 exercises solved" in text
    assert page.locator(".jp-OutputArea-output a").count() >= 1


def test_tab_completes_kubectl_and_machines(
    server: Server, page: Page, screenshot: Callable[..., Path]
) -> None:
    """Kinds come from the cluster, machines from the lab."""
    connected(page, server)
    new_cell(page, "%kubectl get nod")
    page.keyboard.press("Tab")
    # One that fits is put in; of more there is a list.
    given = last_cell(page).locator(_EDITOR).or_(page.locator(_COMPLETER))
    expect(given.filter(has_text="nodes").first).to_be_visible(timeout=20_000)
    screenshot(page, "jupyterlab-completion", full=False)
    new_cell(page, "%%on no")
    page.keyboard.press("Tab")
    expect(page.locator(_COMPLETER).last).to_contain_text("node1", timeout=20_000)


def test_an_interrupt_is_quick_and_the_kernel_lives(
    server: Server, page: Page, screenshot: Callable[..., Path]
) -> None:
    """A shell on a machine, interrupted by the toolbar; nothing goes on there."""
    allowance = labs.Allowance()
    connected(page, server)
    new_cell(page, "%%on node1\nsleep 347")
    page.keyboard.press("Control+Enter")
    with server.lab.shell("node1") as node1:
        until(lambda: _sleeps(node1), what="the script", want="running", timeout=20)
        began = time.monotonic()
        page.locator('[data-command="notebook:interrupt-kernel"]').first.click()
        idle(page, 30)
        seconds = time.monotonic() - began
        print(f"interrupted after {seconds:.1f} s")
        screenshot(page, "jupyterlab-interrupted", full=False)

        assert seconds < allowance.seconds(2)
        assert not _sleeps(node1)
    says(page, "you interrupted this cell")
    new_cell(page, "print('still', 'here')")
    run(page)
    says(page, "still here")


def _sleeps(shell: Shell) -> bool:
    return shell.run(["pgrep", "-f", "[s]leep 347"], check=False).ok


def test_an_error_is_short_with_its_trace_folded(
    server: Server, page: Page, screenshot: Callable[..., Path]
) -> None:
    """A wrong name is answered in a few lines."""
    connected(page, server)
    new_cell(page, "%kubectl get pods nothing-of-that-name")
    run(page)
    says(page, "the full trace")
    screenshot(page, "jupyterlab-error", full=False)
    text = last_cell(page).inner_text()

    assert "NotFound" in text
    assert len(text.splitlines()) < 15


def test_a_chapter_runs_by_its_menu(
    server: Server, page: Page, seen: Seen, screenshot: Callable[..., Path]
) -> None:
    """Run > Run All Cells: no error, a live view that moves, nothing from outside."""
    path = server.book / "chapters" / f"{CHAPTER}.ipynb"
    opened(page, server, f"chapters/{CHAPTER}.ipynb")
    screenshot(page, "jupyterlab-chapter", full=False)
    page.evaluate(_COUNT_CHANGES)
    page.locator('.lm-MenuBar-item:has-text("Run")').click()
    page.locator('[data-command="runmenu:run-all"]').click()
    page.wait_for_selector(f'{_PROMPT}:has-text("[*]")')
    idle(page, 300)
    screenshot(page, "jupyterlab-chapter-run", full=False)
    # Not `until`: while Python waits by itself, no request passes the page's guard.
    with page.expect_response(lambda each: each.request.method == "PUT"):
        page.locator('[data-command="docmanager:save"]').first.click()
    changes = page.evaluate("window.liveChanges")
    print(f"a live view changed {changes} times")
    cells = json.loads(path.read_text())["cells"]
    counts = [c["execution_count"] for c in cells if c["cell_type"] == "code"]
    errors = [
        line
        for cell in cells
        for output in cell.get("outputs", [])
        if output["output_type"] == "error"
        for line in output["traceback"]
    ]

    assert errors == []
    assert all(counts)
    assert changes >= 2
    assert seen.outside == []
    record = json.loads(
        progress.path(server.lab.home.folder, server.lab.name).read_text()
    )
    assert len(record[CHAPTER]["claims"]) > 5


class Chapter:
    """A chapter that is open, by the ids of its cells.

    Args:
        page: The page it is open in.
        file: Its file.
    """

    def __init__(self, page: Page, file: Path) -> None:
        self.page = page
        cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
        self.ids = [cell["id"] for cell in cells if cell["cell_type"] == "code"]

    def cell(self, name: str) -> Locator:
        """Return a code cell."""
        return self.page.locator(_CODE).nth(self.ids.index(name))

    def output(self, name: str) -> Locator:
        """Return what a cell shows below its code."""
        return self.cell(name).locator(".jp-Cell-outputWrapper")

    def select(self, name: str) -> None:
        """Click beside the code of a cell."""
        prompt = self.cell(name).locator(_PROMPT)
        prompt.scroll_into_view_if_needed()
        prompt.click()

    def run(self, name: str, timeout: float = 120) -> str:
        """Run a cell to its end; return what it shows then."""
        self.select(name)
        self.page.keyboard.press("Control+Enter")
        expect(self.cell(name).locator(_PROMPT)).to_contain_text(
            re.compile(r"\[\d+\]"), timeout=1000 * timeout
        )
        idle(self.page, timeout)
        return self.output(name).inner_text()

    def menu(self, command: str) -> None:
        """Choose an entry of the menu Run."""
        self.page.locator('.lm-MenuBar-item:has-text("Run")').click()
        self.page.locator(f'.lm-Menu-item[data-command="{command}"]').click()

    def restart(self) -> None:
        """Restart the kernel by the toolbar."""
        self.page.locator('[data-command="notebook:restart-kernel"]').first.click()
        self.page.locator(".jp-Dialog .jp-mod-accept").click()
        self.page.wait_for_selector(".jp-Dialog", state="detached")
        idle(self.page)


def saved(page: Page) -> None:
    """Save what is open."""
    with page.expect_response(lambda each: each.request.method == "PUT"):
        page.locator('[data-command="docmanager:save"]').first.click()


def test_a_chapter_is_walked_backwards(
    server: Server, page: Page, screenshot: Callable[..., Path]
) -> None:
    """A restart in the middle, a cell again, wrong then right, a tab closed."""
    name = f"chapters/{BACKWARDS}.ipynb"
    opened(page, server, name)
    chapter = Chapter(page, server.book / name)
    # What the file holds is not the reader's, and looks so.
    assert chapter.cell("pod-ready-check").locator(_STORED).count() == 1
    expect(chapter.cell("pod-ready-check").locator(_PROMPT)).to_have_text("[ ]:")
    screenshot(page, "jupyterlab-stored", full=False)
    chapter.run("setup")
    chapter.run("pod-apply")
    assert chapter.cell("pod-apply").locator(_STORED).count() == 0

    chapter.restart()
    advice = chapter.run("pod-ready-check")
    screenshot(page, "jupyterlab-restarted", full=False)
    assert "Run > Run All Above Selected Cell" in advice
    assert "in the book's own run" in advice
    chapter.select("pod-ready-check")
    chapter.menu("notebook:run-all-above")
    page.wait_for_selector(f'{_PROMPT}:has-text("[*]")')
    idle(page, 180)
    assert "removed what an earlier run left" in chapter.output("setup").inner_text()

    for _ in range(2):
        assert "✔ three echo Pods are ready" in chapter.run("pod-ready-check")

    chapter.run("exercise-report-start")
    assert "✘ port 80 answers" in chapter.run("exercise-report-grade")
    assert "✔ port 80 answers" in chapter.run("solution-report")
    solved = chapter.run("exercise-report-grade")
    assert "✔ port 80 answers" in solved
    assert "✘" not in solved

    saved(page)
    opened(page, server, name)  # as after the tab was closed: the kernel went on
    assert "✔ three echo" in chapter.run("pod-ready-check")
    expect(chapter.output("pod-apply").locator("figure")).to_be_visible()
    assert chapter.cell("pod-apply").locator(_STORED).count() == 0
    assert chapter.cell("cleanup").locator(_STORED).count() == 1
    chapter.run("cleanup")


def test_a_second_kernel_on_a_chapter_is_told(
    server: Server, page: Page, screenshot: Callable[..., Path]
) -> None:
    """A copy of an open chapter runs nothing, and says who works there."""
    name = f"chapters/{BACKWARDS}.ipynb"
    opened(page, server, name)
    first = Chapter(page, server.book / name)
    assert "take_over" not in first.run("setup")
    copy = f"chapters/{BACKWARDS}-copy.ipynb"
    shutil.copy(server.book / name, server.book / copy)
    opened(page, server, copy)
    second = Chapter(page, server.book / copy)
    told = second.run("setup")
    screenshot(page, "jupyterlab-second-kernel", full=False)

    assert f"the kernel of {BACKWARDS}.ipynb" in told
    assert 'ns = cluster.scratch("service-access", take_over=True)' in told
    assert "somebody else works" in second.run("pod-apply")
    (server.book / copy).unlink()


def test_what_is_done_in_a_chapter_appears_on_the_first_page(
    server: Server, page: Page, open_page: Callable[..., Page], screenshot: Any
) -> None:
    """The progress refreshes by itself; the file list shows the book alone."""
    opened(page, server, PAGE)
    page.locator(_CODE).first.click()
    page.keyboard.press("Shift+Enter")
    table = page.locator(".jp-OutputArea-output .jupyter-widgets").last
    expect(table).to_contain_text("exercises solved", timeout=60_000)
    before = table.inner_text()
    names = page.locator(".jp-DirListing-itemText").all_inner_texts()
    other = open_page()
    name = "chapters/architecture.ipynb"
    opened(other, server, name)
    chapter = Chapter(other, server.book / name)
    chapter.run("setup")
    new_cell(other, 'check.that("seen on the first page", True)')
    run(other)
    expect(table).not_to_have_text(before, timeout=20_000)
    screenshot(page, "jupyterlab-progress", full=False)

    assert {"chapters", "start.ipynb"} <= set(names)
    assert not {"_toc.yml", "lib", "tests"} & set(names)
