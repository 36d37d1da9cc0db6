"""The echo server's protocol, spoken to the script itself over loopback."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest
from paths import BUNDLE

SCRIPT = BUNDLE / "images" / "echo" / "echo.py"


Server = tuple[subprocess.Popen[bytes], int]


@pytest.fixture
def server() -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A running server named echo-test, and its port."""
    process = subprocess.Popen(
        [sys.executable, "-u", str(SCRIPT), "serve", "0"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "POD_NAME": "echo-test"},
    )
    assert process.stdout is not None
    try:
        yield process, int(process.stdout.readline().split()[-1])
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def client(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments],
        capture_output=True,
        text=True,
        timeout=15,
    )


def test_the_server_greets_with_its_name(server: Server) -> None:
    """The first line is the Pod's name."""
    with socket.create_connection(("127.0.0.1", server[1]), 5) as connection:
        greeting = connection.makefile().readline()

    assert greeting == "echo-test\n"


def test_the_server_sends_lines_back_behind_its_name(server: Server) -> None:
    """Each line comes back as 'NAME: LINE', whatever ends it."""
    with socket.create_connection(("127.0.0.1", server[1]), 5) as connection:
        lines = connection.makefile()
        lines.readline()
        connection.sendall(b"hello\r\nagain\n")
        answers = [lines.readline(), lines.readline()]

    assert answers == ["echo-test: hello\n", "echo-test: again\n"]


def test_many_clients_are_served_at_once(server: Server) -> None:
    """A client that stays silent keeps nobody waiting."""
    with socket.create_connection(("127.0.0.1", server[1]), 5):
        answered = client("ask", "127.0.0.1", str(server[1]), "3")

    assert answered.stdout.splitlines() == ["echo-test"] * 3


def test_the_server_ends_on_sigterm_at_once(server: Server) -> None:
    """SIGTERM ends it with exit code 0, even with a client connected."""
    with socket.create_connection(("127.0.0.1", server[1]), 5) as connection:
        connection.makefile().readline()
        server[0].send_signal(signal.SIGTERM)
        code = server[0].wait(2)

    assert code == 0


def test_asking_nobody_is_an_error() -> None:
    """A refused connection is named on standard error."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        answered = client("ask", "127.0.0.1", str(sock.getsockname()[1]))

    assert answered.returncode == 1
    assert "Connection refused" in answered.stderr


def test_a_name_resolves_to_its_addresses() -> None:
    """The addresses are printed one on a line."""
    assert "127.0.0.1" in client("resolve", "localhost").stdout.splitlines()


def test_an_address_that_is_no_name_is_an_error() -> None:
    """A name that nobody has gives exit code 1 and no output."""
    answered = client("resolve", "no such name")

    assert (answered.returncode, answered.stdout) == (1, "")


def test_an_unknown_command_shows_the_usage() -> None:
    """The usage names all three commands."""
    answered = client("shout")

    assert answered.returncode == 1
    assert answered.stderr.startswith("usage: echo.py serve")
