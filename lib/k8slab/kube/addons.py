"""Have a lab's add-ons changed by the command ``k8slab``, which makes labs."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Literal

from ..core import hints
from ..core.env import FOR_CHAPTER
from ..core.hints import PROGRAM
from ..core.process import LocalRunner
from ..errors import LabError

TIMEOUT_S = 1800.0
"""Seconds that it may take: an add-on that was never used here is compiled first."""
GRACE_S = 120.0
"""Seconds in which the command that is interrupted may remove what it made."""


def change(verb: Literal["enable", "disable"], lab: str, name: str) -> None:
    """Run the command that enables or removes an add-on, and print what it says.

    It notes what it enables as a chapter's (`LabFolder.required`), even when this
    process is killed meanwhile. Interrupted, it removes what it made.

    Args:
        verb: What to do with it.
        lab: The lab.
        name: The add-on.

    Raises:
        LabError: There is no such command here, or it failed.
    """
    typed = {
        "enable": hints.command("addon enable", lab, name),
        "disable": hints.command("addon disable", lab, name),
    }[verb]
    program = _program()
    if program is None:
        raise LabError(
            f"nothing here can {verb} the add-on {name} of the lab {lab!r}",
            where=sys.executable,
            wanted=f"the command {PROGRAM!r}",
            seen="no such command beside this Python or on PATH",
            next=f"where the lab was made, type {typed}",
        )
    argv = [program, "addon", verb, "--name", lab, name]
    done = LocalRunner(env={FOR_CHAPTER: "1"}, grace_s=GRACE_S).run(
        argv,
        check=False,
        timeout=TIMEOUT_S,
        on_line=lambda line: print(line, flush=True),
    )
    if not done.ok:
        raise LabError(
            f"the command to {verb} the add-on {name} failed",
            where=f"lab {lab}",
            seen=f"exit code {done.returncode}; what the command said stands above",
            next=f"do what it says, then {typed}",
        )


def _program() -> str | None:
    """Return the command of this Python's environment, else that on the PATH."""
    beside = str(Path(sys.executable).parent)
    path = os.pathsep.join([beside, *os.get_exec_path()])
    return shutil.which(PROGRAM, path=path)
