"""Note what is changed on a machine before it is, so that it can be undone."""

from __future__ import annotations

import errno
import json
import os
import re
import threading
from base64 import b64encode
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from k8slab.core import files
from k8slab.core.process import DEFAULT_TIMEOUT_S, Completed
from k8slab.errors import LabError
from k8slab.ssh.client import SSHShell

from .facts import TREES

SYSCTLS = (
    "net.ipv4.ip_forward",
    "net.ipv4.conf.all.route_localnet",
    "net.bridge.bridge-nf-call-iptables",
    "net.bridge.bridge-nf-call-ip6tables",
    "net.netfilter.nf_conntrack_max",
    "net.netfilter.nf_conntrack_tcp_timeout_established",
    "net.netfilter.nf_conntrack_tcp_timeout_close_wait",
    "vm.overcommit_memory",
    "vm.panic_on_oom",
    "kernel.panic",
    "kernel.panic_on_oops",
    "kernel.keys.root_maxkeys",
    "kernel.keys.root_maxbytes",
)
"""The kernel settings that we, the kubelet or kube-proxy write."""
_FILE = """\
folder=$(dirname "$1")
while [ ! -e "$folder" ]; do echo "missing=$folder"; folder=$(dirname "$folder"); done
if [ -e "$1" ]; then echo "mode=$(stat -c %a "$1")"; echo "text=$(base64 -w 0 "$1")"; fi
"""
_TREE = """\
for tree; do
    if [ -n "$(ls -A "$tree" 2> /dev/null)" ]; then continue; fi
    echo "$(stat -L -c %a "$tree" 2> /dev/null || echo none) $tree"
done
"""
Entry = dict[str, Any]


def is_tree(path: str, mode: str) -> bool:
    """Say whether a folder is one that is filled here, with permissions or 'none'."""
    return path in TREES and re.fullmatch(r"none|[0-7]{1,4}", mode) is not None


class Journal:
    """What was changed on one machine, in order, a line of JSON each.

    Args:
        file: The file, which is on this computer.
    """

    def __init__(self, file: Path) -> None:
        self.file = file

    def note(self, kind: str, **facts: Any) -> None:
        """Add an entry, which is on the disk when this returns.

        Raises:
            OSError: It is not; nothing was added.
        """
        self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        line = (json.dumps({"kind": kind, **facts}) + "\n").encode()
        handle = os.open(self.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            before = os.fstat(handle).st_size
            if os.write(handle, line) != len(line):
                os.ftruncate(handle, before)  # the next entry begins a line
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.file))
            os.fsync(handle)
        finally:
            os.close(handle)

    def entries(self) -> list[Entry]:
        """Return all entries; one whose writing was interrupted changed nothing.

        Raises:
            LabError: One cannot be read, and so nobody knows what was changed.
        """
        if not self.file.exists():
            return []
        lines = self.file.read_bytes().splitlines(keepends=True)
        return [self._entry(line) for line in lines if line.endswith(b"\n")]

    def _entry(self, line: bytes) -> Entry:
        with suppress(ValueError):
            entry = json.loads(line)
            if isinstance(entry, dict) and "kind" in entry:
                return entry
        raise LabError(
            f"the notes of what was changed on {self.file.stem} cannot be read",
            where=str(self.file),
            wanted="an object of JSON in each line",
            seen=repr(line[:200])[1:],
            next="put the file back from a backup, or mend that line",
        )

    def keep(self, entries: Sequence[Entry]) -> None:
        """Keep only these entries, on the disk when this returns: others are undone.

        On a full disk all stay. They are undone once more where this is repeated, which
        is better than machines that stay changed.

        Raises:
            OSError: They cannot be written for another reason; all stay.
        """
        lines = "".join(json.dumps(entry) + "\n" for entry in entries)
        with (
            files.although_full(),
            files.replacing(self.file) as draft,
            draft.open("wb") as out,
        ):
            out.write(lines.encode())
            out.flush()
            os.fsync(out.fileno())  # or a crash could leave an empty file

    def forget(self) -> None:
        """Remove the file: all is undone."""
        self.file.unlink(missing_ok=True)


