"""JupyterLab as 'make lab' starts it: a reader's first minutes in a real browser."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import labs
from browsing import Seen
from jupyterlabs import (
    CODE,
    EDITOR,
    PROMPT,
    RUN_ALL_S,
    Chapter,
    Server,
    connected,
    idle,
    last_cell,
    new_cell,
    opened,
    run,
    saved,
    says,
)
from playwright.sync_api import Locator, Page, expect
from walks import errors

from booktools.jupyterlab.opening import PAGE
from booktools.notebooks import load
from k8slab import progress
from k8slab.core.poll import until
from k8slab.ssh.shell import Shell

CHAPTER = "concepts"
COPIED = "service-access"
FIRST_CHECK_S = 120
_COMPLETER = ".jp-Completer-list"
_IS_IDLE = "document.querySelector('#jp-main-statusbar').textContent.includes('| Idle')"


def test_the_first_green_check_comes_soon(
    server: Server, page: Page, seen: Seen, screenshot: Callable[..., Path]
) -> None:
    """From the start of JupyterLab to a ✔ under the reader's hands in 2 minutes."""
    allowance = labs.Allowance()
    opened(page, server, PAGE)
    screenshot(page, "jupyterlab-first-page", full=False)
    page.locator(CODE).first.click()
    page.keyboard.press("Shift+Enter")
    first = page.locator(".jp-OutputArea-output").first
    expect(first).to_contain_text("✔ your lab is up")
    seconds = time.monotonic() - server.started
    print(f"first green check after {seconds:.1f} s")
    screenshot(page, "jupyterlab-first-check", full=False)

    assert seconds < allowance.seconds(FIRST_CHECK_S)
    assert seen.outside == []


def test_a_chapter_that_is_only_opened_is_unchanged(server: Server, page: Page) -> None:
    """JupyterLab wants to save what it noted of the kernel; git sees no change."""
    name = f"chapters/{CHAPTER}.ipynb"
    chapter = server.book / name
    before = chapter.read_bytes()
    opened(page, server, name)

    # JupyterLab has saved it by itself where two minutes have passed.
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


def test_the_pages_to_look_things_up_are_whole(
    server: Server, page: Page, screenshot: Callable[..., Path]
) -> None:
    """From the first page to the runbook, and from a word to what it means."""
    opened(page, server, PAGE)
    page.get_by_role("link", name="Runbook").first.click()
    shown = page.locator(".jp-MarkdownViewer")
    expect(shown).to_contain_text("which kinds are there?")
    opened(page, server, f"chapters/{CHAPTER}.ipynb")
    page.get_by_role("link", name="StorageClass").first.click()
    expect(shown.locator("h3#term-storageclass")).to_contain_text("StorageClass")
    screenshot(page, "jupyterlab-glossary", full=False)


def test_tab_completes_kubectl_and_machines(
    server: Server, page: Page, screenshot: Callable[..., Path]
) -> None:
    """Kinds come from the cluster, machines from the lab."""
    connected(page, server)
    new_cell(page, "%kubectl get nod")
    # One that fits is put in; of more there is a list.
    given = last_cell(page).locator(EDITOR).or_(page.locator(_COMPLETER))
    _tab(page, given.filter(has_text="nodes").first)
    screenshot(page, "jupyterlab-completion", full=False)
    new_cell(page, "%%on no")
    _tab(page, page.locator(_COMPLETER).filter(has_text="node1").last)


def _tab(page: Page, given: Locator) -> None:
    """Press Tab until there is an answer: one that comes too late is dropped."""
    for _ in range(5):
        page.keyboard.press("Tab")
        with suppress(AssertionError):
            expect(given).to_be_visible(timeout=10_000)
            return
    expect(given).to_be_visible()


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
        # Not by expect, which soon looks once a second only.
        page.wait_for_function(_IS_IDLE)
        seconds = time.monotonic() - began
        idle(page)
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
    """Run > Run All Cells: no error, the progress is kept, nothing from outside."""
    path = server.book / "chapters" / f"{CHAPTER}.ipynb"
    opened(page, server, f"chapters/{CHAPTER}.ipynb")
    screenshot(page, "jupyterlab-chapter", full=False)
    page.locator('.lm-MenuBar-item:has-text("Run")').click()
    page.locator('[data-command="runmenu:run-all"]').click()
    page.wait_for_selector(f'{PROMPT}:has-text("[*]")')
    idle(page, RUN_ALL_S)
    screenshot(page, "jupyterlab-chapter-run", full=False)
    saved(page)

    assert errors(path) == []
    assert all(cell.execution_count for cell in load(path).cells("code"))
    assert seen.outside == []
    record = json.loads(
        progress.path(server.lab.home.folder, server.lab.name).read_text()
    )
    assert len(record[CHAPTER]["claims"]) > 5


