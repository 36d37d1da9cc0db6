"""The project's folder, for tests that run whole programs over it."""

from __future__ import annotations

from pathlib import Path

import pytest
from paths import ROOT


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the project's folder."""
    return ROOT
