"""Many requests: each is recorded, and there is an end to them."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from k8slab import probe
from k8slab.core.poll import until
from k8slab.errors import BadInput, Refused
from k8slab.kube.cluster import Cluster


@pytest.fixture
def port(cluster: Cluster) -> Iterator[int]:
    """Serve echo as two Pods in turn do, at the address of a machine of this lab."""
    server = socket.create_server(("127.0.0.1", 0), backlog=64)
    cluster.on("node1").address = "127.0.0.1"

    def serve() -> None:
        turn = 0
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            turn += 1
            name = b"echo-%d" % (turn % 2)
            with connection, connection.makefile("rb") as lines:
                connection.sendall(name + b"\n")
                connection.sendall(name + b": " + lines.readline())

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield server.getsockname()[1]
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join(5)


def sent(asking: probe.Asking, number: int) -> Callable[[], bool]:
    """Return a look whether so many requests were sent."""
    return lambda: len(asking.record.requests) >= number


def senders() -> list[threading.Thread]:
    """Return the threads that still send."""
    return [each for each in threading.enumerate() if "(send)" in each.name]


def test_each_request_is_recorded(port: int) -> None:
    """Who answered is counted by name, and all answered is true."""
    seen = probe.echoes("node1", port, count=6)

    assert (seen.ok, seen.pods) == (True, {"echo-0": 3, "echo-1": 3})
    assert seen.seen == "6 requests, all answered"
    assert [r.at_s for r in seen.requests] == sorted(r.at_s for r in seen.requests)


def test_failures_are_told_by_reason(cluster: Cluster) -> None:
    """Requests that nobody answers make the record false, and it says why."""
    cluster.on("node1").address = "127.0.0.1"
    seen = probe.echoes("node1", 1, count=2)

    assert (bool(seen), seen.pods, len(seen.failures)) == (False, {}, 2)
    assert str(seen) == "2 requests, 2 not answered: 2 connection refused"


def test_requests_go_on_during_a_block(port: int) -> None:
    """Requests and marks share one clock, and end with the block."""
    with probe.asking("node1", port, every=0.01) as asking:
        until(sent(asking, 5), what="five", want="5", timeout=10)
        asking.mark("half")
        until(sent(asking, 40), what="forty", want="40", timeout=10)
    record = asking.record

    assert record.ok
    assert [mark.what for mark in record.marks] == ["half"]
    assert 0 < record.marks[0].at_s < record.requests[-1].at_s
    assert asking.record == record


@pytest.mark.slow
def test_a_silent_server_does_not_stop_the_others(cluster: Cluster) -> None:
    """While some requests hang, the next ones are sent all the same."""
    cluster.on("node1").address = "127.0.0.1"
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        port = silent.getsockname()[1]
        began = time.monotonic()
        with probe.asking("node1", port, every=0.01, timeout=0.5) as asking:
            until(sent(asking, 12), what="twelve", want="12", timeout=10)
        took = time.monotonic() - began

    assert took < 4
    assert {each.failure for each in asking.record.failures} == {"no answer in time"}


@pytest.mark.slow
@pytest.mark.parametrize("limit", [{"count": 3}, {"seconds": 0.2, "every": 0.05}])
def test_requests_end_by_themselves(port: int, limit: dict[str, float]) -> None:
    """The count ends them, and so does the time, whatever the block does."""
    with probe.asking("node1", port, **limit) as asking:  # type: ignore[arg-type]
        until(sent(asking, 2), what="two", want="2", timeout=10)
        until(lambda: not senders(), what="the end", want="no sender", timeout=5)
        number = len(asking.record.requests)

    assert 2 <= number <= 5
    assert len(asking.record.requests) == number


def test_an_error_in_the_block_ends_the_requests(port: int) -> None:
    """No thread goes on after a block that failed."""
    with pytest.raises(KeyError), probe.asking("node1", port):
        raise KeyError

    assert senders() == []


@pytest.mark.parametrize(
    "wrong", [{"count": 0}, {"count": 2001}, {"seconds": 121}, {"every": 0}]
)
def test_limits_are_bounded(cluster: Cluster, wrong: dict[str, float]) -> None:
    """What would never end, or flood a lab, is refused before a packet is sent."""
    with (
        pytest.raises(BadInput, match="out of bounds"),
        probe.asking("node1", 1, **wrong),  # type: ignore[arg-type]
    ):
        pass


def test_targets_outside_the_lab_are_refused(cluster: Cluster) -> None:
    """Many requests are as careful as one."""
    with pytest.raises(Refused):
        probe.echoes("198.51.100.7", 80, count=1)
    with pytest.raises(Refused), probe.asking("198.51.100.7", 80):
        pass


def test_a_block_can_wait_for_the_last_request(port: int) -> None:
    """All requests that were asked for are there when it has finished."""
    with probe.asking("node1", port, count=30, every=0.01) as asking:
        asking.finish()
        number = len(asking.record.requests)

    assert number == 30


@pytest.mark.slow
def test_a_few_requests_are_not_waited_for_longer_than_they_take(port: int) -> None:
    """Nobody has a turn who has nothing to send."""
    began = time.monotonic()
    with probe.asking("node1", port, count=2, every=0.5) as asking:
        asking.finish()

    assert len(asking.record.requests) == 2
    assert time.monotonic() - began < 5
