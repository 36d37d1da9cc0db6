"""Record the changes of API objects as watches tell them, with the moment of each."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from ..core.hints import command
from ..errors import LabError, NotReady
from ..kube.namespace import Namespace
from ..kube.objects import Object
from . import steps as _steps
from .steps import Change, Step

KINDS = ("Deployment", "ReplicaSet", "ReplicationController", "Pod", "Event")
TIMEOUT_S = 60.0
PATIENCE_S = 5.0


class Recording:
    """What the watches told so far, from the beginning of the block that records."""

    def __init__(self) -> None:
        self._changes: list[Change] = []
        self._begun = time.monotonic()
        self._news = threading.Condition()

    def __repr__(self) -> str:
        return f"Recording({len(self.changes)} changes)"

    @property
    def changes(self) -> tuple[Change, ...]:
        """All changes, in the order in which they were heard."""
        with self._news:
            return tuple(self._changes)

    @property
    def steps(self) -> list[Step]:
        """What the changes mean: the steps from a wish to a Pod that is ready."""
        return _steps.read(self.changes)

    def begin(self) -> None:
        """Forget what was heard before, and count seconds from now."""
        with self._news:
            self._changes.clear()
            self._begun = time.monotonic()

    def hear(self, kind: str, event: Object) -> None:
        """Take one event of a watch."""
        with self._news:
            at_s = time.monotonic() - self._begun
            self._changes.append(Change(at_s, kind, event["type"], event["object"]))
            self._news.notify_all()

    def wait_for(self, heard: Callable[[], bool], timeout: float) -> bool:
        """Return whether something was heard in time."""
        with self._news:
            return self._news.wait_for(heard, timeout)


@dataclass(frozen=True)
class _Limits:
    """How long a watch lasts, and how long it may need to begin or to catch up."""

    whole_s: float
    patience_s: float


@contextmanager
def changes(
    source: Namespace, kinds: Sequence[str] = KINDS, *, timeout: float = TIMEOUT_S
) -> Iterator[Recording]:
    """Record what changes in a namespace while the block runs.

    Each kind has a watch of its own that is open before the block begins. After the
    block, everything that was stored by then is waited for, so nothing is missing.

    Args:
        source: The namespace.
        kinds: The kinds of object, by any name that kubectl takes.
        timeout: Seconds that the block may take; later changes are not heard.

    Raises:
        NotReady: A watch does not begin, or does not tell all in time.

    Example:
        ``with record.changes(ns) as story: …``, then ``show.timeline(story)``
    """
    recording, limits = Recording(), _Limits(timeout, PATIENCE_S)
    watches: list[_Watch] = []
    try:
        for kind in kinds:
            watches.append(_Watch(source, kind, recording, limits))
        for watch in watches:
            watch.wait_open()
        recording.begin()
        yield recording
        for watch in watches:
            watch.catch_up()
    finally:
        for watch in watches:
            watch.close()


class _Watch:
    """One watch in a thread of its own."""

    def __init__(
        self, source: Namespace, kind: str, recording: Recording, limits: _Limits
    ) -> None:
        self._connection = source.cluster.connection
        self._path = source.cluster.catalogue.find(kind).path(source.name)
        self._lab = source.cluster.lab
        self._kind, self._recording, self._limits = kind, recording, limits
        self._version = self._list()[0]
        self._end: Callable[[], None] | None = None
        self._open = threading.Event()
        self._failure: LabError | None = None
        self._thread = threading.Thread(
            target=self._run, name=f"k8slab record {kind}", daemon=True
        )
        self._thread.start()

    def wait_open(self) -> None:
        """Return when the server has begun to answer."""
        if not self._open.wait(self._limits.patience_s):
            raise self._late("it does not begin")
        if self._failure is not None:
            raise self._failure

    def catch_up(self) -> None:
        """Return when everything that is stored by now has been heard."""
        newest = self._list()[1]
        if not self._recording.wait_for(
            lambda: self._version >= newest, self._limits.patience_s
        ):
            raise self._late(f"version {self._version} heard, {newest} stored")

    def close(self) -> None:
        """End the watch and its thread."""
        if self._end is not None:
            self._end()
        self._thread.join(self._limits.patience_s)

    def _list(self) -> tuple[int, int]:
        """Return the version of the list, and the newest among its objects."""
        answer = self._connection.send("GET", self._path)
        items = answer.get("items") or []
        newest = max((_version(each) for each in items), default=0)
        return _version(answer), newest

    def _run(self) -> None:
        query = {
            "watch": "true",
            "resourceVersion": str(self._version),
            "timeoutSeconds": str(math.ceil(self._limits.whole_s)),
        }
        try:
            for event in self._connection.stream(
                self._path,
                query=query,
                timeout=self._limits.whole_s,
                opened=self._opened,
            ):
                if event["type"] == "ERROR":
                    return
                self._version = _version(event["object"])
                self._recording.hear(self._kind, event)
        except LabError as error:
            self._failure = error
        finally:
            self._open.set()

    def _opened(self, end: Callable[[], None]) -> None:
        self._end = end
        self._open.set()

    def _late(self, seen: str) -> NotReady:
        return NotReady(
            f"the watch on {self._kind} tells nothing",
            where=self._path,
            wanted=f"news within {self._limits.patience_s:g} s",
            seen=seen,
            waited_s=self._limits.patience_s,
            next=f"see whether all machines run: {command('status', self._lab)}; "
            "then run the cell again",
        )


def _version(obj: Object) -> int:
    return int(obj["metadata"]["resourceVersion"])
