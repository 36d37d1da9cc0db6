"""Run a Debian's own programs on this computer's kernel, apart from all else here.

Where a guest takes hours, this takes minutes. It proves everything but the kernel: the
release's podman, iptables, Python and their settings.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from k8slab.core.poll import until
from k8slab.core.process import DEFAULT_TIMEOUT_S, Completed, Runner

from .disk import System

_ALONE = ("mount", "pid", "ipc", "uts")
_MOUNTS = """
root=$1
mount --make-rprivate /
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/tmp"
mount -t tmpfs tmpfs "$root/run"
"""
_RESOLVER = 'mount --bind /etc/resolv.conf "$root/etc/resolv.conf"\n'
_LOOPBACK = "ip link set lo up\n"
# Not by chroot: what enters a container's namespaces there has this computer's root.
_ENTER = """
cd "$root"
pivot_root . .
umount --lazy .
cd /
touch /run/ready
exec sh -c 'while :; do sleep 3600 & wait; done'  # and ends what others left
"""
_START_S = 30.0


class Programs:
    """Run commands there; see `opened`.

    Args:
        system: The Debian.
        run: Runs commands on this computer.
        spaces: The words before a command that has to run there.
    """

    def __init__(self, system: System, run: Runner, spaces: Sequence[str]) -> None:
        self.where = f"the programs of {system.name}"
        self._run = run
        self._inside = [*spaces, "env", "HOME=/root"]

    def run(
        self,
        argv: Sequence[str],
        *,
        input: str | None = None,
        check: bool = True,
        timeout: float = DEFAULT_TIMEOUT_S,
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        """Run a command to its end; see `Runner.run`."""
        return self._run.run(
            [*self._inside, *argv],
            input=input,
            check=check,
            timeout=timeout,
            on_line=on_line,
        )


@contextmanager
def opened(system: System, run: Runner, *, outside: bool) -> Iterator[Programs]:
    """Give namespaces to a Debian's programs; all processes there end with them.

    Args:
        system: The Debian, before it is a disk.
        run: Runs commands on this computer.
        outside: Whether they reach what this computer reaches; otherwise they have a
            network of their own with nothing in it.
    """
    alone = [*_ALONE, *([] if outside else ["net"])]
    script = _MOUNTS + (_RESOLVER if outside else _LOOPBACK) + _ENTER
    argv = ["setpriv", "--pdeathsig=KILL", "unshare", "--fork", "--kill-child"]
    argv += [*(f"--{name}" for name in alone), "sh", "-euc", script, "sh"]
    process = subprocess.Popen([*argv, str(system.root)], stdin=subprocess.DEVNULL)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    try:
        first = until(
            lambda: children.read_text("utf-8").strip(),
            what=f"namespaces for {system.name}",
            want="a first process",
            timeout=_START_S,
        )
        spaces = ["nsenter", f"--target={first}", *(f"--{name}" for name in alone)]
        until(
            lambda: run.run([*spaces, "test", "-e", "/run/ready"], check=False).ok,
            what=f"namespaces for {system.name}",
            want="all file systems mounted",
            timeout=_START_S,
        )
        yield Programs(system, run, spaces)
    finally:
        process.kill()  # a termination it keeps to itself
        process.wait()
