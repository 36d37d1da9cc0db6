"""Build the ssh command that opens a shell on a lab's machine."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from k8slab.folder import LabFolder
from k8slab.lab_record import AGENT, JumpRecord, MachineRecord
from k8slab.ssh.client import SUDO


def argv(folder: LabFolder, machine: MachineRecord, words: Sequence[str]) -> list[str]:
    """Return the command that opens a root's shell on a machine, or runs words there.

    Args:
        folder: The lab's files.
        machine: The machine.
        words: What the machine's shell is to run; none for a shell to type in.
    """
    options = _options(folder, machine.key)
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
    way = ["ssh", *_options(folder, jump.key), "-W", "%h:%p", "-p", str(jump.port)]
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
