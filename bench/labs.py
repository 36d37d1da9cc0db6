"""Keep labs for measurements apart from the reader's, and remove them always."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from k8slab.core import files
from k8slab.core.env import Environment
from k8slab.core.poll import SystemClock
from k8slab.core.process import Completed
from k8slab.core.signals import terminable, undisturbed
from k8slab.folder import records
from labmaker import lifecycle

from .host import ROOT

UP, PLAIN, LAB = "b-up", "b-plain", "b-lab"
_COMMAND = Path(sys.executable).with_name("k8slab")
_TIMEOUT_S = 600.0


@contextmanager
def own_home() -> Iterator[Path]:
    """Give labs a home of their own while it lasts; none of them stays.

    It lies beside the reader's, on the same disk: a new machine's images are hard
    links into the bundle. What a killed run left is removed first.

    Raises:
        InUse: Another measurement is running.
    """
    readers = Environment.read().home
    home = readers.with_name(f"{readers.name}-bench")
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    busy = "another measurement is running, and two at once measure each other"
    with (
        files.locked(home / ".bench.lock", wait=False, busy=busy),
        terminable(),
        _environment({"K8SLAB_HOME": str(home), "K8SLAB_LAB": LAB}),
    ):
        _remove_all(home)
        try:
            yield home
        finally:
            with undisturbed():
                _remove_all(home)
                shutil.rmtree(home)


@dataclass(frozen=True)
class Timed:
    """A command that succeeded.

    Attributes:
        stdout: What it printed.
        seconds: From the start of its process to its end.
    """

    stdout: str
    seconds: float


def k8slab(*words: str) -> Timed:
    """Run the command ``k8slab``, as its users do.

    Raises:
        CommandFailed: It failed.
    """
    return _run([str(_COMMAND), *words])


def python(*words: str, limit_s: float = _TIMEOUT_S) -> Timed:
    """Run Python in the repository's folder.

    Raises:
        CommandFailed: It failed.
    """
    return _run([sys.executable, *words], limit_s)


@contextmanager
def removed(*names: str) -> Iterator[None]:
    """Remove labs at the end, however that comes; one that is gone is no matter."""
    try:
        yield
    finally:
        with undisturbed():
            _down(names)


def say(text: str) -> None:
    """Tell whoever waits what is being done."""
    print(text, file=sys.stderr, flush=True)


def _run(argv: list[str], limit_s: float = _TIMEOUT_S) -> Timed:
    """Run a command; where this is interrupted, let it take away what it began."""
    clock = SystemClock()
    started = clock.now()
    process = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        start_new_session=True,
    )
    try:
        stdout, stderr = process.communicate(timeout=limit_s)
    except BaseException:
        process.terminate()
        with undisturbed():
            process.communicate(timeout=_TIMEOUT_S)
        raise
    seconds = clock.now() - started
    done = Completed(
        tuple(argv), "this machine", process.returncode, stdout, stderr, seconds
    ).check()
    return Timed(done.stdout, seconds)


def _remove_all(home: Path) -> None:
    _down([record.name for record in records(home)])


def _down(names: Iterable[str]) -> None:
    """Remove labs, also those behind one whose removal fails."""
    with ExitStack() as each:
        for name in names:
            each.callback(lifecycle.down, name)


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
