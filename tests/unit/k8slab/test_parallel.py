"""Side by side: results in order, and nothing at work after the end."""

import signal
import threading
from typing import Any

import pytest

from k8slab.core.parallel import in_parallel


def test_results_come_in_the_order_of_the_tasks() -> None:
    """Whichever ends first."""
    second = threading.Event()

    def first() -> Any:
        return second.wait(10) and "first"

    def other() -> str:
        second.set()
        return "second"

    assert in_parallel([first, other]) == ["first", "second"]


def test_a_failure_aborts_the_others_and_is_raised() -> None:
    """The other task ends before the error reaches the caller."""
    stop, ended = threading.Event(), []

    def fail() -> None:
        raise ValueError("mine")

    def wait() -> None:
        ended.append(stop.wait(10))

    with pytest.raises(ValueError, match="mine"):
        in_parallel([wait, fail], abort=stop.set)
    assert ended == [True]


def test_ctrl_c_while_a_thread_starts_leaves_nothing_at_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In the one moment in which a thread runs that its pool does not know yet."""
    stop, ended = threading.Event(), []
    start = threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        start(thread)
        monkeypatch.undo()
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        in_parallel([lambda: ended.append(stop.wait(10))] * 2, abort=stop.set)
    assert ended == [True, True]


def test_a_second_ctrl_c_waits_for_the_end() -> None:
    """While the others are being ended it changes nothing."""
    ended = []

    def abort() -> None:
        signal.raise_signal(signal.SIGINT)
        ended.append("aborted")

    def fail() -> None:
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        in_parallel([fail], abort=abort)
    assert ended == ["aborted"]
