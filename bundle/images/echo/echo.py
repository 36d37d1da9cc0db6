"""Serve, ask and look up: the echo server of the book and its client.

The server greets each connection with its Pod's name on a line, then sends every
line back behind that name::

    echo-x7k2p
    hello            <- the client's line
    echo-x7k2p: hello
"""

import os
import signal
import socket
import sys
import threading
import time

PORT = 12345
TIMEOUT_S = 5
PAUSE_S = 0.1
LONGEST_LINE = 65536


def name():
    """Return the Pod's name: POD_NAME when it is set, else the host's name."""
    return os.environ.get("POD_NAME") or socket.gethostname()


def serve(port):
    """Answer connections until SIGTERM or SIGINT."""
    signal.signal(signal.SIGTERM, lambda number, frame: os._exit(0))
    signal.signal(signal.SIGINT, lambda number, frame: os._exit(0))
    try:
        server = socket.create_server(("", port), backlog=128)
    except OSError as error:
        sys.exit(f"cannot listen on port {port}: {error}")
    print(f"{name()} listens on port {server.getsockname()[1]}", flush=True)
    while True:
        connection, _ = server.accept()
        threading.Thread(target=_talk, args=(connection,), daemon=True).start()


def _talk(connection):
    """Greet one client, then send its lines back until it leaves."""
    print("a client connected", flush=True)
    try:
        with connection, connection.makefile("rb") as lines:
            connection.sendall(f"{name()}\n".encode())
            while line := lines.readline(LONGEST_LINE):
                text = line.rstrip(b"\r\n")
                connection.sendall(name().encode() + b": " + text + b"\n")
    except OSError:
        return  # the client went away; there is nobody to tell


def ask(host, port, times):
    """Print the name that answers, each time over a new connection."""
    for _ in range(times):
        try:
            with socket.create_connection((host, port), TIMEOUT_S) as connection:
                connection.settimeout(TIMEOUT_S)
                with connection.makefile("r", encoding="utf-8") as lines:
                    answer = lines.readline()
        except OSError as error:
            sys.exit(f"no answer from {host}:{port}: {error}")
        if not answer:
            sys.exit(f"no answer from {host}:{port}: the connection was closed")
        print(answer.strip(), flush=True)


def resolve(host, seconds):
    """Print the addresses of a name; ask again for so many seconds without one."""
    signal.signal(signal.SIGALRM, lambda number, frame: sys.exit(f"{host}: no answer"))
    signal.alarm(TIMEOUT_S + seconds)
    end = time.monotonic() + seconds
    while True:
        try:
            found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            break
        except OSError as error:
            if time.monotonic() >= end:
                sys.exit(f"{host}: {error}")
            time.sleep(PAUSE_S)
    for address in sorted({entry[4][0] for entry in found}):
        print(address)


def main(arguments):
    """Do what the arguments say; without any, serve."""
    try:
        if not arguments or arguments[0] == "serve":
            serve(int(arguments[1]) if len(arguments) > 1 else PORT)
        elif arguments[0] == "ask" and len(arguments) in (3, 4):
            host, port, *times = arguments[1:]
            ask(host, int(port), int(times[0]) if times else 1)
        elif arguments[0] == "resolve" and len(arguments) in (2, 3):
            resolve(arguments[1], int(arguments[2]) if len(arguments) > 2 else 0)
        else:
            raise ValueError("not a command")
    except ValueError:
        sys.exit(
            "usage: echo.py serve [PORT] | ask HOST PORT [TIMES] | "
            "resolve NAME [SECONDS]"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
