"""Wire the chapters, when pytest runs them as tests, to a lab of the tests' own."""

import os
from pathlib import Path

import pytest

from booktools.gateway import LabGateway
from booktools.pytest_plugin import ChapterRun
from k8slab.core import env

env.settle()
# The kernels of the chapters inherit this: never the reader's lab "default". A worker
# of pytest-xdist has a lab of its own, so that chapters can run side by side.
_NAMES = (os.environ.get("K8SLAB_LAB", "test"), os.environ.get("PYTEST_XDIST_WORKER"))
os.environ["K8SLAB_LAB"] = "-".join(filter(None, _NAMES))
# An assertion in what tests share says what it saw, as one in a test does.
_SHARED = (Path(__file__).parent / "tests").glob("*.py")
pytest.register_assert_rewrite(*(path.stem for path in _SHARED))
# What tests do is not what the reader did.
os.environ["K8SLAB_RECORD"] = "0"


def pytest_configure(config: pytest.Config) -> None:
    """Register the chapters' runner."""
    run = ChapterRun(
        Path(__file__).parent,
        lab=os.environ["K8SLAB_LAB"],
        gateway=LabGateway(),
        required=os.environ.get("K8SLAB_REQUIRED") == "1",
    )
    config.pluginmanager.register(run, "chapters")
