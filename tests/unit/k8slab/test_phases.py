"""The ledger of phases and those who show it."""

from __future__ import annotations

import errno
import io
import json
import re
import threading

import pytest
from rich.console import Console

from k8slab.core import poll
from k8slab.core.phases import Ledger, Live, Plain, reporter_for
from k8slab.errors import BadInput, HostProblem, InUse, LabError, PhaseFailed


def test_a_phase_is_changed_unless_it_says_otherwise() -> None:
    """Silence means changed; unchanged is said, with a remark."""
    ledger = Ledger()
    with ledger.phase("one", "node1"):
        pass
    with ledger.phase("two") as phase:
        phase.unchanged("already there")

    assert [(p.name, p.where, p.outcome, p.detail) for p in ledger.phases] == [
        ("one", "node1", "changed", ""),
        ("two", "lab", "unchanged", "already there"),
    ]


def test_a_failing_phase_is_told_and_raised() -> None:
    """The error goes on to the caller; the ledger keeps its first sentence."""
    ledger = Ledger()
    with pytest.raises(HostProblem), ledger.phase("disk"):
        raise HostProblem("there is no room", seen="1 GiB")

    assert (ledger.phases[0].outcome, ledger.phases[0].detail) == (
        "failed",
        "there is no room",
    )


def test_an_interrupt_fails_its_phase() -> None:
    """Ctrl-C is a failure too, and is not swallowed."""
    ledger = Ledger()
    with pytest.raises(KeyboardInterrupt), ledger.phase("disk"):
        raise KeyboardInterrupt

    assert ledger.phases[0].outcome == "failed"


def test_of_phases_side_by_side_the_first_to_end_is_the_reason() -> None:
    """Another one began before it and fails because of it."""
    ledger = Ledger()
    with (
        pytest.raises(PhaseFailed) as caught,
        ledger.shown(),
        ledger.phase("join", "node1"),
        ledger.phase("start", "master"),
    ):
        raise LabError("it does not answer", next="look")

    assert str(caught.value).startswith("phase 'start (master)' failed: it does not")
    assert caught.value.next == "look"


@pytest.mark.parametrize("error", [BadInput("no"), InUse("busy"), HostProblem("no")])
def test_what_was_asked_for_is_no_failure_of_a_phase(error: LabError) -> None:
    """It is told as it is."""
    ledger = Ledger()
    with pytest.raises(type(error)), ledger.shown(), ledger.phase("count", "here"):
        raise error


def test_phases_are_timed() -> None:
    """A phase knows when it began and how long it took, in seconds."""
    ledger = Ledger()
    clock = poll.SystemClock()
    with ledger.phase("first"):
        clock.sleep(0.02)
    with ledger.phase("second"):
        clock.sleep(0.03)
    first, second = ledger.phases

    assert 0.02 <= first.seconds <= second.started_s
    assert 0.03 <= second.seconds < 1
    assert ledger.total_s == second.started_s + second.seconds <= ledger.seconds


