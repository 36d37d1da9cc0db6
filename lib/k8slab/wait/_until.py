"""The wait for what no API can watch, which chapters reach as ``wait.until``."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from ..core import poll
from ..kube.follow import check_timeout

P = ParamSpec("P")
T = TypeVar("T")


def _checked(wait: Callable[P, T]) -> Callable[P, T]:
    """Return a wait that refuses a deadline that is none, as those for objects do."""

    @wraps(wait)
    def checked(*args: P.args, **options: P.kwargs) -> T:
        if "timeout" in options:
            check_timeout(options["timeout"])
        return wait(*args, **options)

    return checked


until = _checked(poll.until)
