"""Follow a set of API objects: one list, then a watch that is resumed until the end."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass

from ..core.patience import stretched
from ..core.poll import PAUSE_S, SystemClock, Tolerance
from ..errors import ApiError, ApiUnreachable
from .connection import READ_S, Connection
from .objects import Object

SEGMENT_S = 30.0
LAST_LOOK_S = 2.0
_EXPIRED = 410


@dataclass(frozen=True)
class Listed:
    """All objects as a list has them; what was said of them before is void.

    Attributes:
        objects: The objects.
        version: The resourceVersion of the list.
    """

    objects: tuple[Object, ...]
    version: str


class Watch:
    """One set of objects, followed until a deadline or until another thread stops it.

    A watch that ends, or a server that is silent, is asked again from the last version
    heard, so no change is missed. A version that is too old, and a refusal that passes
    (`Tolerance`), lead to a new list. No watch lasts longer than `SEGMENT_S`, so a
    connection that died without a word is noticed.

    Args:
        connection: The way to the server.
        path: Returns the path of the list; it may ask the server for it.
        selectors: ``labelSelector`` and ``fieldSelector``, as far as wanted.
        opened: Called each time the server has begun to answer a watch.
    """

    def __init__(
        self,
        connection: Connection,
        path: Callable[[], str],
        *,
        selectors: Mapping[str, str] | None = None,
        opened: Callable[[], None] | None = None,
    ) -> None:
        self._connection = connection
        self._path = path
        self._selectors = dict(selectors or {})
        self._opened = opened
        self._clock = SystemClock()
        self._over = threading.Event()
        self._end: Callable[[], None] | None = None

    def stop(self) -> None:
        """End it at once, from another thread than the one that follows."""
        self._over.set()
        end, self._end = self._end, None
        if end is not None:
            end()

    def follow(self, timeout: float) -> Generator[Listed | Object, None, None]:
        """Yield a list, then each event as the server sends it, bookmarks too.

        Args:
            timeout: Seconds until it ends by itself, already `stretched`.

        Raises:
            ApiError: The server refuses, and that does not pass.
            BadInput: The server has no such kind of object.
        """
        deadline, tolerance = self._clock.now() + timeout, Tolerance(self._clock)
        version = ""
        while (left := self._left(deadline)) > 0:
            try:
                if not version:
                    listed = self.look(min(left, stretched(READ_S)))
                    version = listed.version
                    tolerance.reset()
                    yield listed
                    continue
                began, heard = self._clock.now(), 0
                with closing(self._stream(version, left)) as events:
                    for event in events:
                        heard += 1
                        if event["type"] == "ERROR":
                            version = ""
                            break
                        version = event["object"]["metadata"]["resourceVersion"]
                        yield event
                        if not self._left(deadline):
                            break
                if not heard or not version:
                    self._pause(began + PAUSE_S)
            except ApiUnreachable as error:
                self._pause(self._clock.now() + tolerance.bear(error))
            except ApiError as error:
                version = ""
                pause = PAUSE_S if error.status == _EXPIRED else tolerance.bear(error)
                self._pause(min(deadline, self._clock.now() + pause))

    def look(self, timeout: float) -> Listed:
        """Return the objects as they are now.

        Args:
            timeout: Seconds until giving up, already `stretched`.

        Raises:
            ApiError: The server refuses.
            ApiUnreachable: It does not answer.
        """
        answer = self._connection.send(
            "GET", self._path(), query=self._selectors, timeout=max(1.0, timeout)
        )
        version = answer["metadata"]["resourceVersion"]
        return Listed(tuple(answer.get("items") or ()), version)

    def _stream(self, version: str, left: float) -> Generator[Object, None, None]:
        segment = min(left, stretched(SEGMENT_S))
        query = {
            **self._selectors,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(math.ceil(segment)),
        }
        return self._connection.stream(
            self._path(), query=query, timeout=segment + 0.2, opened=self._begun
        )

    def _begun(self, end: Callable[[], None]) -> None:
        self._end = end
        if self._over.is_set():
            self.stop()
        elif self._opened is not None:
            self._opened()

    def _left(self, deadline: float) -> float:
        return 0.0 if self._over.is_set() else max(0.0, deadline - self._clock.now())

    def _pause(self, until: float) -> None:
        """Let time pass, in steps so short that `stop` ends it."""
        while (left := self._left(until)) > 0:
            self._clock.sleep(min(left, PAUSE_S))


def states(watch: Watch, timeout: float) -> Generator[list[Object], None, None]:
    """Yield all objects as they are now, again after every change, and at the end.

    A refusal of the last look that may pass is borne, if any look was answered.

    Args:
        watch: The objects.
        timeout: Seconds until the last look, which happens also after `Watch.stop`;
            already `stretched`.

    Raises:
        ApiError: The server refuses, and that does not pass.
        BadInput: The server has no such kind of object.
    """
    objects: dict[str, Object] = {}
    answered = False
    with closing(watch.follow(timeout)) as heard:
        for each in heard:
            answered = True
            if isinstance(each, Listed):
                objects = {key(obj): obj for obj in each.objects}
            elif not _take(objects, each):
                continue
            yield list(objects.values())
    try:
        yield list(watch.look(stretched(LAST_LOOK_S)).objects)
    except ApiUnreachable:
        return
    except ApiError as error:
        if not answered or not (error.passing or error.passing_at_first):
            raise


def key(obj: Object) -> str:
    """Return what tells an object from others of its kind: namespace and name."""
    meta = obj["metadata"]
    return f"{meta.get('namespace', '')}/{meta['name']}"


def _take(objects: dict[str, Object], event: Object) -> bool:
    """Apply an event; return whether it changed anything."""
    if event["type"] == "BOOKMARK":
        return False
    name = key(event["object"])
    if event["type"] == "DELETED":
        return objects.pop(name, None) is not None
    objects[name] = event["object"]
    return True
