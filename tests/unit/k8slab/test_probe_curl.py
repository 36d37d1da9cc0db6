"""Web pages are asked for with the real curl, at addresses of the lab alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import IPv4Network
from pathlib import Path

import pytest
from fakes.api_server import POLL_S

from k8slab import probe
from k8slab.errors import (
    BadInput,
    CommandFailed,
    HostProblem,
    Refused,
    Unreachable,
)
from k8slab.kube.cluster import Cluster


class Site(BaseHTTPRequestHandler):
    """A site that answers with the host and the path it was asked for."""

    protocol_version = "HTTP/1.1"
    connections: set[object]
    asked: list[str]
    silent: tuple[int, ...]

    def do_GET(self) -> None:
        """Answer one request, at /missing with 404; hang up where it is silent."""
        self.connections.add(self.client_address)
        self.asked.append(self.path)
        if len(self.asked) in self.silent:
            self.close_connection = True
            return
        between = "\x1e" if self.path == "/marked" else " "
        text = f"{self.headers['Host']}{between}{self.path}\n".encode()
        self.send_response(404 if self.path == "/missing" else 200)
        self.send_header("Content-Length", str(len(text)))
        if self.silent:  # or curl asks again, as on a connection that grew old
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def port(cluster: Cluster) -> Iterator[int]:
    """Serve a site at the address of a machine of this lab."""
    Site.connections, Site.asked, Site.silent = set(), [], ()
    server = HTTPServer(("127.0.0.1", 0), Site)
    cluster.on("node1").address = "127.0.0.1"
    serve = partial(server.serve_forever, POLL_S)
    threading.Thread(target=serve, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def test_a_host_is_asked_for_at_an_address(port: int) -> None:
    """The command is shown as one can type it; another status than 200 is no yes."""
    url = f"http://shop.example:{port}/cart"
    page = probe.curl(url, at="node1")
    missing = probe.curl(f"http://shop.example:{port}/missing", at="node1")

    assert (bool(page), page.text) == (True, f"shop.example:{port} /cart")
    assert page.command == f"curl --resolve shop.example:{port}:127.0.0.1 {url}"
    assert (bool(missing), missing.status) == (False, 404)


@pytest.mark.slow
def test_many_requests_use_one_connection_and_are_counted(port: int) -> None:
    """So that what splits them splits requests, not connections."""
    page = probe.curl(f"http://shop.example:{port}/", at="node1", times=30)

    assert page.counts == {f"shop.example:{port} /": 30}
    assert page.statuses == (200,) * 30
    assert len(Site.connections) == 1
    assert "(status 200), 30 times" in repr(page)


def test_a_page_may_hold_any_sign(port: int) -> None:
    """Also the one that separates pages here."""
    page = probe.curl(f"http://shop.example:{port}/marked", at="node1", times=2)

    assert page.texts == (f"shop.example:{port}\x1e/marked",) * 2


def test_no_answer_is_an_error_or_a_record(cluster: Cluster) -> None:
    """As the other probes do it."""
    cluster.on("node1").address = "127.0.0.1"
    with pytest.raises(Unreachable, match="nothing answers on node1:1 "):
        probe.curl("http://shop.example:1/", at="node1")
    seen = probe.curl("http://shop.example:1/", at="node1", strict=False)

    assert (bool(seen), seen.status) == (False, 0)


@pytest.mark.parametrize("silent", [(1,), (2, 3), (4,)])
def test_answers_are_kept_where_others_are_missing(
    port: int, silent: tuple[int, ...]
) -> None:
    """Whichever they are; curl's exit code is the last one's alone."""
    url = f"http://shop.example:{port}/"
    Site.silent = silent
    with pytest.raises(Unreachable, match=f"{4 - len(silent)} of 4 requests were"):
        probe.curl(url, at="node1", times=4)
    Site.asked = []
    seen = probe.curl(url, at="node1", times=4, strict=False)

    statuses = tuple(0 if each in silent else 200 for each in (1, 2, 3, 4))
    assert (bool(seen), seen.statuses) == (False, statuses)
    assert seen.counts[f"shop.example:{port} /"] == 4 - len(silent)
    assert all("curl: (52)" in seen.texts[each - 1] for each in silent)
    assert all(text.count("curl: (") <= 1 for text in seen.texts)


def test_an_answer_that_is_cut_is_none(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though it has a status."""
    answer = r"printf 'begun\036200\036'; echo 'curl: (28) timed out' >&2; exit 28"
    script("curl", answer, tmp_path, monkeypatch)
    with pytest.raises(Unreachable, match="no answer in time"):
        probe.curl("http://shop.example/", at="node1")
    seen = probe.curl("http://shop.example/", at="node1", strict=False)

    assert (seen.status, seen.text) == (0, "curl: (28) timed out")


def test_what_curl_does_not_trust_is_its_own_error(port: int) -> None:
    """Here the server does not even speak TLS."""
    with pytest.raises(CommandFailed, match="curl"):
        probe.curl(f"https://shop.example:{port}/", at="node1", ca=True)


@pytest.mark.parametrize(
    "url",
    ["shop.example", "file:///etc/passwd", "http://", "http://a b/", "http://a:x/"],
)
def test_only_web_addresses_are_asked_for(
    cluster: Cluster, url: str, dumb: Path
) -> None:
    """Nothing is sent for anything else."""
    with pytest.raises(BadInput, match="no URL for curl"):
        probe.curl(url, at="node1")
    assert not dumb.exists()


@pytest.fixture
def dumb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give this computer a curl that sends nothing; return the file that notes it."""
    return script("curl", "exit 77", tmp_path, monkeypatch)


def script(name: str, text: str, folder: Path, patch: pytest.MonkeyPatch) -> Path:
    """Put a program before all others; return the file where it notes its arguments."""
    noted, program = folder / f"{name}-was-asked", folder / name
    program.write_text(f'#!/bin/sh\necho "$@" >> {noted}\n{text}\n')
    program.chmod(0o755)
    patch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return noted


@pytest.mark.parametrize(
    "host",
    [
        *("0x7f.1", "127.1", "2130706433", "0177.0.0.1", "127.0.0.01", "1.0x7f"),
        *("sh%6fp.example", "shop%2eexample", "[::1]", "[fe80::1%25lo]"),
        *("-shop.example", "shop-.example", "shop.example.", "shop..example"),
        *("shop_.example", "shop;example", "a,b", "x" * 64, "x." * 127 + "example"),
    ],
)
def test_a_host_that_curl_reads_in_its_own_way_is_not_asked_for(
    cluster: Cluster, dumb: Path, host: str
) -> None:
    """It would not be at the lab's address, nor would a name server be left alone."""
    with pytest.raises(BadInput, match="no URL for curl"):
        probe.curl(f"http://{host}/", at="node1")
    assert not dumb.exists()


@pytest.mark.parametrize("url", ["http://172.30.1.11/", "http://shop.example:0/"])
def test_what_no_name_server_leads_to_the_address_is_refused(
    cluster: Cluster, dumb: Path, url: str
) -> None:
    """Another address, which needs no name server; and a port that is none."""
    with pytest.raises(Refused):
        probe.curl(url, at="node1")
    assert not dumb.exists()


@pytest.mark.parametrize(
    "host",
    ["SHOP.example", "node1", "127.0.0.1", "xn--bcher-kva.example", "3.4me", "x" * 63],
)
def test_plain_names_and_the_address_itself_are_asked_for(port: int, host: str) -> None:
    """In any case, and with digits."""
    page = probe.curl(f"http://{host}:{port}/cart", at="node1")

    assert page.text == f"{host}:{port} /cart"


def test_a_curl_that_fails_itself_is_no_silent_server(
    cluster: Cluster, dumb: Path
) -> None:
    """As without its CA file: no claim that somebody refuses comes true."""
    for strict in (True, False):
        with pytest.raises(CommandFailed, match="exit code 77"):
            probe.curl("https://shop.example/", at="node1", ca=True, strict=strict)


def test_a_route_is_none_when_the_kernel_says_so(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not where the table was not asked."""
    script("ip", "echo 'RTNETLINK answers: …' >&2; exit 2", tmp_path, monkeypatch)
    assert probe.route("10.96.0.1").device == ""

    script("ip", "echo 'Option unknown' >&2; exit 255", tmp_path, monkeypatch)
    with pytest.raises(CommandFailed, match="Option unknown"):
        probe.route("10.96.0.1")

    script("ip", "echo '10.96.0.1 dev lo'", tmp_path, monkeypatch)
    with pytest.raises(HostProblem, match="cannot be read"):
        probe.route("10.96.0.1")


def test_a_route_is_asked_for_an_address_only(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slip of the pen is not told to be unreachable."""
    noted = script("ip", "exit 1", tmp_path, monkeypatch)

    for target in ("node9", "10.96.0", "shop.example", ""):
        with pytest.raises(BadInput, match="that is no address"):
            probe.route(target)
    assert not noted.exists()


@pytest.fixture
def routes(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the lab addresses for load balancers; return the file of their device."""
    ranges = replace(cluster.ranges, load_balancers=IPv4Network("127.0.0.0/28"))
    cluster.record = replace(cluster.record, ranges=ranges)
    device, program = tmp_path / "device", tmp_path / "ip"
    program.write_text(
        "#!/bin/sh\n"
        f"read -r device < {device}\n"
        '[ "$4" = 172.30.1.11 ] && device=bridge\n'
        'echo "[{\\"dev\\": \\"$device\\"}]"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return device


def test_an_address_of_a_load_balancer_is_asked_when_the_way_is_right(
    routes: Path, port: int
) -> None:
    """Its packets leave by the interface of the machines, or nothing is sent."""
    url = f"http://shop.example:{port}/"
    routes.write_text("bridge\n")
    page = probe.curl(url, at="127.0.0.1")
    opened = probe.tcp("127.0.0.1", port)
    routes.write_text("outside\n")
    with pytest.raises(Refused, match="does not lead into the lab") as caught:
        probe.curl(url, at="127.0.0.1")
    with pytest.raises(Refused, match="does not lead into the lab"):
        probe.tcp("127.0.0.1", port)

    assert page
    assert opened
    assert "bridge" in caught.value.wanted
    assert caught.value.seen == "outside"
    assert probe.route("127.0.0.1").device == "outside"
    assert probe.route("master").device == "bridge"
    assert len(Site.connections) == 1