def test_a_live_view_follows_the_cluster(
    server: Server, page: Page, screenshot: Callable[..., Path]
) -> None:
    """A Pod that somebody else makes and removes comes and goes while a cell runs."""
    connected(page, server)
    new_cell(page, "from k8slab import wait, widgets; ns = cluster.scratch('live')")
    run(page)
    waits = "wait.for_object(ns, 'ConfigMap', 'end', want='there', timeout=120)"
    new_cell(page, f"with widgets.pods(ns): {waits}")
    page.keyboard.press("Control+Enter")
    view = last_cell(page).locator(".jupyter-widgets")
    expect(view.locator("svg")).to_be_visible()
    pod = view.locator("svg text", has_text="passing-by")
    expect(pod).to_have_count(0)
    run_pod = ("run", "passing-by", "--image=registry.lab/echo:1", "--restart=Never")
    server.lab.kubectl(*run_pod, "-n", "live")
    expect(pod.first).to_be_visible()
    screenshot(page, "jupyterlab-live-view", full=False)
    server.lab.kubectl("delete", "pod", "passing-by", "-n", "live", "--now")
    expect(pod).to_have_count(0)
    server.lab.kubectl("create", "configmap", "end", "-n", "live")
    idle(page)

    expect(view).to_have_count(0)
    says(page, "passing-by")


def test_a_second_kernel_on_a_chapter_is_told(
    server: Server, page: Page, screenshot: Callable[..., Path]
) -> None:
    """A copy of an open chapter runs nothing, and says who works there."""
    name = f"chapters/{COPIED}.ipynb"
    opened(page, server, name)
    first = Chapter(page, server.book / name)
    assert "take_over" not in first.run("setup")
    copy = f"chapters/{COPIED}-copy.ipynb"
    shutil.copy(server.book / name, server.book / copy)
    opened(page, server, copy)
    second = Chapter(page, server.book / copy)
    told = second.run("setup")
    screenshot(page, "jupyterlab-second-kernel", full=False)

    assert f"the kernel of {COPIED}.ipynb" in told
    assert 'ns = cluster.scratch("service-access", take_over=True)' in told
    assert "somebody else works" in second.run("pod-apply")
    (server.book / copy).unlink()


def test_what_is_done_in_a_chapter_appears_on_the_first_page(
    server: Server, page: Page, open_page: Callable[..., Page], screenshot: Any
) -> None:
    """The progress refreshes by itself; the file list shows the book alone."""
    opened(page, server, PAGE)
    page.locator(CODE).first.click()
    page.keyboard.press("Shift+Enter")
    table = page.locator(".jp-OutputArea-output").last
    expect(table).to_contain_text("exercises solved")
    before = table.inner_text()
    names = page.locator(".jp-DirListing-itemText").all_inner_texts()
    other = open_page()
    folder = other.locator(".jp-DirListing-itemText")
    name = "chapters/architecture.ipynb"
    opened(other, server, name)
    chapter = Chapter(other, server.book / name)
    chapter.run("setup")
    beside = folder.all_inner_texts()
    new_cell(other, 'check.that("seen on the first page", True)')
    run(other)
    expect(table).not_to_have_text(before)
    screenshot(page, "jupyterlab-progress", full=False)
    table.get_by_role("link", name=load(server.book / name).title).click()
    tab = page.locator(".lm-TabBar-tab.jp-mod-current")
    expect(tab.filter(has_text="architecture.ipynb")).to_be_visible()

    assert {"chapters", "start.ipynb"} <= set(names)
    assert not {"_toc.yml", "lib", "tests"} & set(names)
    assert {name.partition(".")[2] for name in beside} == {"ipynb"}
