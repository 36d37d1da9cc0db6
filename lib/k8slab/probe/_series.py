"""Send many echo requests and record who answered each."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

from ..core import given
from ..core.marks import Mark
from ..core.patience import stretched
from ..kube import current
from ..kube.cluster import Cluster
from ..kube.follow import check_timeout
from ..kube.follow import count as _count
from ..kube.objects import Pod
from ._echo import greet
from ._exchange import Target, resolve

MOST = 2000
LONGEST_S = 120.0
# A packet that is lost on the way is sent again after a second.
TIMEOUT_S = 3.0
# So many may hang on a Pod that is gone while the others keep the pace.
_SENDERS = 48


@dataclass(frozen=True)
class Request:
    """One request and its answer.

    Attributes:
        at_s: When it was sent, in seconds after the start.
        pod: The name of the Pod that answered; empty when none did.
        failure: Why there was no answer, in stable words; empty when there was one.
        milliseconds: How long it took.
    """

    at_s: float
    pod: str
    failure: str
    milliseconds: float


@dataclass(frozen=True)
class Requests:
    """Many requests in the order they were sent; true when all were answered.

    Attributes:
        requests: The requests.
        marks: What happened meanwhile.
    """

    requests: tuple[Request, ...]
    marks: tuple[Mark, ...] = ()

    @cached_property
    def pods(self) -> Mapping[str, int]:
        """How many requests each Pod answered, by its name."""
        answered = Counter(each.pod for each in self.requests if not each.failure)
        return dict(sorted(answered.items()))

    @cached_property
    def failures(self) -> tuple[Request, ...]:
        """The requests that nobody answered."""
        return tuple(each for each in self.requests if each.failure)

    @property
    def ok(self) -> bool:
        """Whether there were requests, and all were answered."""
        return bool(self.requests) and not self.failures

    @property
    def seen(self) -> str:
        """How it went, in words."""
        asked = _count(len(self.requests), "request")
        if not self.failures:
            return f"{asked}, all answered"
        reasons = Counter(each.failure for each in self.failures)
        why = ", ".join(f"{n} {reason}" for reason, n in sorted(reasons.items()))
        return f"{asked}, {len(self.failures)} not answered: {why}"

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        return self.seen


class Asking:
    """Requests that are being sent; made by `asking`."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._lock = threading.Lock()
        self._taken = 0
        self._requests: list[Request] = []
        self._marks: list[Mark] = []
        self._senders: list[threading.Thread] = []

    @property
    def record(self) -> Requests:
        """What was answered so far, and who answered."""
        with self._lock:
            sent = sorted(self._requests, key=lambda each: each.at_s)
            return Requests(tuple(sent), tuple(self._marks))

    def mark(self, what: str) -> None:
        """Note that something happened now."""
        with self._lock:
            self._marks.append(Mark(self._now(), what))

    def finish(self) -> None:
        """Wait until the last of the requests was sent, whose number is bounded."""
        for sender in self._senders:
            sender.join(LONGEST_S)

    def _now(self) -> float:
        return round(time.monotonic() - self._started, 3)

    def _take(self, count: int) -> bool:
        """Return whether one more may be sent."""
        with self._lock:
            self._taken += 1
            return self._taken <= count

    def _one(
        self, cluster: Cluster, place: Target, from_: str | Pod | None, timeout: float
    ) -> None:
        at_s = self._now()
        heard = greet(cluster, place, from_=from_, timeout=timeout)
        request = Request(at_s, heard.pod, heard.failure, heard.milliseconds)
        with self._lock:
            self._requests.append(request)


def echoes(
    target: str | Pod,
    port: int,
    *,
    count: int,
    from_: str | Pod | None = None,
    timeout: float = TIMEOUT_S,
) -> Requests:
    """Greet an echo server many times, each over a new connection, one by one.

    Args:
        target: A machine's name, a Pod, or an address of the lab.
        port: The port.
        count: How many requests.
        from_: A machine's name or a Pod; None is this computer.
        timeout: Seconds until giving up one of them.

    Raises:
        BadInput: ``count`` is out of bounds, the port no number, or the timeout none
            of seconds.
        Refused: The target is not in the lab; nothing was sent.
        Unreachable: A Pod has no address yet, or this computer's own routes refuse the
            target; requests that nobody answers are part of what is returned.
        UnknownMachine: The lab has no machine of the name in ``from_``.
        MachineUnreachable: That machine does not answer.
        NoMachines: The cluster was adopted, and it is not a Pod that asks a Pod.
        CommandFailed: Nothing could be asked from there, as where kubectl does not
            reach the Pod.

    Example:
        ``probe.echoes("node1", 31245, count=60).pods``
    """
    given.bounded("count", count, MOST, whole=True)
    cluster = current.current()
    place = resolve(cluster, target, port, from_)
    made = Asking()
    for _ in range(count):
        made._one(cluster, place, from_, timeout)
    return made.record


@contextmanager
def asking(
    target: str,
    port: int,
    *,
    every: float = 0.025,
    count: int = MOST,
    seconds: float = 60,
    timeout: float = TIMEOUT_S,
) -> Iterator[Asking]:
    """Greet an echo server from this computer again and again during a block.

    Args:
        target: A machine's name or address.
        port: The port.
        every: Seconds between two requests.
        count: How many requests at most.
        seconds: How long at most, whatever the block does.
        timeout: Seconds until giving up one of them.

    Raises:
        BadInput: A limit is out of bounds, or the port no number.
        Refused: The target cannot be asked from this computer; nothing was sent.
        Unreachable: This computer's own routes refuse the target.
        NoMachines: The cluster was adopted.

    Example:
        ``with probe.asking("node1", 31245) as asking: ...``, then ``asking.record``
    """
    given.bounded("count", count, MOST, whole=True)
    given.bounded("seconds", seconds, LONGEST_S)
    given.bounded("every", every, LONGEST_S)
    check_timeout(timeout)  # the senders' threads could not tell
    cluster = current.current()
    place = resolve(cluster, target, port, None)
    made, stop = Asking(), threading.Event()
    senders = min(_SENDERS, count)

    def send(turn: int) -> None:
        pause = turn * every
        while not stop.wait(pause) and made._now() < seconds and made._take(count):
            began = made._now()
            made._one(cluster, place, None, timeout)
            pause = max(0.0, senders * every - (made._now() - began))

    made._senders = [
        threading.Thread(target=send, args=(turn,), daemon=True)
        for turn in range(senders)
    ]
    for sender in made._senders:
        sender.start()
    try:
        yield made
    finally:
        stop.set()
        for sender in made._senders:
            sender.join(stretched(timeout + 1))
