"""How a kernel that runs a chapter is reached: by socket files, and by no port."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

from jupyter_client.manager import KernelManager
from jupyter_core.paths import jupyter_runtime_dir
from jupyter_core.utils import ensure_dir_exists

_LONGEST = 107 - len("-5")
"""Bytes of a socket's path before what Jupyter adds; ``man 7 unix`` allows 107."""


def reach_by_files(kernel: KernelManager) -> KernelManager:
    """Have a kernel of this Python listen at socket files; return its manager.

    A port that is free when it is chosen may be taken before the kernel, which begins
    seconds later, listens there; and other users of the computer reach it. Where the
    folder's path is too long for a socket, a port it is.

    Args:
        kernel: What starts the kernel, before it does.
    """
    # Jupyter may prefer one that the reader has installed, with another Python.
    kernel.kernel_spec_manager.kernel_dirs = [
        str(Path(sys.prefix) / "share" / "jupyter" / "kernels")
    ]
    folder = Path(jupyter_runtime_dir())
    place = str(folder / f"kernel-{uuid4()}")
    if len(place.encode()) <= _LONGEST:
        ensure_dir_exists(folder, 0o700)
        kernel.transport, kernel.ip = "ipc", place
    return kernel


def manager(**options: Any) -> KernelManager:
    """Return what starts a kernel that is reached so.

    Args:
        options: What the class of `jupyter_client` takes.
    """
    return reach_by_files(KernelManager(**options))
