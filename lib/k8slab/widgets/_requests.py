"""Show requests as they arrive at Pods."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from ..core import given
from ..core.rendered import Rendered
from ..draw.bars import draw
from ..errors import BadInput
from .view import Feed, View

MOST = 30
"""How many Pods have a bar; the rest share one."""


class Request(Protocol):
    """Whatever says which Pod answered; a probe's record does."""

    @property
    def pod(self) -> str:
        """The Pod that answered; empty when none did."""
        ...


class Record(Protocol):
    """The requests that were sent so far."""

    @property
    def requests(self) -> Iterable[Request]:
        """The requests, in any order."""
        ...


class Source(Protocol):
    """Whatever sends requests and can say which; `probe.asking` does."""

    @property
    def record(self) -> Record:
        """What was sent so far."""
        ...


class RequestsView(View):
    """A bar for each Pod, as long as the number of requests that it answered.

    Args:
        source: What sends requests; None when they are told by `saw`.
        title: What is counted.
        timeout: Seconds until it stops changing.
    """

    def __init__(self, source: Source | None, title: str, *, timeout: float) -> None:
        super().__init__(timeout=timeout)
        if source is not None and not hasattr(source, "record"):
            raise BadInput(
                "that sends no requests",
                wanted="what probe.asking gives its block",
                seen=f"a {type(source).__name__}",
                next='with probe.asking("node1", 31245) as asking, '
                "widgets.requests(asking): ...",
            )
        title = given.text("title", title, "what is counted")
        self._source = source
        self._title = title
        self._lock = threading.Lock()
        self._told: Counter[str] = Counter()

    def begin(self) -> Sequence[Feed]:
        """Forget what was told in a block before."""
        with self._lock:
            self._told.clear()
        return ()

    def saw(self, request: Request) -> None:
        """Count which Pod answered, or that none did.

        Raises:
            BadInput: It does not say.
        """
        if not isinstance(getattr(request, "pod", None), str):
            raise BadInput(
                "that does not say which Pod answered",
                wanted='what probe.echo returns with strict=False, or has a name "pod"',
                seen=f"a {type(request).__name__}",
            )
        with self._lock:
            self._told[request.pod] += 1

    @property
    def pods(self) -> Mapping[str, int]:
        """How many requests each Pod answered, the first to answer first."""
        return {pod: number for pod, number in self._counted().items() if pod}

    @property
    def failed(self) -> int:
        """How many requests nobody answered."""
        return self._counted()[""]

    def draw(self) -> Rendered:
        """Draw the counts as they are now."""
        counted = self._counted()
        failed = counted.pop("", 0)
        shown = dict(list(counted.items())[:MOST])
        rest = sum(counted.values()) - sum(shown.values())
        if rest:
            shown["all other Pods"] = rest
        return draw(shown, self._title, failed=failed)

    def _counted(self) -> Counter[str]:
        with self._lock:
            counted = Counter(self._told)
        if self._source is not None:
            counted.update(each.pod for each in self._source.record.requests)
        return counted
