"""A network that tests' browsers have to themselves, and the servers it leads to.

Chromium drops a request when any network of its computer comes or goes (its error is
ERR_NETWORK_CHANGED), and labs that are made beside it have networks. In a network
namespace of its own it sees none of them, and no request gets out of it.
"""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from socketserver import BaseRequestHandler, ThreadingTCPServer

HERE = "127.0.0.1"
_NETWORK = 0x4000_0000  # CLONE_NEWNET, see unshare(2)
_CHUNK = 65_536
_OWN = "/proc/thread-self/ns/net"


@contextmanager
def entered() -> Iterator[None]:
    """Have this thread in the browsers' network; so is what is started meanwhile.

    Only root may make a network. Without root it is this computer's.
    """
    if os.geteuid() != 0:
        yield
        return
    outside = os.open(_OWN, os.O_RDONLY)
    try:
        _call("setns", _network(), _NETWORK)
        try:
            yield
        finally:
            _call("setns", outside, _NETWORK)
    finally:
        os.close(outside)


@contextmanager
def reachable(port: int) -> Iterator[None]:
    """Lead from the browsers' loopback to a server on this computer's, meanwhile.

    Args:
        port: The server's port; the same one in both networks.
    """
    if os.geteuid() != 0:
        yield
        return
    with entered():
        door = _Door((HERE, port), _Visit)
    thread = threading.Thread(target=door.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        door.shutdown()
        door.server_close()
        thread.join(5)


class _Door(ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    allow_reuse_address = True


class _Visit(BaseRequestHandler):
    def handle(self) -> None:
        _, port = self.request.getsockname()
        with suppress(OSError), socket.create_connection((HERE, port)) as server:
            back = threading.Thread(
                target=_copy, args=(server, self.request), daemon=True
            )
            back.start()
            _copy(self.request, server)
            back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    """Pass on what one side says, and that it is done."""
    with suppress(OSError):
        while data := source.recv(_CHUNK):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


@cache
def _network() -> int:
    """Make the network, which has a loopback; return a descriptor that keeps it."""
    outside = os.open(_OWN, os.O_RDONLY)
    try:
        _call("unshare", _NETWORK)
        try:
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
            return os.open(_OWN, os.O_RDONLY)
        finally:
            _call("setns", outside, _NETWORK)
    finally:
        os.close(outside)


def _call(name: str, *arguments: int) -> None:
    """Call a function of the C library; Python 3.11 has none of these."""
    library = ctypes.CDLL(None, use_errno=True)
    if getattr(library, name)(*arguments):
        raise OSError(ctypes.get_errno(), name)
