"""Record what changes on a cluster, with the moment of each change."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass

from ..core import given
from ..core.hints import command
from ..core.patience import stretched
from ..core.poll import until
from ..errors import BadInput, NotReady
from ..kube.discovery import Resource
from ..kube.follow import check_timeout
from ..kube.namespace import Namespace
from ..kube.objects import Object
from ..kube.watch import Listed, Watch, key
from . import steps as _steps
from ._scaling import Scaling as Scaling
from ._scaling import scaling as scaling
from .steps import Change, Step

KINDS = ("Deployment", "ReplicaSet", "ReplicationController", "Pod", "Event")
TIMEOUT_S = 60.0
CATCH_UP_S = 5.0
"""Seconds that a watch may need to begin, and again to tell the last changes."""


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

    def wake(self) -> None:
        """Let `wait_for` look again."""
        with self._news:
            self._news.notify_all()

    def wait_for(self, heard: Callable[[], bool], timeout: float) -> bool:
        """Return whether something was heard in time."""
        with self._news:
            return self._news.wait_for(heard, timeout)


@dataclass(frozen=True)
class _Limits:
    """How long a watch lasts, and how long it may need to begin or to catch up."""

    whole_s: float
    catch_up_s: float


@contextmanager
def changes(
    source: Namespace, kinds: str | Sequence[str] = KINDS, *, timeout: float = TIMEOUT_S
) -> Iterator[Recording]:
    """Record what changes in a namespace while the block runs.

    Each kind has a watch of its own that is open before the block begins. After the
    block, everything that was stored by then is waited for, so nothing is missing.

    Args:
        source: The namespace.
        kinds: The kind of object, or several, by any name that kubectl takes.
        timeout: Seconds that the block may take; what changes later may not be heard.

    Raises:
        BadInput: That is no namespace, no kind is named, the cluster has no such kind
            or tells none of its changes, or the timeout is none of seconds.
        NotReady: A watch does not begin, or does not tell all in time.

    Example:
        ``with record.changes(ns) as story: …``, then ``show.timeline(story)``
    """
    given.of_kind(source, Namespace, "that is no namespace", wanted=given.NAMESPACE)
    check_timeout(timeout)
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if not isinstance(kinds, Sequence) or not kinds:
        raise BadInput(
            "nothing would be recorded",
            wanted='kinds of objects, as ["Pod", "Event"]',
            seen=repr(kinds),
        )
    # A watch has time of its own to open before the block, and to catch up after it.
    whole_s = stretched(timeout) + 3 * stretched(CATCH_UP_S)
    recording, limits = Recording(), _Limits(whole_s, CATCH_UP_S)
    resources = dict.fromkeys(map(source.cluster.catalogue.find, kinds))
    watches: list[_Watch] = []
    try:
        for resource in resources:
            watches.append(_Watch(source, resource, recording, limits))
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
        self,
        source: Namespace,
        resource: Resource,
        recording: Recording,
        limits: _Limits,
    ) -> None:
        path = resource.watched(source.name)
        self._lab, self._path = source.cluster.lab, path
        # Not the name it was asked for by: steps are read by the kind.
        self._kind, self._recording, self._limits = resource.kind, recording, limits
        self._open, self._over = threading.Event(), threading.Event()
        self._watch = Watch(
            source.cluster.connection, lambda: path, opened=self._open.set
        )
        self._version = -1
        self._names: set[str] = set()
        self._failure: Exception | None = None
        self._thread = threading.Thread(
            target=self._run, name=f"k8slab record {resource.kind}", daemon=True
        )
        self._thread.start()

    def wait_open(self) -> None:
        """Return when the server has begun to answer."""
        if not self._open.wait(stretched(self._limits.catch_up_s)):
            raise self._late("it does not begin")
        self._check()

    def catch_up(self) -> None:
        """Return when everything that is stored by now has been heard.

        After a block that took longer than it may, the watch is over, and what was
        heard is all.
        """
        if self._over.is_set():
            self._check()
            return
        now = until(
            lambda: self._watch.look(stretched(self._limits.catch_up_s)),
            what=f"the list of {self._kind}",
            want="an answer",
            done=lambda _: True,
            timeout=self._limits.catch_up_s,
        )
        newest, names = _newest(now), {key(each) for each in now.objects}

        def is_told() -> bool:
            # A deletion has no version in the list: its object is missing there.
            whole = self._version >= newest and self._names == names
            return whole or self._version >= int(now.version)

        heard = self._recording.wait_for(
            lambda: self._over.is_set() or is_told(),
            stretched(self._limits.catch_up_s),
        )
        self._check()
        if not heard:
            raise self._late(f"version {self._version} heard, {newest} stored")

    def _check(self) -> None:
        """Raise what ended the watch before its time."""
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """End the watch and its thread."""
        self._watch.stop()
        self._thread.join(stretched(self._limits.catch_up_s))

    def _run(self) -> None:
        try:
            with closing(self._watch.follow(self._limits.whole_s)) as heard:
                for each in heard:
                    if isinstance(each, Listed):
                        self._start_from(each)
                    else:
                        self._hear(each)
        except Exception as error:  # noqa: BLE001 - the cell raises it, in its own thread
            self._failure = error
        finally:
            self._over.set()
            self._open.set()
            self._recording.wake()

    def _start_from(self, listed: Listed) -> None:
        """Begin; or begin anew, if nothing happened meanwhile that was not heard."""
        names = {key(each) for each in listed.objects}
        if self._version >= 0 and (
            names != self._names or _newest(listed) > self._version
        ):
            raise NotReady(
                f"changes of {self._kind} were missed while the API server was away",
                where=self._path,
                wanted="every change, as it happened",
                seen="a watch that could not be resumed",
                waited_s=0.0,
                next="run the cell again",
            )
        self._names, self._version = names, int(listed.version)

    def _hear(self, event: Object) -> None:
        if event["type"] != "BOOKMARK":
            is_gone = event["type"] == "DELETED"
            change = self._names.discard if is_gone else self._names.add
            change(key(event["object"]))
            self._recording.hear(self._kind, event)
        # Last: who catches up must find the change itself as soon as the version.
        self._version = _version(event["object"])
        self._recording.wake()

    def _late(self, seen: str) -> NotReady:
        waited_s = stretched(self._limits.catch_up_s)
        return NotReady(
            f"the watch on {self._kind} tells nothing",
            where=self._path,
            wanted=f"news within {waited_s:g} s",
            seen=seen,
            waited_s=waited_s,
            next=f"see whether all machines run: {command('status', self._lab)}; "
            "then run the cell again",
        )


def _newest(listed: Listed) -> int:
    return max(map(_version, listed.objects), default=0)


def _version(obj: Object) -> int:
    return int(obj["metadata"]["resourceVersion"])
