"""One browser for all tests, and pages that record what they tried."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import bookbuild
import browsing
import jupyterlabs
import pytest
import seclusion
from browsing import Opened, Seen
from jupyterlabs import Server
from playwright.sync_api import Browser, Page, expect

from k8slab.core.env import Environment
from k8slab.errors import BundleError
from labmaker import bundle

# None of these waits is a claim about speed; a busy computer may take its time.
expect.set_options(timeout=60_000)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what makes pictures of whole pages: half the work of all tests of a page."""
    parser.addoption("--pictures", action="store_true", help="keep whole pages")


class Quiet(SimpleHTTPRequestHandler):
    """Serve files and say nothing."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start Chromium; no page of it gets past this computer."""
    with browsing.launched() as started:
        yield started


@pytest.fixture
def seen() -> Seen:
    """Return the record of outside requests, console errors and missing files."""
    return browsing.Seen()


@pytest.fixture
def open_page(browser: Browser, seen: Seen) -> Iterator[Callable[..., Page]]:
    """Return a function that opens a page: ``phone=True``, ``dark=True``."""
    opened = []

    def opener(**options: Any) -> Page:
        page = browsing.open_page(browser, seen, **options)
        opened.append(page)
        return page

    yield opener
    for page in opened:
        page.context.close()


@pytest.fixture
def page(open_page: Callable[..., Page]) -> Page:
    """Open a page on a desktop in a light room."""
    return open_page()


@pytest.fixture
def screenshot(request: pytest.FixtureRequest) -> Callable[..., Path]:
    """Return a function that keeps a picture: ``screenshot(page, "name")``."""
    whole = request.config.getoption("--pictures", default=False)

    def keep(page: Page, name: str, *, full: bool = True) -> Path:
        return browsing.screenshot(page, name, full=full and whole)

    return keep


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the book once, in a folder that pytest's workers share."""
    return bookbuild.shared(tmp_path_factory)[0]


@pytest.fixture(scope="session")
def addresses(site: Path) -> Iterator[dict[str, str]]:
    """Return where the site is: on this disk, and on a server of this computer."""
    handler = partial(Quiet, directory=str(site))
    with seclusion.entered():
        server = ThreadingHTTPServer((seclusion.HERE, 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield {
        "disk": site.as_uri(),
        "server": f"http://{seclusion.HERE}:{server.server_port}",
    }
    server.shutdown()
    server.server_close()
    thread.join(5)


@pytest.fixture
def go(addresses: dict[str, str]) -> Callable[..., Page]:
    """Return a function that opens a page of the site in a tab."""

    def to(page: Page, name: str, way: str = "server") -> Page:
        browsing.show(page, f"{addresses[way]}/{name}.html")
        return page

    return to


@contextmanager
def _opened(
    browser: Browser, addresses: dict[str, str], name: str, **options: bool
) -> Iterator[Opened]:
    seen = Seen()
    page = browsing.open_page(browser, seen, **options)
    browsing.show(page, f"{addresses['server']}/{name}.html")
    yield Opened(name, page, seen)
    page.context.close()


@pytest.fixture(scope="module", params=bookbuild.PAGES)
def on_desktop(
    request: pytest.FixtureRequest, browser: Browser, addresses: dict[str, str]
) -> Iterator[Opened]:
    """Open each page of the site once, on a desktop."""
    with _opened(browser, addresses, request.param) as opened:
        yield opened


@pytest.fixture(scope="module", params=bookbuild.PAGES)
def on_phone(
    request: pytest.FixtureRequest, browser: Browser, addresses: dict[str, str]
) -> Iterator[Opened]:
    """Open each page of the site once, on a phone."""
    with _opened(browser, addresses, request.param, phone=True) as opened:
        yield opened


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Start JupyterLab on a copy of the book, beside a lab of its own."""
    try:
        bundle.opened()
    except BundleError as error:
        give_up = pytest.fail if Environment.read().required else pytest.skip
        give_up(f"no lab without the bundle: {error}")
    with jupyterlabs.started(tmp_path_factory.mktemp("reader")) as server:
        yield server
