"""Follow something in threads while a block runs, and show it as it changes."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Protocol, TypeVar

from ..core.patience import stretched
from ..core.rendered import Rendered
from ..errors import LabError
from ..kube.follow import check_timeout
from ._screen import Screen

EVERY_S = 0.25
"""Seconds between two pictures: at most four a second."""
LEAVE_S = 5.0
"""Seconds that the threads may need to end after the block."""
HURRY_S = 1.0
"""The same after an error, for an interrupted cell has to end soon."""

V = TypeVar("V", bound="View")


class Feed(Protocol):
    """Something that is followed in a thread of its own."""

    def run(self) -> None:
        """Follow it until it ends, or until `stop`."""
        ...

    def stop(self) -> None:
        """End `run` at once, from another thread; may come again, or too early."""
        ...


class View(ABC):
    """A live view: a block in which a picture changes by itself.

    Args:
        timeout: Seconds until it stops changing, however long the block takes.

    Raises:
        BadInput: The timeout is no number of seconds.
    """

    def __init__(self, *, timeout: float) -> None:
        check_timeout(timeout)
        self._timeout = timeout
        self._began = time.monotonic()
        self._over = threading.Event()
        self._failures: list[BaseException] = []
        self._feeds: Sequence[Feed] = ()
        self._threads: list[threading.Thread] = []
        self._screen: Screen | None = None

    def __repr__(self) -> str:
        """Say what a cell whose last line it is has to have instead."""
        made = type(self).__name__
        return f"{made}, which shows nothing without its block: with widgets.…(…): …"

    @abstractmethod
    def draw(self) -> Rendered:
        """Return the picture as it is now; called from more than one thread."""

    def begin(self) -> Sequence[Feed]:
        """Look for the first time, and return what to follow from now on."""
        return ()

    def finish(self) -> None:  # noqa: B027 - most views have nothing to wait for
        """Wait for what the block has just caused; called before the feeds end."""

    @property
    def seconds(self) -> float:
        """Seconds since the block began."""
        return time.monotonic() - self._began

    def __enter__(self: V) -> V:
        # A cell that is run twice may use the same view again.
        self._over, self._failures, self._threads = threading.Event(), [], []
        self._feeds = self.begin()
        self._began = time.monotonic()
        self._screen = Screen(self.draw())
        for work in [*(feed.run for feed in self._feeds), self._paint]:
            thread = threading.Thread(
                target=self._guarded, args=(work,), daemon=True, name="k8slab-live"
            )
            self._threads.append(thread)
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                self.finish()
        finally:
            limit = LEAVE_S if error is None else HURRY_S
            late = self._end(limit)
            if self._screen is not None:
                self._screen.leave(self.draw())
        if late:
            self._failures.append(
                LabError(
                    "a live view does not end",
                    wanted=f"its threads ended {limit:g} s after the block",
                    seen=f"{late} still at work",
                    next="restart the kernel",
                )
            )
        if self._failures and error is None:
            raise self._failures[0]
        if self._failures and error is not None:
            error.add_note(f"the live view failed, too: {self._failures[0]}")

    def _end(self, limit: float) -> int:
        """End all threads; return how many still work after the limit."""
        self._over.set()
        last = time.monotonic() + limit
        alive = self._threads
        while alive and time.monotonic() < last:
            for feed in self._feeds:
                feed.stop()
            alive[0].join(0.1)
            alive = [thread for thread in alive if thread.is_alive()]
        return len(alive)

    def _paint(self) -> None:
        while self.seconds < stretched(self._timeout) and not self._over.wait(EVERY_S):
            if self._screen is not None:
                self._screen.show(self.draw())
        for feed in self._feeds:
            feed.stop()

    def _guarded(self, work: Callable[[], None]) -> None:
        """Keep a thread's error for the end of the block, where it is raised."""
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised again in __exit__
            self._failures.append(error)
