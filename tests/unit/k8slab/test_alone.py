"""The helper library stands alone: it needs no other package of this project."""

from __future__ import annotations

import subprocess
from pathlib import Path

import alone
import pytest

IMPORT_ALL = """
import importlib, pkgutil
import k8slab
for module in pkgutil.walk_packages(k8slab.__path__, "k8slab."):
    print(importlib.import_module(module.name).__name__)
"""


@pytest.mark.slow
def test_every_module_can_be_imported_alone(tmp_path: Path) -> None:
    """Neither what makes labs nor what makes the book is on the path."""
    done = subprocess.run(
        [*alone.PYTHON, "-c", alone.prelude(tmp_path) + IMPORT_ALL],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) > 50
