"""The browser's network: nothing in it but the servers that tests open."""

import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import seclusion
from browsing import Seen
from playwright.sync_api import Error, Page

LINK = "k8slab-coming"
CHANGES = 20
ADDRESS = "198.51.100.1/32"  # TEST-NET-2, RFC 5737


@contextmanager
def serving(before: Callable[[str], object] = str) -> Iterator[int]:
    """Serve one page on this computer; give its port.

    Args:
        before: What happens between a request and its answer; told its path.
    """

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            before(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"answered")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer((seclusion.HERE, 0), Answer)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def test_a_browser_reaches_what_is_opened_for_it_and_nothing_else(
    open_page: Callable[..., Page],
) -> None:
    with serving() as port:
        address = f"http://{seclusion.HERE}:{port}"
        with pytest.raises(Error, match="ERR_CONNECTION_REFUSED"):
            open_page().goto(address)
        page = open_page()
        with seclusion.reachable(port):
            page.goto(address)
            assert page.inner_text("body") == "answered"
        with pytest.raises(Error, match="ERR_CONNECTION_REFUSED"):
            open_page().goto(address)


def test_a_request_that_would_leave_is_seen_and_fails(page: Page, seen: Seen) -> None:
    for address in ("http://192.0.2.1/", "https://example.org/"):
        with pytest.raises(Error, match="ERR_"):
            page.goto(address)

    assert seen.outside == ["http://192.0.2.1/", "https://example.org/"]


def test_there_is_a_loopback_and_no_way_out() -> None:
    with seclusion.entered():
        links = _says("ip", "-o", "link").splitlines()
        routes = _says("ip", "route", "show", "table", "main")

    assert [line.split()[1] for line in links] == ["lo:"]
    assert routes == ""
    assert len(_says("ip", "-o", "link").splitlines()) > 1


def test_requests_are_answered_while_networks_come_and_go(page: Page) -> None:
    """Chromium fails those that wait for a connection; it makes six at most."""
    arrived, changed = threading.Semaphore(0), threading.Event()

    def hold(path: str) -> None:
        if path != "/":
            arrived.release()
            assert changed.wait(120)

    with serving(hold) as port, seclusion.reachable(port):
        page.goto(f"http://{seclusion.HERE}:{port}")
        page.evaluate(
            "() => { window.all = Promise.allSettled("
            "[...Array(8).keys()].map(each => fetch(`/${each}`))) }"
        )
        for _ in range(5):
            assert arrived.acquire(timeout=60)
        for _ in range(CHANGES):
            _come_and_go()
        changed.set()
        ended = page.evaluate("async () => (await all).map(each => each.status)")

    assert ended == ["fulfilled"] * 8


def _come_and_go() -> None:
    try:
        _says("ip", "link", "add", LINK, "type", "bridge")
        _says("ip", "address", "add", ADDRESS, "dev", LINK)
        _says("ip", "link", "set", LINK, "up")
    finally:
        subprocess.run(["ip", "link", "delete", LINK], capture_output=True, check=False)


def _says(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout
