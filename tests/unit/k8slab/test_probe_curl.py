"""Web pages are asked for with the real curl, at addresses of the lab alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from k8slab import probe
from k8slab.errors import BadInput, CommandFailed, Refused, Unreachable
from k8slab.kube.cluster import Cluster


class Site(BaseHTTPRequestHandler):
    """A site that answers with the host and the path it was asked for."""

    protocol_version = "HTTP/1.1"
    connections: set[object]

    def do_GET(self) -> None:
        """Answer one request, at /missing with 404."""
        self.connections.add(self.client_address)
        text = f"{self.headers['Host']} {self.path}\n".encode()
        self.send_response(404 if self.path == "/missing" else 200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def port(cluster: Cluster) -> Iterator[int]:
    """Serve a site at the address of a machine of this lab."""
    Site.connections = set()
    server = HTTPServer(("127.0.0.1", 0), Site)
    cluster.on("node1").address = "127.0.0.1"
    threading.Thread(target=server.serve_forever, daemon=True).start()
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


def test_many_requests_use_one_connection_and_are_counted(port: int) -> None:
    """So that what splits them splits requests, not connections."""
    page = probe.curl(f"http://shop.example:{port}/", at="node1", times=30)

    assert page.counts == {f"shop.example:{port} /": 30}
    assert page.statuses == (200,) * 30
    assert len(Site.connections) == 1
    assert "(status 200), 30 times" in repr(page)


def test_no_answer_is_an_error_or_a_record(cluster: Cluster) -> None:
    """As the other probes do it."""
    cluster.on("node1").address = "127.0.0.1"
    with pytest.raises(Unreachable, match="nothing answers on node1:1 "):
        probe.curl("http://shop.example:1/", at="node1")
    seen = probe.curl("http://shop.example:1/", at="node1", strict=False)

    assert (bool(seen), seen.status) == (False, 0)


def test_what_curl_does_not_trust_is_its_own_error(port: int) -> None:
    """Here the server does not even speak TLS."""
    with pytest.raises(CommandFailed, match="curl"):
        probe.curl(f"https://shop.example:{port}/", at="node1", ca=True)


@pytest.mark.parametrize(
    "url",
    ["shop.example", "file:///etc/passwd", "http://", "http://a b/", "http://a:x/"],
)
def test_only_web_addresses_are_asked_for(cluster: Cluster, url: str) -> None:
    """Nothing is sent for anything else."""
    with pytest.raises(BadInput, match="no URL for curl"):
        probe.curl(url, at="node1")


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
