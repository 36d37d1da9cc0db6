"""Build the ssh command that opens a shell on a lab's machine."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from k8slab.folder import LabFolder
from k8slab.lab_record import AGENT, JumpRecord, MachineRecord
from k8slab.ssh.client import SUDO

_TERMINALS = re.compile(r"((xterm|screen|tmux|rxvt)(-(256)?color)?|linux|vt\d+|dumb)?")
"""Kinds of terminal that a small Debian knows."""


def argv(folder: LabFolder, machine: MachineRecord, words: Sequence[str]) -> list[str]:
    """Return the command that opens a root's shell on a machine, or runs words there.

    Args:
        folder: The lab's files.
        machine: The machine.
        words: What the machine's shell is to run; none for a shell to type in.
    """
    options = _options(folder, machine.key)
    if not _TERMINALS.fullmatch(os.environ.get("TERM", "")):
        options += ["-o", "SetEnv=TERM=xterm-256color"]
    if machine.port != 22:
        options.append(f"-p{machine.port}")
    if machine.jump is not None:
        options += ["-o", f"ProxyCommand={_through(folder, machine.jump)}"]
    run = list(words)
    if machine.sudo:
        said = " ".join(words)
        run = [*SUDO, "sh", "-c", shlex.quote(said)] if words else ["sudo", "-i"]
        options += [] if words else ["-t"]
    return ["ssh", *options, f"{machine.user}@{machine.address}", *run]


def _through(folder: LabFolder, jump: JumpRecord) -> str:
    """Return the command of ssh's that reaches a machine through another host."""
    # Of two signs of percent the outer ssh takes one away.
    own = [word.replace("%", "%%") for word in _options(folder, jump.key)]
    way = ["ssh", *own, "-W", "%h:%p", "-p", str(jump.port)]
    return shlex.join([*way, f"{jump.user}@{jump.address}"])


def _options(folder: LabFolder, key: str) -> list[str]:
    options = ["-F", "/dev/null"]
    if key != AGENT:
        file = Path(key) if key else folder.key
        options += ["-o", f"IdentityFile={_path(file)}", "-o", "IdentitiesOnly=yes"]
    options += ["-o", f"UserKnownHostsFile={_path(folder.known_hosts)}"]
    return [*options, "-o", "StrictHostKeyChecking=yes"]


def _path(path: Path) -> str:
    """Return a path as an option of ssh's takes it: one word, without its tokens."""
    quoted = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return '"' + quoted.replace("%", "%%") + '"'
