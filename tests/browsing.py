"""Pages in a real browser that cannot leave this computer, and what they tried."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import seclusion
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    FloatRect,
    Page,
    Request,
    ViewportSize,
    sync_playwright,
)

SCREENSHOTS = Path(__file__).parents[1] / "artefacts" / "screenshots"
# The one without a window opens a page in half the time; then what others call it.
PROGRAMS = (
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
)
FLAGS = [
    "--no-sandbox",  # as root there is none
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    # No name but this computer's resolves: not even the browser itself gets out.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
]
_LOCAL = re.compile(
    r"(?:file|data|blob|about|devtools):|(?:https?|wss?)://(?:localhost|127\.0\.0\.1)[:/]"
)
# What a page may write to the console, each with its reason. Nothing so far.
ALLOWED: tuple[str, ...] = ()
DESKTOP: ViewportSize = {"width": 1280, "height": 800}
MOST_PX = 65_000  # the edge of a JPEG has 16 bits
PHONE: ViewportSize = {"width": 360, "height": 740}


@dataclass
class Seen:
    """What pages did that a reader does not see.

    Attributes:
        outside: The requests that would have left this computer; none did.
        errors: What they wrote to the console as an error, and what they threw.
        missing: The files of this computer that they asked for and did not get.
    """

    outside: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    @property
    def troubles(self) -> list[str]:
        """What a page of the book must not do, and did."""
        errors = [e for e in self.errors if not any(ok in e for ok in ALLOWED)]
        return [*self.outside, *errors, *self.missing]


def program() -> str:
    """Return the browser's program.

    Raises:
        FileNotFoundError: There is none; the message says how to get one.
    """
    found = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if found is None:
        raise FileNotFoundError("no Chromium here: .venv/bin/k8slab setup --tests")
    return found


@dataclass(frozen=True)
class Opened:
    """A page of the site that several tests look at, each in its own way.

    Attributes:
        name: Which page it is.
        page: Its tab.
        seen: What it did that a reader does not see.
    """

    name: str
    page: Page
    seen: Seen


@contextmanager
def launched() -> Iterator[Browser]:
    """Start a browser in a network of its own, and end it whatever happens."""
    starter = sync_playwright()
    with seclusion.entered():
        playwright = starter.start()
    try:
        browser = playwright.chromium.launch(executable_path=program(), args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()
    finally:
        playwright.stop()


def open_page(
    browser: Browser, seen: Seen, *, phone: bool = False, dark: bool = False
) -> Page:
    """Open an empty page in a context of its own, which records into ``seen``.

    Close ``page.context`` to end it.

    Args:
        browser: The browser.
        seen: Where to record.
        phone: Whether it is as narrow as a small phone, and touched.
        dark: Whether the system's colour scheme is dark.
    """
    context = browser.new_context(
        viewport=PHONE if phone else DESKTOP,
        has_touch=phone,
        is_mobile=phone,
        color_scheme="dark" if dark else "light",
        permissions=["clipboard-read", "clipboard-write"],
        reduced_motion="reduce",
        locale="en-GB",
    )
    context.set_default_timeout(60_000)

    page = context.new_page()

    def asked(request: Request) -> None:
        if not _LOCAL.match(request.url):
            seen.outside.append(request.url)

    def heard(message: ConsoleMessage) -> None:
        if message.type == "error":
            place = message.location.get("url", "")
            seen.errors.append(f"{message.text} [{place}]")

    def failed(request: Request) -> None:
        # Aborted is what a page leaves unfinished when it goes to another one.
        if _LOCAL.match(request.url) and "ABORTED" not in (request.failure or ""):
            seen.missing.append(f"{request.failure} {request.url}")

    # Not by a route: with one, Chromium keeps nothing of what it fetched.
    page.on("request", asked)
    page.on("console", heard)
    page.on("pageerror", lambda error: seen.errors.append(f"{error} [{page.url}]"))
    page.on("requestfailed", failed)
    page.on(
        "response",
        lambda response: (
            seen.missing.append(f"{response.status} {response.url}")
            if response.status >= 400
            else None
        ),
    )
    page.on(
        "websocket",
        lambda socket: (
            None if _LOCAL.match(socket.url) else seen.outside.append(socket.url)
        ),
    )
    return page


def show(page: Page, address: str) -> None:
    """Open a page of the site in a tab, to its end."""
    page.goto(address, wait_until="load")
    # Until a script decides, the theme is none, or "auto".
    page.wait_for_function(
        "['light', 'dark'].includes(document.documentElement.dataset.theme)"
    )


def screenshot(page: Page, name: str, *, full: bool = True) -> Path:
    """Keep a picture of a page in ``artefacts/screenshots``.

    Args:
        page: The page.
        name: The file's name without its ending.
        full: Whether to take the whole page, up to what a JPEG can hold, not only what
            is in view.
    """
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    path = SCREENSHOTS / f"{name}.jpg"  # made in half the time of a .png
    width, height = page.evaluate(
        "[innerWidth, Math.floor(document.documentElement.scrollHeight)]"
    )
    whole: FloatRect = {"x": 0, "y": 0, "width": width, "height": min(height, MOST_PX)}
    page.screenshot(
        path=path,
        quality=80,
        full_page=full,
        clip=whole if full else None,
        animations="disabled",
        timeout=120_000,
    )
    return path
