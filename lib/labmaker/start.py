"""Begin the command ``k8slab`` with the packages of its own Python.

What a reader's PYTHONPATH names goes before them: with another version of one of them
neither the command nor JupyterLab and its kernels would begin.
"""

from __future__ import annotations

import os
import sys

_INTERRUPTED = 130
"""The exit code of what Ctrl-C ended, as a shell gives it."""


def main() -> None:
    """Run the command; anew, where the variable has misled this process already."""
    if os.environ.pop("PYTHONPATH", ""):
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606
    try:
        from .cli import main as run
    except KeyboardInterrupt:  # half a second goes by until its own part hears it
        print("k8slab: interrupted", file=sys.stderr)
        sys.exit(_INTERRUPTED)
    run()
