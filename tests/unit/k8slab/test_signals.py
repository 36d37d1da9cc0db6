"""What Ctrl-C means while something must not be cut in two."""

from __future__ import annotations

import errno
import io
import signal
from collections.abc import Callable

import pytest
from rich.console import Console

from k8slab.core.phases import Ledger, Live, Plain, Reporter
from k8slab.core.signals import ENDS, deferred, terminable, undisturbed


@pytest.mark.parametrize("fails", [False, True])
def test_an_interrupt_waits_for_the_end_of_the_block(fails: bool) -> None:
    """It comes when the block is over, also where that ends with an error."""
    ended = []

    def block() -> None:
        with deferred():
            signal.raise_signal(signal.SIGINT)
            ended.append(True)
            if fails:
                raise ValueError

    with pytest.raises(KeyboardInterrupt):
        block()
    assert ended == [True]


def test_whoever_waits_is_told_once() -> None:
    """When the first end comes; a terminal that is closed takes no word of it."""
    told = []

    def tell() -> None:
        told.append(True)
        raise OSError(errno.EIO, "Input/output error")

    def block() -> None:
        with deferred(tell):
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            told.append(False)

    with pytest.raises(KeyboardInterrupt):
        block()
    assert told == [True, False]


@pytest.mark.parametrize("number", ENDS, ids=[each.name for each in ENDS])
def test_every_end_is_an_interrupt_that_is_cleaned_up_after(
    number: signal.Signals,
) -> None:
    """A kill, and a terminal that is closed; outside of the block they end at once."""
    before = signal.getsignal(number)
    undone = []

    def work() -> None:
        try:
            with terminable():
                signal.raise_signal(number)
        finally:
            undone.append(True)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert (undone, signal.getsignal(number)) == ([True], before)


@pytest.mark.parametrize("number", ENDS, ids=[each.name for each in ENDS])
def test_no_end_cuts_a_removal_in_two(number: signal.Signals) -> None:
    """A terminal that is closed while a lab is removed changes nothing."""
    removed = []
    with terminable(), undisturbed():
        signal.raise_signal(number)
        removed.append(True)

    assert removed == [True]


@pytest.mark.parametrize("number", ENDS, ids=[each.name for each in ENDS])
def test_an_end_waits_for_what_must_not_be_cut(number: signal.Signals) -> None:
    """A process that was started is known before the end is heard."""
    known = []

    def work() -> None:
        with terminable(), deferred():
            signal.raise_signal(number)
            known.append(True)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert known == [True]


def test_a_command_under_nohup_goes_on() -> None:
    """What its caller ignores is ignored, and put back as it was."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with terminable():
            signal.raise_signal(signal.SIGHUP)
        with deferred():
            signal.raise_signal(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


class Closed(io.StringIO):
    """A terminal that was closed: whoever writes to it fails."""

    def write(self, text: str) -> int:
        """Fail as the system does."""
        raise OSError(errno.EIO, "Input/output error")


@pytest.mark.parametrize("make", [Plain, lambda stream: Live(Console(file=stream))])
def test_phases_go_on_without_their_terminal(
    make: Callable[[io.StringIO], Reporter],
) -> None:
    """What undoes a lab is not stopped by the line that tells of it."""
    ledger = Ledger(make(Closed()))
    with ledger.phase("remove", "here"):
        pass
    ledger.close()

    assert [phase.outcome for phase in ledger.phases] == ["changed"]
