"""Every chapter in JupyterLab, walked backwards in a real browser."""

from __future__ import annotations

from collections.abc import Iterator

import browsing
import jupyterlabs
import kernels
import pytest
import walks
from browsing import Seen
from jupyterlabs import Server
from kernels import Stop
from playwright.sync_api import Browser, Page

SEED, STOPS = walks.drawn(walks.NAMES)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Start JupyterLab on a copy of the book, beside a lab of its own."""
    with jupyterlabs.started(tmp_path_factory.mktemp("reader")) as server:
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start Chromium; no page of it gets past this computer."""
    with browsing.launched() as started:
        yield started


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """Open a page, and close it at the end."""
    opened = browsing.open_page(browser, Seen())
    yield opened
    opened.context.close()


@pytest.mark.parametrize("stop", STOPS, ids=str)
def test_a_chapter_is_walked_backwards(server: Server, page: Page, stop: Stop) -> None:
    """A restart in the middle, a cell again, wrong then right, a tab closed."""
    print(f"{kernels.SEED}={SEED:x}")
    walks.walk(page, server, stop, browsing.screenshot)
