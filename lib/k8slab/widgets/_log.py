"""Show the last lines of logs as programs write them."""

from __future__ import annotations

import html
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

from ..core import given
from ..core.process import LocalRunner
from ..core.rendered import Rendered
from ..errors import BadInput, CommandTimeout
from ..kube.namespace import Namespace
from .view import Feed, View

LONGEST = 160
"""How many characters of a line are shown."""
MOST_BYTES = 1_000_000
"""How much of one log is read; a program may write without end."""
SETTLE_S = 0.4
"""Seconds without a line after which what the block has caused has been written."""
MOST = 1000
"""How many lines are shown at most."""
FIRST_S = 3.0
"""Seconds in which the first line has to come, for kubectl needs a moment to connect;
and in which a log that goes on has been waited for long enough."""
_PREFIX = re.compile(r"^\[pod/([^/\]]+)/[^\]]+\] ?")


class LogView(View):
    """A tail of one or more logs.

    Args:
        namespace: Where the Pods are.
        which: What ``kubectl logs`` takes: a Pod's name, ``rc/echo``, ``app=echo``.
        lines: How many lines are shown.
        timeout: Seconds until it stops changing.
    """

    def __init__(
        self, namespace: Namespace, which: Sequence[str], *, lines: int, timeout: float
    ) -> None:
        super().__init__(timeout=timeout)
        given.of_kind(
            namespace, Namespace, "that is no namespace", wanted=given.NAMESPACE
        )
        given.bounded("lines", lines, MOST, whole=True)
        asked: Sequence[object] = which or [None]
        for each in asked:
            if not isinstance(each, str) or not each:
                raise BadInput(
                    "which log?",
                    wanted='a Pod\'s name, "rc/echo", or labels as "app=echo"',
                    seen="nothing" if each is None else f"a {type(each).__name__}",
                    next="of a Pod give the name: widgets.log(ns, pod.name)",
                )
        self._namespace = namespace
        self._which = which
        self._tail: deque[str] = deque(maxlen=lines)
        self._lock = threading.Lock()
        self._lines = lines
        self._line = threading.Event()

    def begin(self) -> Sequence[Feed]:
        """Start one ``kubectl logs -f`` for each, which begins with the last lines."""
        self._tail.clear()
        self._line.clear()
        return [
            _Following(self._namespace, which, self._lines, self._timeout, self._take)
            for which in self._which
        ]

    def finish(self) -> None:
        """Wait for the first line, and then for a pause."""
        last, limit = time.monotonic() + FIRST_S, FIRST_S
        while self._line.wait(limit) and time.monotonic() < last:
            self._line.clear()
            limit = SETTLE_S

    def draw(self) -> Rendered:
        """Show the last lines as they are now."""
        with self._lock:
            lines = list(self._tail)
        name = "log of " + ", ".join(self._which)
        body = "\n".join(lines) or "(nothing yet)"
        style = (
            "margin: 0; padding: 0.5em; color: inherit; background: transparent; "
            "border: 1px solid; border-radius: 6px; overflow-x: auto"
        )
        return Rendered(
            f"{name}\n{body}",
            f'<figure style="margin: 0.5em 0"><figcaption>{html.escape(name)}'
            f'</figcaption><pre style="{style}">{html.escape(body)}</pre></figure>',
        )

    def _take(self, line: str) -> None:
        line = _PREFIX.sub(r"\1  ", line)
        with self._lock:
            self._tail.append(
                line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"
            )
        self._line.set()


class _Following:
    """One ``kubectl logs -f`` in a process of its own."""

    def __init__(
        self,
        namespace: Namespace,
        which: str,
        lines: int,
        timeout: float,
        take: Callable[[str], None],
    ) -> None:
        argv = ["logs", "-f", "--prefix", f"--tail={lines}"]
        argv.append(f"--limit-bytes={MOST_BYTES}")
        if "=" in which:
            argv += ["-l", which, "--max-log-requests=20"]
        else:
            argv += [which, *(["--all-pods"] if "/" in which else [])]
        command, variables = namespace.cluster.kubectl_command(
            argv, namespace=namespace.name
        )
        self._command, self._timeout, self._take = command, timeout, take
        self._runner = LocalRunner(env=variables)
        self._where = namespace.where
        self._over = False

    def run(self) -> None:
        """Follow the log until `stop` or the deadline."""
        if self._over:
            return
        try:
            done = self._runner.run(
                self._command, check=False, timeout=self._timeout, on_line=self._take
            )
        except CommandTimeout:
            return
        if not self._over:
            words = ("kubectl", *self._command[1:])
            replace(done, argv=words, where=self._where).check()

    def stop(self) -> None:
        """End kubectl."""
        self._over = True
        self._runner.end()
