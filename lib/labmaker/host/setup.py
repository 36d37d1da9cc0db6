"""Make this computer fit for a lab: its packages, its kernel's modules and a limit."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial

from k8slab.core.hints import command
from k8slab.core.phases import Ledger
from k8slab.core.poll import Clock
from k8slab.core.process import Completed, Runner
from k8slab.core.signals import deferred
from k8slab.errors import CommandFailed, CommandTimeout, HostProblem

from ..apt import installed, is_locked, once_free
from ..computer import Computer, ThisComputer
from . import kernel
from .doctor import INOTIFY, MACHINES, inotify_wanted

_APT = ("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet", "--yes")
_HERE = "this computer"
_FETCH_S = 3600.0
_UNPACK_S = 86_400.0
"""As good as no limit: dpkg must not be ended half way."""
_CURES = {
    "dpkg was interrupted": "let dpkg end what was interrupted, then repeat the "
    "command: dpkg --configure -a",
    "Failed to fetch": "see whether this computer reaches its mirror of Debian, then "
    "repeat the command",
    "Packages need to be removed": "one of them and what is installed here exclude "
    "each other, which is yours to decide; see what would go: apt-get --simulate "
    "{names}",
    "Unable to locate package": "see whether its sources are Debian's: "
    "/etc/apt/sources.list and /etc/apt/sources.list.d",
}
_ELSE = "mend what apt-get says, then repeat the command"


def prepare(
    names: Sequence[str],
    runner: Runner,
    ledger: Ledger,
    *,
    host: Computer | None = None,
) -> None:
    """Install what is missing, load what is a module, and raise what is too low.

    Args:
        names: The Debian packages that are needed.
        runner: Runs commands on this computer.
        ledger: Times and shows the phases.
        host: The computer; this one by default.

    Raises:
        CommandFailed: A package cannot be installed, or the limit not be written.
        NotReady: Another package manager is at work all the time.
        HostProblem: It is no Debian, or a module cannot be loaded.
    """
    host = host or ThisComputer()
    wanted = [*names, *kernel.packages(host)]
    _refuse_others(host, wanted)
    install(wanted, runner, ledger)
    kernel.load(host, runner, ledger)
    raise_inotify(runner, ledger, host=host)


def _refuse_others(host: Computer, names: Sequence[str]) -> None:
    """Refuse a computer whose packages are not Debian's, and name what it needs."""
    if host.has("dpkg-query"):
        return
    raise HostProblem(
        "this computer is no Debian, whose packages this installs",
        where=_HERE,
        wanted="the commands dpkg-query and apt-get",
        seen="no dpkg-query",
        next=f"install what these packages of Debian hold: {' '.join(names)}; "
        f"then see what this computer lacks: {command('doctor')}",
    )


def missing(names: Sequence[str], runner: Runner) -> list[str]:
    """Return which Debian packages are not installed.

    Args:
        names: The packages' names.
        runner: Runs ``dpkg-query`` on this computer.
    """
    there = installed(partial(runner.run, check=False), names)
    return [name for name in names if name not in there]


def install(
    names: Sequence[str],
    runner: Runner,
    ledger: Ledger,
    *,
    clock: Clock | None = None,
) -> None:
    """Install those Debian packages that are missing.

    They are fetched first, which may be ended at any time. What dpkg then does to them
    may not: it would leave this computer's own packages half configured.

    Args:
        names: The packages' names.
        runner: Runs ``apt-get`` on this computer.
        ledger: Times and shows the phases.
        clock: The clock; tests give their own.

    Raises:
        CommandFailed: A package cannot be installed.
        NotReady: Another package manager is at work all the time.
    """
    with ledger.phase("look for packages", _HERE) as phase:
        lacking = missing(names, runner)
        phase.unchanged("none is missing" if not lacking else " ".join(lacking))
    if not lacking:
        return
    wanted = ["--no-install-recommends", "--no-remove", "install", *lacking]
    for name, words, whole in (
        ("read the package lists", ["update"], False),
        ("fetch packages", ["--download-only", *wanted], False),
        ("install packages", wanted, True),
    ):
        with ledger.phase(name, _HERE):
            _apt(words, runner, ledger, whole=whole, clock=clock)


def _apt(
    words: Sequence[str],
    runner: Runner,
    ledger: Ledger,
    *,
    whole: bool,
    clock: Clock | None,
) -> None:
    """Run ``apt-get``, again and again while another package manager is at work.

    Its own option for that knows dpkg's lock alone, and would hold up Ctrl-C.

    Args:
        words: What follows ``apt-get``.
        runner: Runs it.
        ledger: Shows what is waited for.
        whole: Let it end, whatever comes: Ctrl-C, a closed terminal.
        clock: The clock; tests give their own.
    """

    def run() -> Completed:
        ended = "it is let end, for dpkg must not be cut in two"
        heard = deferred(lambda: ledger.tell(_HERE, ended)) if whole else nullcontext()
        with heard:
            done = runner.run(
                [*_APT, *words],
                check=False,
                timeout=_UNPACK_S if whole else _FETCH_S,
            )
        ledger.tell(_HERE, "waits for another" if is_locked(done) else "")
        return done

    try:
        once_free(run, _HERE, clock=clock)
    except CommandTimeout as error:
        error.next = "repeat the command: what was fetched stays"
        raise
    except CommandFailed as error:
        cures = (cure for said, cure in _CURES.items() if said in error.stderr)
        names = " ".join(word for word in words if not word.startswith("--"))
        error.next = next(cures, error.next or _ELSE).format(names=names)
        raise


def raise_inotify(
    runner: Runner,
    ledger: Ledger,
    *,
    host: Computer | None = None,
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
    with ledger.phase("inotify instances", _HERE) as phase:
        have, _, wanted = inotify_wanted(host or ThisComputer(), machines)
        if have >= wanted:
            phase.unchanged(f"{have} are allowed")
            return
        runner.run(["sysctl", "-w", f"{INOTIFY}={wanted}"])
        phase.changed(f"{have} were allowed, {wanted} are now, until the next boot")
