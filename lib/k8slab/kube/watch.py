"""Follow a set of API objects by one list and one watch."""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping
from contextlib import closing

from ..core.poll import Clock
from ..errors import ApiError, ApiUnreachable
from .connection import Connection
from .objects import Object

SEGMENT_S = 30.0
PAUSE_S = 0.2
_PASSING = (429, 500, 502, 503, 504)


def states(
    connection: Connection,
    path: str,
    *,
    selectors: Mapping[str, str],
    timeout: float,
    clock: Clock,
) -> Generator[list[Object], None, None]:
    """Yield the objects as they are now, and again after every change.

    One list, then a watch from its resourceVersion. A watch that ends is resumed
    from the last version seen; a version that is too old (410) means a new list.
    No watch lasts longer than `SEGMENT_S`, so a connection that died without a
    word is noticed. The last thing yielded is a look at the deadline.

    Args:
        connection: The way to the server.
        path: The path of the list.
        selectors: ``labelSelector`` and ``fieldSelector``, as far as wanted.
        timeout: Seconds until the last look.
        clock: The clock that tells the deadline and pauses after a failure.

    Raises:
        ApiError: The server refuses the list.
    """
    deadline = clock.now() + timeout
    objects: dict[str, Object] | None = None
    version = ""
    while (left := deadline - clock.now()) > 0:
        try:
            if objects is None:
                objects, version = _list(connection, path, selectors, left)
                yield list(objects.values())
                continue
            began, seen = clock.now(), 0
            with closing(_watch(connection, path, selectors, version, left)) as events:
                for event in events:
                    seen += 1
                    if event["type"] == "ERROR":
                        objects = None
                        break
                    version = event["object"]["metadata"]["resourceVersion"]
                    if _take(objects, event):
                        yield list(objects.values())
                    if clock.now() >= deadline:
                        break
            if (not seen or objects is None) and clock.now() - began < PAUSE_S:
                clock.sleep(PAUSE_S)
        except ApiError as error:
            if error.status not in (410, *_PASSING):
                raise
            objects = None
            if error.status in _PASSING:
                clock.sleep(PAUSE_S)
        except ApiUnreachable:
            objects = None
            clock.sleep(PAUSE_S)
    try:
        objects, _ = _list(connection, path, selectors, 2.0)
    except ApiUnreachable:
        return
    yield list(objects.values())


def _list(
    connection: Connection, path: str, selectors: Mapping[str, str], left: float
) -> tuple[dict[str, Object], str]:
    answer = connection.send("GET", path, query=selectors, timeout=max(1.0, left))
    objects = {_key(each): each for each in answer.get("items") or []}
    return objects, answer["metadata"]["resourceVersion"]


def _watch(
    connection: Connection,
    path: str,
    selectors: Mapping[str, str],
    version: str,
    left: float,
) -> Generator[Object, None, None]:
    segment = min(left, SEGMENT_S)
    query = {
        **selectors,
        "watch": "true",
        "allowWatchBookmarks": "true",
        "resourceVersion": version,
        "timeoutSeconds": str(math.ceil(segment)),
    }
    return connection.stream(path, query=query, timeout=segment + 0.2)


def _take(objects: dict[str, Object], event: Object) -> bool:
    """Apply an event; return whether it changed anything."""
    if event["type"] == "BOOKMARK":
        return False
    key = _key(event["object"])
    if event["type"] == "DELETED":
        return objects.pop(key, None) is not None
    objects[key] = event["object"]
    return True


def _key(obj: Object) -> str:
    meta = obj["metadata"]
    return f"{meta.get('namespace', '')}/{meta['name']}"
