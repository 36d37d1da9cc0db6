"""Show the reader's progress on the first page, and keep it as it is now."""

from __future__ import annotations

import threading
from html import escape
from pathlib import Path
from typing import Any

from IPython.display import display

from k8slab.core.env import Environment
from k8slab.core.rendered import Rendered
from k8slab.errors import LabError
from k8slab.progress import path

from .. import progress as reader

EVERY_S = 2.0
LIMIT_S = 12 * 3600.0
_over = threading.Event()


def progress(root: Path | None = None) -> None:
    """Show what you have done so far; what you do in a chapter appears by itself.

    It looks at the record every two seconds for twelve hours, as long as the page's
    kernel runs. Shown again, the earlier table stops changing.

    Args:
        root: The book's folder.

    Raises:
        LabError: The record cannot be read.
    """
    global _over
    _over.set()
    _over = threading.Event()
    show: Any = display  # it has no types
    # No widget: JupyterLab opens the links of an output, and of a widget it does not.
    shown = show(reader.progress(root), display_id=True)
    thread = threading.Thread(
        target=_follow, args=(shown, root, _over), name="progress", daemon=True
    )
    thread.start()


def _follow(shown: Any, root: Path | None, over: threading.Event) -> None:
    env = Environment.read()
    record = path(env.home, env.lab)
    seen, looks = _stamp(record), 0
    while looks * EVERY_S < LIMIT_S and not over.wait(EVERY_S):
        looks += 1
        if (now := _stamp(record)) != seen:
            seen = now
            try:
                shown.update(reader.progress(root))
            except LabError as error:
                shown.update(Rendered(str(error), f"<pre>{escape(str(error))}</pre>"))


def _stamp(record: Path) -> int:
    """Return when the record was last written; 0 when there is none."""
    try:
        return record.stat().st_mtime_ns
    except FileNotFoundError:
        return 0
