"""Describe the computer and the versions a measurement was made with."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path

from k8slab.core.env import Environment
from k8slab.core.process import LocalRunner
from labmaker.bundle import opened
from labmaker.providers import provider_of

from .report import Section

ROOT = Path(__file__).resolve().parents[1]


def load() -> float:
    """Return how many processes wanted a core in the last minute, on average."""
    return os.getloadavg()[0]


def commit() -> str:
    """Return which state of this repository is measured."""
    git = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    return LocalRunner().run(git).stdout.strip()


def describe(runs: int, trials: int) -> Section:
    """Return what all figures have in common: date, computer, versions.

    Args:
        runs: How often each thing is measured.
        trials: How often each wait is.
    """
    known = opened().versions
    provider = provider_of(Environment.read().provider, "b")
    rows = {
        "begun": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "runs": f"{runs} each; waits: {trials} each",
        "cores": f"{os.cpu_count()}, {_field('/proc/cpuinfo', 'model name')}",
        "memory": f"{int(_field('/proc/meminfo', 'MemTotal').split()[0]) >> 10} MiB",
        "load at the start": f"{load():.1f} (an idle computer has about 0)",
        "kernel": f"{platform.release()}, cgroup v{_cgroup_version()}",
        "provider": f"{provider.name} {provider.about().version}",
        "Python": platform.python_version(),
        "this repository": commit(),
        "Kubernetes": known.kubernetes,
        "etcd": known.of("etcd"),
        "containerd": known.of("containerd"),
        "CoreDNS": known.of("coredns"),
        "machines": f"master and 2 workers, Debian {known.debian}; a depot beside",
    }
    section = Section("What was measured with what")
    section.table(["", ""], [[name, value] for name, value in rows.items()])
    return section


def _field(file: str, name: str) -> str:
    lines = Path(file).read_text().splitlines()
    found = (line.partition(":")[2].strip() for line in lines if line.startswith(name))
    return next(found, "unknown")


def _cgroup_version() -> int:
    return 2 if Path("/sys/fs/cgroup/cgroup.controllers").exists() else 1
