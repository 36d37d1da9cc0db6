"""One browser for all tests, and pages that record what they tried."""

import browsing
import pytest


@pytest.fixture(scope="session")
def browser():
    """Start Chromium; no page of it gets past this computer."""
    with browsing.launched() as started:
        yield started


@pytest.fixture
def seen():
    """Return the record of outside requests, console errors and missing files."""
    return browsing.Seen()


@pytest.fixture
def open_page(browser, seen):
    """Return a function that opens a page: ``phone=True``, ``dark=True``."""
    opened = []

    def opener(**options):
        page = browsing.open_page(browser, seen, **options)
        opened.append(page)
        return page

    yield opener
    for page in opened:
        page.context.close()


@pytest.fixture
def page(open_page):
    """Open a page on a desktop in a light room."""
    return open_page()


@pytest.fixture
def screenshot():
    """Return a function that keeps a picture: ``screenshot(page, "name")``."""
    return browsing.screenshot