def test_phases_of_threads_are_all_kept() -> None:
    """Work in parallel loses no phase, and shows each once."""
    out = io.StringIO()
    ledger = Ledger(Plain(out))

    def work(name: str) -> None:
        with ledger.phase(name, "here"):
            pass

    names = [f"phase{n}" for n in range(30)]
    threads = [threading.Thread(target=work, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(p.name for p in ledger.phases) == sorted(names)
    shown = sorted(line.rpartition(": ")[2] for line in out.getvalue().splitlines())
    assert shown == sorted(names)


def test_a_log_hears_of_a_phase_that_takes_long() -> None:
    """How far it is, again and again, until its last line."""
    out = io.StringIO()
    ledger = Ledger(Plain(out, every_s=0.01))
    with ledger.phase("compile", "go-kubernetes"):
        ledger.tell("go-kubernetes", "812 of 2310 packages")
        ledger.tell("somebody else", "lost")
        clock = poll.SystemClock()
        latest = clock.now() + 5
        while out.getvalue().count("812") < 2 and clock.now() < latest:
            clock.sleep(0.01)
    *_, running, ended = out.getvalue().splitlines()

    assert running.startswith("  … ")
    assert running.endswith("s  go-kubernetes: compile (812 of 2310 packages)")
    assert ended.startswith("  ✔")


def test_a_log_has_one_line_for_each_phase() -> None:
    """The line has a mark, the time, the machine, the name and the remark."""
    out = io.StringIO()
    ledger = Ledger(Plain(out))
    with ledger.phase("hostname", "node1") as phase:
        phase.unchanged("node1")
    with pytest.raises(HostProblem), ledger.phase("disk"):
        raise HostProblem("full")

    one, two = out.getvalue().splitlines()
    assert re.fullmatch(r"  ·  {3}\d\.\d s  node1: hostname \(node1\)", one)
    assert re.fullmatch(r"  ✘  {3}\d\.\d s  lab: disk \(full\)", two)


def test_a_terminal_shows_each_phase_and_is_left_clean() -> None:
    """The live view keeps the finished lines; square brackets are text."""
    out = io.StringIO()
    ledger = Ledger(Live(Console(file=out, force_terminal=True, width=80)))
    with ledger.phase("write [lab] file", "node1"):
        pass
    ledger.close()

    assert out.getvalue().count("write [lab] file") >= 2
    assert "write  file" not in out.getvalue()
    assert out.getvalue().rstrip().endswith("\x1b[?25h")  # the cursor is back


class Closed(io.StringIO):
    """A terminal that was closed; the thread that draws in it is let be."""

    gone = False

    def write(self, text: str) -> int:
        """Refuse what this thread writes."""
        if self.gone and threading.current_thread() is threading.main_thread():
            raise OSError(errno.EIO, "Input/output error")
        return super().write(text)


def test_work_goes_on_in_a_terminal_that_was_closed() -> None:
    """Also where colours are forced: a phase that could not begin there ends well."""
    out = Closed()
    ledger = Ledger(Live(Console(file=out, force_terminal=True, width=80)))
    out.gone = True
    with ledger.phase("join", "node1"):
        ledger.tell("node1", "half way")
    ledger.close()

    assert [phase.outcome for phase in ledger.phases] == ["changed"]


def test_a_pipe_gets_plain_lines() -> None:
    """What is not a terminal gets no spinner."""
    assert isinstance(reporter_for(io.StringIO()), Plain)


class Terminal(io.StringIO):
    """A terminal that keeps what it shows."""

    def isatty(self) -> bool:
        """Say that it is one."""
        return True


@pytest.mark.parametrize(("term", "kind"), [("dumb", Plain), ("xterm", Live)])
def test_a_terminal_that_cannot_draw_gets_plain_lines(
    monkeypatch: pytest.MonkeyPatch, term: str, kind: type
) -> None:
    """A spinner would be left out there, and long work be silent."""
    monkeypatch.setenv("TERM", term)
    reporter = reporter_for(Terminal())
    reporter.close()

    assert isinstance(reporter, kind)


def test_the_ledger_is_readable_by_programs() -> None:
    """The JSON form has the total and every phase with its fields."""
    ledger = Ledger()
    with ledger.phase("one", "node1"):
        pass
    read = json.loads(ledger.as_json())

    assert read["total_s"] == round(ledger.total_s, 3)
    assert read["phases"][0].keys() >= {"name", "where", "started_s", "seconds"}
    assert read["phases"][0]["outcome"] == "changed"


def test_the_ledger_is_readable_as_a_table() -> None:
    """The table has one row a phase, with its remark."""
    ledger = Ledger()
    with ledger.phase("one", "node1") as phase:
        phase.changed("new")
    out = io.StringIO()
    Console(file=out, width=100).print(ledger.table())

    assert "changed (new)" in out.getvalue()
    assert "node1" in out.getvalue()
