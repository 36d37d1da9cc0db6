"""Do several things side by side, and end them all when one fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TypeVar

from .signals import deferred, undisturbed

T = TypeVar("T")


def in_parallel(
    tasks: Sequence[Callable[[], T]], *, abort: Callable[[], None] | None = None
) -> list[T]:
    """Run tasks in threads of their own and return their results in order.

    When it returns or raises, no task runs any more.

    Args:
        tasks: What to do; none takes an argument.
        abort: Makes the others end soon, where one fails or the reader interrupts.

    Raises:
        Exception: What the first task raised that failed.
    """
    pool = ThreadPoolExecutor(max(1, len(tasks)), thread_name_prefix="k8slab")
    try:
        # A thread whose start is interrupted runs on without belonging to the pool.
        with deferred():
            futures = [pool.submit(task) for task in tasks]
        done, _ = wait(futures, return_when=FIRST_EXCEPTION)
        for future in done:
            future.result()
        return [future.result() for future in futures]
    except BaseException:
        with undisturbed():  # a second Ctrl-C must not leave any of them at work
            if abort is not None:
                abort()
            pool.shutdown(cancel_futures=True)
        raise
    finally:
        pool.shutdown(cancel_futures=True)
