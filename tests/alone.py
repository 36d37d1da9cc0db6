"""An interpreter whose path has the helper library and nothing else of this project."""

from __future__ import annotations

import sys
from pathlib import Path

from paths import ROOT

# I, S: no folder from the environment, and no .pth file that would add lib/.
PYTHON = [sys.executable, "-I", "-S"]


def prelude(folder: Path) -> str:
    """Return code that sets such a path, and fails where another package is seen.

    Args:
        folder: An empty folder, which stands in the place of ``lib/``.
    """
    (folder / "k8slab").symlink_to(ROOT / "lib" / "k8slab")
    installed = [path for path in sys.path if Path(path).name == "site-packages"]
    return f"""
import importlib.util, sys
sys.path[:0] = {[str(folder), *installed]!r}
for other in ("labmaker", "booktools"):
    assert importlib.util.find_spec(other) is None, other
"""
