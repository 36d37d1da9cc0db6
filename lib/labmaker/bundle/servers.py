"""Run a server on this computer for as long as a build step needs it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from k8slab import wait
from k8slab.core.files import UMASK
from k8slab.core.patience import stretched
from k8slab.core.process import search_path
from k8slab.core.signals import deferred
from k8slab.errors import BundleError

_START_TIMEOUT_S = 30.0
_STOP_TIMEOUT_S = 20.0


@contextmanager
def running(
    argv: Sequence[str], log: Path, is_up: Callable[[], bool]
) -> Iterator[None]:
    """Keep a server running while the block runs, and end it by its process id.

    Args:
        argv: The server's command.
        log: Where its output goes.
        is_up: Says whether it answers.

    Raises:
        BundleError: It ended by itself before it answered.
        NotReady: It did not answer in time.
    """
    with ExitStack() as at_last:
        with log.open("wb") as output, deferred():
            process = subprocess.Popen(
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=_variables(),
                umask=UMASK,
                start_new_session=True,
            )
            at_last.callback(_end, process)
        wait.until(
            lambda: process.poll() is not None or is_up(),
            what=f"{Path(argv[0]).name} does not answer",
            want="an answer",
            timeout=_START_TIMEOUT_S,
            every=0.05,
        )
        if process.poll() is not None:
            raise BundleError(
                f"{Path(argv[0]).name} ended with exit code {process.returncode}",
                where=" ".join(argv),
                seen="\n".join(log.read_text("utf-8", "replace").splitlines()[-12:]),
            )
        yield


def _variables() -> dict[str, str]:
    """Return what a server inherits: none of the reader's settings of such a one."""
    own = ("REGISTRY_", "OTEL_")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(own)}
    return kept | {"PATH": search_path()}


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(stretched(_STOP_TIMEOUT_S))
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def free_port() -> int:
    """Return a TCP port of the loopback interface that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def answers(port: int) -> bool:
    """Return whether somebody listens on a port of the loopback interface."""
    with socket.socket() as sock:
        sock.settimeout(1)
        return sock.connect_ex(("127.0.0.1", port)) == 0
