"""Say what is left of what a container may have, where this computer is one.

Only the limits of the topmost cgroup that is seen here count: an engine makes those of
machines below it, and not below the cgroup of the session that asks for a lab.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..computer import Computer


@dataclass(frozen=True)
class _Version:
    """Where a version of cgroups tells its limits.

    Attributes:
        memory: The folder with what concerns memory.
        most: The file in it that says how much there may be.
        used: The file in it that says how much there is.
        cache: How the names begin under which that tells what can be given back.
        pids: The folder with what concerns processes.
    """

    memory: str
    most: str
    used: str
    cache: str
    pids: str


_TOP = "/sys/fs/cgroup"
_VERSIONS = (
    _Version(_TOP, "memory.max", "memory.current", "", _TOP),
    _Version(
        f"{_TOP}/memory",
        "memory.limit_in_bytes",
        "memory.usage_in_bytes",
        "total_",
        f"{_TOP}/pids",
    ),
)


def memory(host: Computer) -> int | None:
    """Return the bytes that a container may still take; None without a limit."""
    for each in _VERSIONS:
        most = _number(host, f"{each.memory}/{each.most}")
        used = _number(host, f"{each.memory}/{each.used}")
        if most is not None and used is not None:
            told = _text(host, f"{each.memory}/memory.stat")
            # Files that were read count as used, and are dropped when room is needed.
            cached = re.findall(rf"^{each.cache}(?:in)?active_file (\d+)$", told, re.M)
            return most - used + sum(map(int, cached))
    return None


def processes(host: Computer) -> int | None:
    """Return how many a container may still begin; None without a limit."""
    for each in _VERSIONS:
        most = _number(host, f"{each.pids}/pids.max")
        there = _number(host, f"{each.pids}/pids.current")
        if most is not None and there is not None:
            return most - there
    return None


def _number(host: Computer, path: str) -> int | None:
    """Return the number in a file; None where it is "max", or not there."""
    text = _text(host, path).strip()
    return int(text) if text.isdigit() else None


def _text(host: Computer, path: str) -> str:
    try:
        return host.read_text(path)
    except OSError:
        return ""
