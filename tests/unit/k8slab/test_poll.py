"""Waiting for a state, with a clock that takes no time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from fakes.clock import FakeClock

from k8slab.core import poll
from k8slab.core.poll import SystemClock
from k8slab.errors import BadInput, NotReady


def test_a_state_that_is_there_is_returned_at_once() -> None:
    """Nothing sleeps when the first look shows the wanted state."""
    clock = FakeClock()
    seen = poll.until(lambda: "up", what="it", want="up", timeout=5, clock=clock)

    assert (seen, clock.slept) == ("up", [])


def test_the_state_that_was_waited_for_is_returned() -> None:
    """The value of the look that satisfied the condition comes back."""
    clock = FakeClock()
    numbers = iter(range(10))
    seen = poll.until(
        lambda: next(numbers),
        what="the number",
        want="3",
        timeout=5,
        done=lambda number: number == 3,
        every=0.5,
        clock=clock,
    )

    assert (seen, clock.slept) == (3, [0.5, 0.5, 0.5])


def test_a_deadline_names_what_was_wanted_and_seen() -> None:
    """The error tells the object, the state wanted, the one last seen, the time."""
    clock = FakeClock()
    with pytest.raises(NotReady) as caught:
        poll.until(
            lambda: f"starting at {clock.now():g}",
            what="unit kubelet",
            want="active",
            timeout=2,
            done=lambda state: state == "active",
            where="node1",
            next="look at the journal",
            every=0.5,
            clock=clock,
        )

    error = caught.value
    assert error.what == "unit kubelet: not within 2 s"
    assert (error.wanted, error.seen) == ("active", "starting at 102")
    assert (error.where, error.next) == ("node1", "look at the journal")
    assert error.waited_s == 2


def test_a_wait_looks_once_more_at_its_deadline() -> None:
    """A wait shorter than its step still waits its whole time."""
    clock = FakeClock()
    seen = poll.until(
        lambda: clock.now() >= 105,
        what="it",
        want="there",
        timeout=5,
        every=60,
        clock=clock,
    )

    assert (seen, clock.slept) == (True, [5])


def test_a_state_that_cannot_come_ends_the_wait() -> None:
    """A reason to fail ends the wait long before its deadline."""
    clock = FakeClock()
    states = iter(["starting", "crashed", "crashed"])
    with pytest.raises(NotReady, match="it cannot come") as caught:
        poll.until(
            lambda: next(states),
            what="the unit",
            want="active",
            timeout=600,
            done=lambda state: state == "active",
            failed=lambda state: "it crashed" if state == "crashed" else None,
            clock=clock,
        )

    assert (caught.value.seen, len(clock.slept)) == ("it crashed", 1)


def test_a_wanted_state_wins_over_a_reason_to_fail() -> None:
    """A state that is the wanted one is never called a failure."""
    seen = poll.until(
        lambda: "done", what="it", want="done", timeout=1, failed=lambda _: "no"
    )

    assert seen == "done"


def test_an_error_while_looking_is_not_swallowed() -> None:
    """A look that raises ends the wait with its own error."""
    with pytest.raises(ZeroDivisionError):
        poll.until(lambda: 1 // 0, what="it", want="there", timeout=1)


def test_a_part_that_is_not_there_yet_is_waited_for() -> None:
    """An API leaves out what is zero or empty, and a look finds nothing at first."""
    states: list[dict[str, Any]] = [{}, {"ready": None}, {"ready": 2}, {"ready": 3}]
    seen = poll.until(
        iter(states).__next__,
        what="it",
        want="3 ready",
        timeout=5,
        done=lambda state: state["ready"] > 2,
        failed=lambda state: "too many" if state["ready"] > 3 else None,
        clock=FakeClock(),
    )
    found = iter([[], ["echo-1"]])
    first = poll.until(
        lambda: next(found)[0], what="it", want="one", timeout=5, clock=FakeClock()
    )

    assert (seen, first) == ({"ready": 3}, "echo-1")


def test_a_part_that_never_comes_is_named_at_the_deadline() -> None:
    """By Python's own words, with the state where there is one."""
    empty: dict[str, Any] = {}
    want: Any = {"what": "it", "want": "ready", "timeout": 1}
    with pytest.raises(NotReady) as looked:
        poll.until(lambda: empty["ready"], clock=FakeClock(), **want)
    with pytest.raises(NotReady) as judged:
        poll.until(
            lambda: {"phase": "new"},
            done=lambda state: state["ready"] == "yes",
            failed=lambda state: state["ready"],
            clock=FakeClock(),
            **want,
        )

    assert looked.value.seen == "KeyError: 'ready'"
    assert isinstance(looked.value.__cause__, KeyError)
    assert judged.value.seen == "KeyError: 'ready'\n{'phase': 'new'}"


