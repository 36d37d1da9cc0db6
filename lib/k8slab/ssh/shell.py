"""State what every shell on a machine can do, whatever way leads to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ..core.process import DEFAULT_TIMEOUT_S, Completed, Runner


class Shell(Runner, Protocol):
    """A runner on a machine that takes scripts and files too; `SSHShell` is one.

    Attributes:
        lab: The name of the lab it belongs to.
        address: The machine's address on the lab's network.
    """

    lab: str
    address: str

    def script(
        self,
        text: str,
        *,
        shell: str = "bash",
        check: bool = True,
        timeout: float = DEFAULT_TIMEOUT_S,
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        """Run a script to its end; see `SSHShell.script`."""
        ...

    def put(self, path: str, data: str | bytes, *, mode: int = 0o644) -> bool:
        """Write a file in one step; return whether that changed it."""
        ...

    def read(self, path: str) -> str:
        """Return a file's text."""
        ...

    def is_up(self) -> bool:
        """Tell at once whether the machine answers."""
        ...

    def end(self) -> None:
        """End every command that still runs, also on the machine."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...
