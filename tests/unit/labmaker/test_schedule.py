"""Steps run when what they need is done, and not at all after a failure."""

from __future__ import annotations

import signal
import threading

import pytest

from k8slab.core.phases import Ledger
from labmaker.schedule import Schedule

TIMEOUT_S = 10


def test_a_step_comes_after_all_that_it_needs() -> None:
    """In whichever order they were added."""
    order: list[str] = []
    schedule = Schedule(Ledger())
    schedule.add("c", lambda: order.append("c"), needs=("a", "b"))
    schedule.add("b", lambda: order.append("b"), needs=("a",))
    schedule.add("a", lambda: order.append("a"))
    schedule.run()

    assert order == ["a", "b", "c"]


def test_steps_that_need_nothing_of_each_other_run_side_by_side() -> None:
    """Each of the two waits until the other has begun."""
    meeting = threading.Barrier(2)
    schedule = Schedule(Ledger())

    def meet() -> None:
        meeting.wait(TIMEOUT_S)

    for name in ("a", "b"):
        schedule.add(name, meet)
    schedule.run()

    assert not meeting.broken


def test_a_milestone_lets_others_begin_while_its_step_still_runs() -> None:
    """The step ends only after the one that needs its milestone."""
    used = threading.Event()
    seen: list[bool] = []
    schedule = Schedule(Ledger())

    def init() -> None:
        schedule.reach("token")
        seen.append(used.wait(TIMEOUT_S))

    schedule.add("init", init, milestones=("token",))
    schedule.add("join", used.set, needs=("token",))
    schedule.run()

    assert seen == [True]


def test_a_milestone_is_passed_at_the_end_of_its_step_at_the_latest() -> None:
    """A step that finds nothing to do never comes to tell it."""
    joined: list[str] = []
    schedule = Schedule(Ledger())
    schedule.add("init", lambda: False, milestones=("token",))
    schedule.add("join", lambda: joined.append("node1"), needs=("token",))
    schedule.run()

    assert joined == ["node1"]


def test_a_lane_runs_no_more_steps_at_a_time_than_it_may() -> None:
    """Three steps of a lane for one; others go on beside it."""
    busy = threading.Lock()
    alone: list[bool] = []

    def compiles() -> None:
        alone.append(busy.acquire(blocking=False))
        beside.wait(TIMEOUT_S)
        busy.release()

    beside = threading.Event()
    schedule = Schedule(Ledger(), lanes={"compiler": 1})
    for name in ("a", "b", "c"):
        schedule.add(name, compiles, lane="compiler")
    schedule.add("d", beside.set)
    schedule.run()

    assert alone == [True, True, True]


def test_a_failure_ends_the_others_and_nothing_new_begins() -> None:
    """What runs is aborted, waited for, and the first error is raised."""
    stop = threading.Event()
    done: list[str] = []

    def runs() -> None:
        done.append("ended" if stop.wait(TIMEOUT_S) else "forgotten")

    def fails() -> None:
        raise ValueError("mine")

    schedule = Schedule(Ledger(), abort=stop.set, lanes={"one": 1})
    schedule.add("runs", runs, lane="one")
    schedule.add("queued", lambda: done.append("queued"), lane="one")
    schedule.add("next", lambda: done.append("next"), needs=("runs",))
    schedule.add("fails", fails)
    with pytest.raises(ValueError, match="mine"):
        schedule.run()

    assert done == ["ended"]


def test_ctrl_c_ends_what_runs_also_when_it_comes_twice() -> None:
    """The second one comes while the others are being ended."""
    stop = threading.Event()
    done: list[str] = []

    def abort() -> None:
        signal.raise_signal(signal.SIGINT)
        stop.set()

    def runs() -> None:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        done.append("ended" if stop.wait(TIMEOUT_S) else "forgotten")

    schedule = Schedule(Ledger(), abort=abort)
    schedule.add("runs", runs)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            schedule.run()
    finally:
        signal.signal(signal.SIGINT, before)

    assert done == ["ended"]


def test_a_step_is_a_phase_with_its_place_and_outcome() -> None:
    """One that names no phase shows its own."""
    ledger = Ledger()
    schedule = Schedule(ledger)
    schedule.add("a", lambda: True, what="make it", where="node1")
    schedule.add("b", lambda: False, what="see it", where="node1", needs=("a",))
    schedule.add("c", lambda: None, needs=("b",))
    schedule.run()
    seen = [(phase.name, phase.where, phase.outcome) for phase in ledger.phases]

    assert seen == [("make it", "node1", "changed"), ("see it", "node1", "unchanged")]


def test_what_cannot_be_ordered_is_refused_before_anything_begins() -> None:
    """A circle, and a need that nobody adds."""
    begun: list[str] = []
    circle, lonely = Schedule(Ledger()), Schedule(Ledger())
    circle.add("first", lambda: begun.append("first"))
    circle.add("a", lambda: None, needs=("b",))
    circle.add("b", lambda: None, needs=("a",))
    lonely.add("first", lambda: begun.append("first"))
    lonely.add("a", lambda: None, needs=("nobody",))

    with pytest.raises(ValueError, match="cycle"):
        circle.run()
    with pytest.raises(ValueError, match="'a' needs 'nobody'"):
        lonely.run()
    assert begun == []


def test_a_name_means_one_thing() -> None:
    """Neither a step nor a milestone has the name of another."""
    schedule = Schedule(Ledger())
    schedule.add("init", lambda: None, milestones=("token",))

    with pytest.raises(ValueError, match="'token'"):
        schedule.add("token", lambda: None)
