"""Say what Ctrl-C, a termination and a closed terminal mean while a lab is changed."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

ENDS = (signal.SIGTERM, signal.SIGHUP)
"""What ends a process beside Ctrl-C: a kill, a shutdown, a terminal that is closed."""
Handler = Callable[[int, FrameType | None], Any] | signal.Handlers


@contextmanager
def terminable() -> Iterator[None]:
    """Treat every way to be ended like Ctrl-C, so that it cleans up, too.

    What is ignored stays ignored: under ``nohup`` a terminal may be closed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    heard = [each for each in ENDS if signal.getsignal(each) != signal.SIG_IGN]
    before = {number: signal.signal(number, interrupt) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Finish what is being removed even when Ctrl-C comes again, or another end."""
    with _handled(signal.SIG_IGN):
        yield


@contextmanager
def deferred(heard: Callable[[], object] | None = None) -> Iterator[None]:
    """Let Ctrl-C and all other ends wait until the block is over, and then act.

    Args:
        heard: Called when the first one comes, to tell whoever waits.
    """
    caught: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        caught.append(number)
        if heard is not None and len(caught) == 1:
            with suppress(OSError):  # a closed terminal is one of the ends
                heard()

    try:
        with _handled(note):
            yield
    finally:
        if caught:
            signal.raise_signal(caught[0])


@contextmanager
def _handled(by: Handler) -> Iterator[None]:
    """Have all of them handled another way for a while; threads have no say in it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, by) for number in (signal.SIGINT, *ENDS)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
