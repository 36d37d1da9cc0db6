"""Ask Debian's package manager, which another one may keep busy."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from k8slab.core.poll import Clock, until
from k8slab.core.process import Completed

_LOCKED = ("Could not get lock", "lock was locked")
"""What apt-get and dpkg say of another one's lock."""
_LOCKED_S = 600.0


def installed(
    run: Callable[[Sequence[str]], Completed], names: Sequence[str]
) -> dict[str, str]:
    """Return the installed version of each Debian package that is installed.

    Args:
        run: Runs ``dpkg-query``, whatever its exit code.
        names: The packages.
    """
    show = "--showformat=${Package} ${Version} ${Status}\\n"
    asked = run(["dpkg-query", "--show", show, *names])
    rows = (line.split() for line in asked.stdout.splitlines())
    return {row[0]: row[1] for row in rows if row[-1:] == ["installed"]}


def is_locked(done: Completed) -> bool:
    """Return whether a command ended at another one's lock."""
    return any(said in done.stderr for said in _LOCKED)


def once_free(
    run: Callable[[], Completed], where: str, *, clock: Clock | None = None
) -> Completed:
    """Run apt-get or dpkg again and again while another one holds its lock.

    As on a machine at its first boot, which upgrades itself.

    Args:
        run: Runs it once, whatever its exit code.
        where: The machine.
        clock: The clock; tests give their own.

    Raises:
        CommandFailed: It failed for another reason.
        NotReady: Another package manager is at work all the time.
    """
    return until(
        run,
        what="the packages are locked",
        want="no other package manager at work",
        timeout=_LOCKED_S,
        done=lambda done: not is_locked(done),
        where=where,
        next="another package manager is at work, such as unattended-upgrades; "
        "wait for it to end, then repeat the command",
        every=5,
        clock=clock,
    ).check()
