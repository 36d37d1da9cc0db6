"""Make this computer fit for a lab: its packages, its kernel's modules and a limit."""

from __future__ import annotations

from collections.abc import Sequence

from k8slab.core.phases import Ledger
from k8slab.core.process import Runner

from ..computer import Host, ThisComputer
from . import kernel
from .doctor import INOTIFY, MACHINES, inotify_wanted

_APT = ("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet", "--yes")
_TIMEOUT_S = 900.0


def prepare(
    names: Sequence[str], runner: Runner, ledger: Ledger, *, host: Host | None = None
) -> None:
    """Install what is missing, load what is a module, and raise what is too low.

    Args:
        names: The Debian packages that are needed.
        runner: Runs commands on this computer.
        ledger: Times and shows the phases.
        host: The computer; this one by default.

    Raises:
        CommandFailed: A package cannot be installed, or the limit not be written.
        HostProblem: A module cannot be loaded.
    """
    host = host or ThisComputer()
    install([*names, *kernel.packages(host)], runner, ledger)
    kernel.load(host, runner, ledger)
    raise_inotify(runner, ledger, host=host)


def missing(names: Sequence[str], runner: Runner) -> list[str]:
    """Return which Debian packages are not installed.

    Args:
        names: The packages' names.
        runner: Runs ``dpkg-query`` on this computer.
    """
    show = "--showformat=${Package} ${db:Status-Status}\n"
    asked = runner.run(["dpkg-query", "--show", show, *names], check=False)
    rows = (line.split() for line in asked.stdout.splitlines())
    there = {row[0] for row in rows if row[1:] == ["installed"]}
    return [name for name in names if name not in there]


def install(names: Sequence[str], runner: Runner, ledger: Ledger) -> None:
    """Install those Debian packages that are missing.

    Args:
        names: The packages' names.
        runner: Runs ``apt-get`` on this computer.
        ledger: Times and shows the phases.

    Raises:
        CommandFailed: A package cannot be installed.
    """
    with ledger.phase("look for packages", "this computer") as phase:
        lacking = missing(names, runner)
        phase.unchanged("none is missing" if not lacking else " ".join(lacking))
    if not lacking:
        return
    with ledger.phase("read the package lists", "this computer"):
        runner.run([*_APT, "update"], timeout=_TIMEOUT_S)
    with ledger.phase("install packages", "this computer"):
        install = ["install", "--no-install-recommends", *lacking]
        runner.run([*_APT, *install], timeout=_TIMEOUT_S)


def raise_inotify(
    runner: Runner,
    ledger: Ledger,
    *,
    host: Host | None = None,
    machines: int = MACHINES,
) -> None:
    """Allow as many inotify instances as a lab needs beside all else, until a boot.

    Each systemd, containerd and kubelet holds a few; one lab takes about 45 of the
    128 that a kernel allows by default, and without one containerd has no CRI. It is
    left as it is then: other labs may have come to need it.

    Args:
        runner: Runs ``sysctl`` on this computer.
        ledger: Times and shows the phases.
        host: The computer; this one by default.
        machines: How many the lab has, the depot included.

    Raises:
        CommandFailed: The limit cannot be written.
    """
    with ledger.phase("inotify instances", "this computer") as phase:
        have, _, wanted = inotify_wanted(host or ThisComputer(), machines)
        if have >= wanted:
            phase.unchanged(f"{have} are allowed")
            return
        runner.run(["sysctl", "-w", f"{INOTIFY}={wanted}"])
        phase.changed(f"{have} were allowed, {wanted} are now, until the next boot")