class NotingShell:
    """A machine over SSH, of which every change that install steps make is noted.

    Args:
        shell: The machine.
        journal: Where its changes are noted.
    """

    def __init__(self, shell: SSHShell, journal: Journal) -> None:
        self.lab, self.address, self.where = shell.lab, shell.address, shell.where
        self._shell = shell
        self._journal = journal
        self._over = threading.Event()
        self._noted: set[str] = set()
        self._trees: list[str] = []

    def refuse(self) -> None:
        """Begin nothing new; what runs ends by itself.

        A package manager that is ended half way would leave what nobody noted.
        """
        self._over.set()

    def begin(self) -> None:
        """Note what every installation changes, whatever its steps are.

        A folder that has something already is not ours to empty: what is written
        there is noted file by file.
        """
        asked = self._shell.run(["sh", "-c", _TREE, "sh", *TREES]).stdout
        for line in asked.splitlines():
            mode, _, path = line.partition(" ")
            if not is_tree(path, mode):
                raise LabError(
                    f"{self.where} said something else than was asked for",
                    where=self.where,
                    wanted="the permissions of one of the folders asked about",
                    seen=line,
                    next=f"see what prints there: {self._shell.by_hand()} true",
                )
            self._journal.note("tree", path=path, mode="" if mode == "none" else mode)
            self._trees.append(path)
        told = self._shell.run(["sysctl", "--ignore", *SYSCTLS], check=False).stdout
        values = dict(
            line.split(" = ", 1) for line in told.splitlines() if " = " in line
        )
        self._journal.note("sysctl", values=values)

    def run(
        self,
        argv: Sequence[str],
        *,
        input: str | None = None,
        check: bool = True,
        timeout: float = DEFAULT_TIMEOUT_S,
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        """Run a command; what it would change is noted first. See `SSHShell.run`."""
        self._go_on()
        self._note(argv)
        return self._shell.run(
            argv, input=input, check=check, timeout=timeout, on_line=on_line
        )

    def script(
        self,
        text: str,
        *,
        shell: str = "bash",
        check: bool = True,
        timeout: float = DEFAULT_TIMEOUT_S,
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        """Run a script, whose changes nobody notes. See `SSHShell.script`."""
        self._go_on()
        return self._shell.script(
            text, shell=shell, check=check, timeout=timeout, on_line=on_line
        )

    def put(self, path: str, data: str | bytes, *, mode: int = 0o644) -> bool:
        """Write a file; what was there is noted first. See `SSHShell.put`."""
        self._go_on()
        inside = any(path.startswith(f"{tree}/") for tree in self._trees)
        if path not in self._noted and not inside:
            self._note_file(path)
            self._noted.add(path)
        return self._shell.put(path, data, mode=mode)

    def upload(self, source: Path, path: str, *, mode: int = 0o644) -> None:
        """Copy a file into one of the noted folders. See `SSHShell.upload`."""
        self._go_on()
        self._shell.upload(source, path, mode=mode)

    def read(self, path: str) -> str:
        """Return a file's text."""
        return self._shell.read(path)

    def is_up(self) -> bool:
        """Tell at once whether the machine answers."""
        return self._shell.is_up()

    def end(self) -> None:
        """End every command that still runs, also on the machine."""
        self._shell.end()

    def close(self, *, for_good: bool = False) -> None:
        """Close the connection."""
        self._shell.close(for_good=for_good)

    def _go_on(self) -> None:
        if self._over.is_set():
            raise LabError(
                "the installation goes no further, for another step failed",
                where=self.where,
            )

    def _note(self, argv: Sequence[str]) -> None:
        if "apt-get" in argv and "install" in argv:
            self._note_packages(argv)
        elif argv[:1] == ["modprobe"]:
            loaded = self._shell.run(["cat", "/proc/modules"]).stdout.splitlines()
            there = {line.split()[0] for line in loaded if line}
            wanted = [word for word in argv[1:] if not word.startswith("-")]
            self._journal.note("modules", names=[n for n in wanted if n not in there])
        elif argv[:2] in (["kubeadm", "init"], ["kubeadm", "join"]) and (
            "phase" not in argv
        ):
            self._journal.note("cluster")

    def _note_packages(self, argv: Sequence[str]) -> None:
        """Note the packages that an installation would add, by a rehearsal."""
        rehearsal = self._shell.run([*argv, "--simulate"], timeout=120).stdout
        words = [line.split() for line in rehearsal.splitlines()]
        new = [  # "Inst NAME [OLD] (NEW …)" is there already, and stays
            each[1]
            for each in words
            if each[:1] == ["Inst"] and not each[2].startswith("[")
        ]
        self._journal.note("packages", names=new)

    def _note_file(self, path: str) -> None:
        told = self._shell.run(["sh", "-c", _FILE, "sh", path]).stdout
        found: dict[str, list[str]] = {"missing": [], "mode": [], "text": []}
        for line in told.splitlines():
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
        self._journal.note(
            "file",
            path=path,
            missing=found["missing"],
            mode=found["mode"][0] if found["mode"] else "",
            text=found["text"][0] if found["text"] else b64encode(b"").decode(),
        )
