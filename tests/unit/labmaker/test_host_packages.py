"""Setup leaves this computer's packages whole, and says what to do where it fails."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from fakes.clock import FakeClock
from fakes.host import FakeHost
from paths import ROOT

from k8slab.core.phases import Ledger, Phase, Silent
from k8slab.core.process import Completed, LocalRunner
from k8slab.errors import CommandFailed, CommandTimeout, HostProblem, NotReady
from labmaker.host import setup

LISTS = "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 7 (apt)"
FRONTEND = "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 7"
INTERRUPTED = "E: dpkg was interrupted, you must manually run 'dpkg --configure -a'"
MIRROR = "E: Failed to fetch http://mirror.example/x.deb  Could not connect"
SOURCES = "E: Unable to locate package socat"
REMOVED = "E: Packages need to be removed but remove is disabled."
KEEPS = ("--no-install-recommends", "--no-remove")


class Apt:
    """A Debian that lacks every package.

    Args:
        complaints: What ``apt-get`` fails with, one call after the other; then it
            works. An empty one is a call that works.
    """

    where = "this computer"

    def __init__(self, *complaints: str) -> None:
        self.complaints = list(complaints)
        self.calls: list[tuple[str, ...]] = []
        self.limits: list[float] = []

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float = 0,
        check: bool = True,
        **_: object,
    ) -> Completed:
        """Answer as apt-get does."""
        if argv[0] == "dpkg-query":
            return Completed(tuple(argv), self.where, 1, "", "", 0.0)
        self.calls.append(tuple(argv))
        self.limits.append(timeout)
        said = self.complaints.pop(0) if self.complaints else ""
        done = Completed(tuple(argv), self.where, 100 if said else 0, "", said, 0.0)
        return done.check() if check else done


class Told(Silent):
    """Keeps what is told while a phase runs."""

    def __init__(self) -> None:
        self.details: list[str] = []

    def moved(self, phase: Phase) -> None:
        """Keep it."""
        self.details.append(phase.detail)


def test_packages_are_fetched_before_dpkg_is_called() -> None:
    """Fetching may be ended at any time, and has a limit; dpkg has as good as none."""
    apt = Apt()
    setup.install(["podman"], apt, Ledger())

    assert [call[5:] for call in apt.calls] == [
        ("update",),
        ("--download-only", *KEEPS, "install", "podman"),
        (*KEEPS, "install", "podman"),
    ]
    assert apt.limits[:2] == [3600, 3600]
    assert apt.limits[2] >= 24 * 3600


@pytest.mark.parametrize("held", [LISTS, FRONTEND])
@pytest.mark.parametrize("at", [0, 1, 2], ids=["update", "fetch", "install"])
def test_another_package_manager_is_waited_for(held: str, at: int) -> None:
    """As on a new machine, which upgrades itself first; the reader sees it."""
    clock, told = FakeClock(), Told()
    apt = Apt(*[""] * at, held, held)
    setup.install(["podman"], apt, Ledger(told), clock=clock)

    assert len(apt.calls) == 3 + 2
    assert len(clock.slept) == 2
    assert "waits for another" in told.details


def test_one_that_never_ends_is_told() -> None:
    """After ten minutes, with what holds the lock."""
    clock = FakeClock()
    with pytest.raises(NotReady) as caught:
        setup.install(["podman"], Apt(*[LISTS] * 1000), Ledger(), clock=clock)

    assert sum(clock.slept) == 600
    assert "held by process 7" in caught.value.seen
    assert "wait for it to end" in caught.value.next


@pytest.mark.parametrize(
    ("complaint", "cure"),
    [
        (INTERRUPTED, "dpkg --configure -a"),
        (MIRROR, "mirror"),
        (SOURCES, "sources.list"),
        (REMOVED, "see what would go: apt-get --simulate install podman"),
        ("E: something else", "mend what apt-get says"),
    ],
)
def test_each_failure_has_a_next_step(complaint: str, cure: str) -> None:
    """It is not tried again: only a lock goes away by itself."""
    apt = Apt("", "", complaint)
    with pytest.raises(CommandFailed) as caught:
        setup.install(["podman"], apt, Ledger())

    assert complaint in caught.value.seen
    assert cure in caught.value.next
    assert len(apt.calls) == 3


def test_a_slow_mirror_has_a_next_step() -> None:
    """What was fetched stays, so another try goes on."""

    class Slow(Apt):
        def run(self, argv: Sequence[str], **options: object) -> Completed:
            """Take too long to fetch."""
            if "--download-only" in argv:
                raise CommandTimeout(argv, where=self.where, timeout=3600)
            return super().run(argv, **options)  # type: ignore[arg-type]

    with pytest.raises(CommandTimeout) as caught:
        setup.install(["podman"], Slow(), Ledger())

    assert caught.value.next.startswith("repeat the command")


SLOW = """\
#!/bin/sh
case "$*" in
*--download-only*) [ "$END_AT" = fetch ] || exit 0 ;;
*install*) [ "$END_AT" = install ] || exit 0 ;;
*) exit 0 ;;
esac
echo begun >> log
kill -INT $PPID
sleep 1
echo ended >> log
"""


@pytest.mark.parametrize(
    ("at", "log"), [("fetch", ["begun"]), ("install", ["begun", "ended"])]
)
def test_ctrl_c_lets_dpkg_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str, log: list[str]
) -> None:
    """Fetching is ended at once; it is said that the rest is not."""
    for name, text in (("apt-get", SLOW), ("dpkg-query", "#!/bin/sh\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("END_AT", at)
    told = Told()
    with pytest.raises(KeyboardInterrupt):
        setup.install(["podman"], LocalRunner(cwd=tmp_path), Ledger(told))

    assert (tmp_path / "log").read_text().split() == log
    assert any("dpkg" in each for each in told.details) == (at == "install")


def test_another_system_is_told_what_to_install() -> None:
    """As Fedora or Arch, where nothing is tried."""
    host = FakeHost()
    host.commands.discard("dpkg-query")
    with pytest.raises(HostProblem, match="no Debian") as caught:
        setup.prepare(["podman", "socat"], host, Ledger(), host=host)

    assert "podman socat" in caught.value.next
    assert host.asked == []


FLAKY = """\
#!/bin/bash
echo "$*" >> log
case "$*" in
*update*)
  [ -n "$LATE" ] && [ "$(grep -c update log)" -ge 3 ] && touch fresh && exit 0
  [ -z "$LATE" ] && echo 'E: no network' >&2 && exit 100
  echo 'E: Could not get lock /var/lib/apt/lists/lock' >&2; exit 100 ;;
*) [ -e fresh ] || exit 100 ;;
esac
"""


def recipe() -> str:
    """Return the Makefile's lines that install a Python's venv, as a shell has them."""
    text = (ROOT / "Makefile").read_text("utf-8")
    lines = text.partition('  echo "installing $$python-venv"\n')[2]
    return lines.partition("\n\tfi\n")[0].replace("$$", "$").replace("\t", "")


@pytest.mark.parametrize(
    ("late", "updates", "code"), [("yes", 3, 0), ("", 1, 100)], ids=["held", "broken"]
)
def test_make_waits_for_another_package_manager(
    tmp_path: Path, late: str, updates: int, code: int
) -> None:
    """Not where the lists cannot be read for another reason, which is shown."""
    for name, text in (("apt-get", FLAKY), ("sleep", "#!/bin/sh\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin", "LATE": late, "python": "python3"}
    done = subprocess.run(
        ["bash", "--norc", "-euo", "pipefail", "-c", recipe()],
        cwd=tmp_path,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    calls = (tmp_path / "log").read_text().splitlines()

    assert (done.returncode, "no network" in done.stderr) == (code, not late)
    assert len([call for call in calls if "update" in call]) == updates
    assert "-oDPkg::Lock::Timeout=600" in calls[-1]