def test_a_reason_ends_the_wait_though_a_part_is_missing() -> None:
    """What says that it failed is asked, too."""
    with pytest.raises(NotReady, match="it cannot come") as caught:
        poll.until(
            lambda: {"failed": True},
            what="it",
            want="ready",
            timeout=5,
            done=lambda state: state["ready"],
            failed=lambda state: "it failed" if state["failed"] else None,
            clock=FakeClock(),
        )

    assert caught.value.seen == "it failed"


def test_a_slip_of_the_pen_is_not_waited_for() -> None:
    """What no state has will not come."""
    with pytest.raises(AttributeError):
        poll.until(lambda: "up".redy, what="it", want="up", timeout=1)  # type: ignore[attr-defined]


def test_a_part_of_an_object_that_is_none_is_waited_for() -> None:
    """As the official client has it: a Pod that no machine runs yet has no statuses."""
    pods: list[Any] = [
        SimpleNamespace(state=None),
        SimpleNamespace(state=SimpleNamespace(running=None)),
        SimpleNamespace(state=SimpleNamespace(running=SimpleNamespace(since="now"))),
    ]
    looks, states = iter(pods), iter(pods)
    want: Any = {"what": "it", "want": "running", "timeout": 5}
    looked = poll.until(
        lambda: next(looks).state.running.since, clock=FakeClock(), **want
    )
    judged = poll.until(
        lambda: next(states),
        done=lambda pod: pod.state.running.since == "now",
        clock=FakeClock(),
        **want,
    )

    assert (looked, judged) == ("now", pods[2])


def test_the_real_clock_lets_time_pass() -> None:
    """Without a clock of its own a wait takes real time."""
    clock = SystemClock()
    started = clock.now()
    with pytest.raises(NotReady):
        poll.until(lambda: False, what="it", want="there", timeout=0.05, every=0.01)

    assert 0.05 <= clock.now() - started < 1


class Later:
    """What a coroutine is, without the warning that nobody awaited it."""

    def __await__(self) -> Iterator[object]:
        """Give it at once."""
        return iter(())


@pytest.mark.parametrize("how", ["look", "done"])
@pytest.mark.parametrize(
    ("say", "way"),
    [
        (lambda: (each for each in range(0)), "call it"),
        (lambda: "1".isdigit, "call it"),
        (Later, "await"),
        (lambda: (False, "hint"), "alone"),
    ],
    ids=["generator", "function", "coroutine", "pair"],
)
def test_a_verdict_that_is_always_true_is_refused(
    say: Callable[[], Any], way: str, how: str
) -> None:
    """It would end the wait at once, though nothing was seen."""
    clock = FakeClock()
    given: dict[str, Any] = {"done": lambda _: say()} if how == "done" else {}
    look = (lambda: "up") if how == "done" else say
    with pytest.raises(BadInput, match="this is always true") as caught:
        poll.until(look, what="it", want="up", timeout=5, clock=clock, **given)

    assert way in caught.value.next
    assert clock.slept == []


def test_a_state_that_done_judges_may_be_anything() -> None:
    """Only the verdict is true or false; without one, other tuples are states, too."""
    want: dict[str, Any] = {"what": "it", "want": "up", "timeout": 1}
    pair = poll.until(lambda: (0, "up"), done=lambda seen: seen[1] == "up", **want)

    assert pair == (0, "up")
    assert poll.until(lambda: ("a", "b"), **want) == ("a", "b")


def test_a_value_is_not_waited_for() -> None:
    """It would be the same until the deadline."""
    pods: Any = False
    with pytest.raises(BadInput, match="does not change") as caught:
        poll.until(pods, what="Pods", want="3", timeout=60)

    assert caught.value.next == "put lambda: in front of it"


@pytest.mark.parametrize("no", [False, "", 0, None])
def test_a_no_is_no_reason_to_fail(no: object) -> None:
    """Only a reason in words, or a yes, ends a wait."""
    clock, numbers = FakeClock(), iter(range(9))
    seen = poll.until(
        lambda: next(numbers),
        what="x",
        want="3",
        timeout=5,
        done=lambda n: n == 3,
        failed=lambda n: no,  # type: ignore[arg-type, return-value]
        clock=clock,
    )
    with pytest.raises(NotReady, match="it cannot come") as caught:
        poll.until(
            lambda: 0,
            what="x",
            want="3",
            timeout=5,
            done=lambda n: n == 3,
            failed=lambda n: True,  # type: ignore[arg-type, return-value]
            clock=clock,
        )

    assert seen == 3
    assert "what 'failed' looks for is there" in str(caught.value)


@pytest.mark.parametrize(
    "asked",
    [
        {"done": True},
        {"done": "Complete"},
        {"done": lambda: True},
        {"failed": lambda a, b: ""},
        {"look": lambda x: x},
    ],
)
def test_what_cannot_be_asked_is_not_waited_for(asked: dict[str, Any]) -> None:
    """Its error would count as a part that is not there yet, up to the deadline."""
    given = {"look": lambda: 0, "done": bool, **asked}
    with pytest.raises(BadInput, match="is a function that is called with"):
        poll.until(given.pop("look"), what="x", want="3", timeout=30, **given)
