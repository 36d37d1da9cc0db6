"""What is done to machines side by side has ended when the reader gets the prompt."""

from __future__ import annotations

import itertools
import signal
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from fakes.host import FakeHost
from fakes.shell import FakeShell

from k8slab.core.process import Completed
from k8slab.folder import LabFolder
from labmaker.fleet import Fleet
from labmaker.install import health
from labmaker.providers import provider_of
from labmaker.settings import Settings

SETTINGS = Settings("test", 0, 2, "ready", "podman", "1")


class Disturbed:
    """Work of which two are done, while the reader presses Ctrl-C twice."""

    def __init__(self) -> None:
        self.ended: list[int] = []
        self.over = threading.Event()
        self._number = itertools.count()

    def __call__(self) -> None:
        """Take a while, and note the end."""
        number, pause = next(self._number), threading.Event()
        for _ in range(2 if number == 0 else 0):
            pause.wait(0.2)
            if not self.over.is_set():
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        pause.wait(1 if number else 0.2)
        self.ended.append(number)


def starts(work: Disturbed, folder: Path) -> None:
    """Start two machines by their engine."""

    class Engine(FakeHost):
        def run(self, argv: Sequence[str], **_: object) -> Completed:
            work()
            return Completed(tuple(argv), self.where, 0, "", "", 0.0)

    host = Engine()
    provider_of("podman", "test", host, host=host).start(["node1", "node2"])


def asks(work: Disturbed, folder: Path) -> None:
    """Ask a master two questions."""

    def answer(_: str) -> tuple[int, str, str]:
        work()
        return 0, "", ""

    shell = FakeShell("master", "192.0.2.1")
    shell.answer = answer
    health.is_well(shell, ["master"])


def looks(work: Disturbed, folder: Path) -> None:
    """Look which of two machines answer."""
    host: Any = FakeHost()
    record = SETTINGS.record(lambda _: ((), ()), {})
    fleet = Fleet(LabFolder(folder, "test"), record, host, host)

    class Line:
        def is_up(self) -> bool:
            work()
            return True

    shells: Any = {"node1": Line(), "node2": Line()}
    fleet.shells = shells
    fleet.silent(["node1", "node2"])


@pytest.mark.parametrize("use", [starts, asks, looks])
def test_nothing_is_at_work_after_ctrl_c(
    tmp_path: Path, use: Callable[[Disturbed, Path], None]
) -> None:
    """Even when it comes twice: what follows removes these machines."""
    work = Disturbed()
    with pytest.raises(KeyboardInterrupt):
        use(work, tmp_path)
    work.over.set()  # where it fails, a test that is next is not interrupted

    assert sorted(work.ended) == [0, 1]
