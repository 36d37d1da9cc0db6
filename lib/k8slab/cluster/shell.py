"""What the cluster needs of a machine's runner."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ..run import DEFAULT_TIMEOUT_S, Completed, Runner


class Shell(Runner, Protocol):
    """A runner on a machine, which takes scripts as well; `SSHRunner` is one.

    Attributes:
        address: The machine's address on the lab's network.
    """

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
        """Run a script to its end; see `SSHRunner.script`."""
        ...

    def end(self) -> None:
        """End every command that still runs, also on the machine."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...
