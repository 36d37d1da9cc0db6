"""What every unit test has."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

import pytest

from labmaker.providers import NAMES

_asking: list[str] = []
"""The test that may ask this computer's engines."""


def pytest_configure() -> None:
    """Let no unit test ask an engine: a new computer has none when they run."""
    sys.addaudithook(_refuse_engines)


def _refuse_engines(event: str, arguments: tuple[Any, ...]) -> None:
    """Fail what starts an engine's own client; a test may bring one of its own."""
    if event != "subprocess.Popen":
        return
    _, words, _, env = arguments
    called = (w for w in map(str, words) if w != "env" and w[:2] != "--")
    program = next(called, "")
    if program not in NAMES or _asking:
        return
    found = shutil.which(program, path=(env or {}).get("PATH")) or "/"
    # Compared without links, as pytest names a test's folder.
    own = os.path.realpath(tempfile.gettempdir())
    if not os.path.realpath(os.path.dirname(found)).startswith(own):
        raise AssertionError(f"a unit test asks {program}: {' '.join(words)}")


@pytest.fixture
def engines(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let a test ask this computer's engines; it has to pass without any, too."""
    _asking.append(request.node.name)
    yield
    _asking.clear()


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """Let Ctrl-C interrupt, as in a terminal.

    What a script starts in its background inherits a SIGINT that is ignored.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
