"""What a lab asks of this computer: its files, commands, limits, disks and routes."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from ipaddress import IPv4Network
from pathlib import Path
from typing import Protocol

from k8slab.core import outside
from k8slab.core.process import Completed, LocalRunner, search_path
from k8slab.errors import HostProblem

from .plan import AddressPlan

ANSWER_TIMEOUT_S = 5.0
LIMITS: Mapping[str, int] = {"nofile": 20_000, "nproc": 30_000}
"""What machines are given where root may, by the limits' names in ulimit."""
ROUTES = ("ip", "-json", "-4", "route", "show", "table", "all")
"""The command that tells all routes of this computer."""
_ROUTERS = frozenset(("gateway", "via", "nexthops"))
"""What a route names that leads to a router: one of IP's version 6, or several, too."""
_A_NETWORK = 8
"""The widest range that belongs to somebody; a wider one is a kind of default."""
_LABELS = {"nofile": "Max open files", "nproc": "Max processes"}
SYS_ADMIN, SYS_RESOURCE = 21, 24
"""Bits of the capabilities by which root mounts, and raises its own limits."""


class Computer(Protocol):
    """What a diagnosis asks of the computer; tests give a broken one."""

    def read_text(self, path: str) -> str:
        """Return a file's content, or raise `OSError`."""
        ...

    def has(self, command: str) -> bool:
        """Say whether a command is on the PATH."""
        ...

    def is_there(self, path: str) -> bool:
        """Say whether a file, a folder or a device is there."""
        ...

    def run(self, argv: Sequence[str]) -> Completed:
        """Run a command whatever its exit code, or raise `CommandFailed`."""
        ...

    def free_bytes(self, folder: Path) -> int:
        """Return the free bytes where a folder is, or will be."""
        ...

    def free_inodes(self, folder: Path) -> int | None:
        """Return the files that can be made there; None where nothing limits them."""
        ...

    def inotify_in_use(self) -> int:
        """Return how many inotify instances all processes hold."""
        ...

    def processors(self) -> int:
        """Return on how many processors this process may run."""
        ...


class ThisComputer:
    """The computer that this process runs on."""

    def read_text(self, path: str) -> str:
        """Return a file's content, or raise `OSError`."""
        return Path(path).read_text(encoding="utf-8", errors="replace")

    def has(self, command: str) -> bool:
        """Say whether a command is on the PATH."""
        return shutil.which(command, path=search_path()) is not None

    def is_there(self, path: str) -> bool:
        """Say whether a file, a folder or a device is there."""
        return Path(path).exists()

    def run(self, argv: Sequence[str]) -> Completed:
        """Run a command whatever its exit code, or raise `CommandFailed`."""
        return LocalRunner().run(argv, check=False, timeout=ANSWER_TIMEOUT_S)

    def free_bytes(self, folder: Path) -> int:
        """Return the free bytes where a folder is, or will be."""
        return shutil.disk_usage(_there(folder)).free

    def free_inodes(self, folder: Path) -> int | None:
        """Return the files that can be made there; None where nothing limits them."""
        found = os.statvfs(_there(folder))
        return found.f_favail if found.f_files else None  # btrfs counts none

    def inotify_in_use(self) -> int:
        """Return how many inotify instances all processes hold."""
        held = 0
        for folder in Path("/proc").glob("[0-9]*/fd"):
            files: list[str] = []
            with suppress(OSError):  # processes end while they are looked at
                files = os.listdir(folder)
            for file in files:
                with suppress(OSError):
                    held += os.readlink(folder / file) == "anon_inode:inotify"
        return held

    def processors(self) -> int:
        """Return on how many processors this process may run."""
        return len(os.sched_getaffinity(0))


def _there(folder: Path) -> Path:
    """Return a folder, or the one in which it will be made."""
    there = next(p for p in (folder, *folder.parents) if p.exists())
    if not there.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "Not a directory", str(folder))
    return there


def require_root(
    what: str, *, mounts: bool = False, host: Computer | None = None
) -> None:
    """Refuse at once what only root can do, before it fails half way.

    Args:
        what: What is to be done, as the start of the error message.
        mounts: Whether it mounts, which root of a container may not everywhere.
        host: The computer; this one by default.

    Raises:
        HostProblem: This process is another user's, or may not mount.
    """
    host = host or ThisComputer()
    user = user_id(host)
    if user != "0":
        raise HostProblem(
            f"{what} needs root",
            where="this computer",
            wanted="user id 0",
            seen=f"user id {user}",
            next=outside.become_root(),
        )
    if mounts and not holds(host, SYS_ADMIN):
        raise HostProblem(
            f"{what} needs root that may mount",
            where="this computer",
            wanted="the capability SYS_ADMIN",
            seen="root without it, as in most containers",
            next="run it as root of the computer itself, or in a container with "
            "--privileged",
        )


def status(host: Computer, field: str) -> str:
    """Return one line of this process's status; empty when there is none."""
    found = re.search(rf"^{field}:\s*(.*)$", host.read_text("/proc/self/status"), re.M)
    return found[1] if found else ""


def user_id(host: Computer) -> str:
    """Return the id that this process acts as; a question mark when unknown."""
    ids = status(host, "Uid").split()  # real, effective, saved, of the file system
    return ids[1] if len(ids) > 1 else "?"


def holds(host: Computer, capability: int) -> bool:
    """Say whether a capability, by its bit, is effective."""
    return bool(int(status(host, "CapEff") or "0", 16) >> capability & 1)


def highest(host: Computer, limit: str) -> int:
    """Return what a machine's limit is set to on this computer.

    Root may raise its own hard limits where it holds CAP_SYS_RESOURCE; in a container
    it often does not, and a provider that tries cannot start the machine.

    Args:
        host: This computer.
        limit: ``nofile`` or ``nproc``.
    """
    if holds(host, SYS_RESOURCE):
        return LIMITS[limit]
    found = re.search(
        rf"^{_LABELS[limit]}\s+\S+\s+(\d+)", host.read_text("/proc/self/limits"), re.M
    )
    return min(LIMITS[limit], int(found[1])) if found else LIMITS[limit]


def how_to_raise(limit: str) -> str:
    """Return what to do where root itself may not raise a limit."""
    value = LIMITS[limit]
    return (
        f"write 'root hard {limit} {value}' into /etc/security/limits.conf and log in "
        "again; if this is a container, begin it anew with "
        f"--ulimit {limit}={value}:{value}"
    )


def foreign_routes(
    routes: str, plan: AddressPlan, bridge: str
) -> list[tuple[str, bool]]:
    """Return the foreign routes that meet a plan's ranges, and whether they clash.

    A wider route by way of a router does not: the lab's own routes win over it, and
    what it loses is only the lab's ranges. Nor does one of half of all addresses or so,
    with which a VPN takes the default route's place.

    Args:
        routes: What ``ip -json -4 route show table all`` printed.
        plan: The lab's addresses.
        bridge: The lab's own bridge, whose routes are not foreign.
    """
    taken = []
    for route in json.loads(routes or "[]"):
        if route["dst"] == "default" or route.get("dev") == bridge:
            continue
        network = IPv4Network(route["dst"], strict=False)
        met = [r for r in plan.ranges.all if r.overlaps(network)]
        own = route.get("type") == "unreachable" and network in plan.ranges.all
        if own or not met:
            continue
        routed = not _ROUTERS.isdisjoint(route)
        wide = any(r.subnet_of(network) for r in met) and (
            routed or network.prefixlen < _A_NETWORK
        )
        device = route.get("dev", route.get("type", "?"))
        taken.append((f"{network} by {device} meets {met[0]}", not wide))
    return taken
