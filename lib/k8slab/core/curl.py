"""Run this computer's curl, and tell a silent server from a curl that fails."""

from __future__ import annotations

from collections.abc import Sequence

from .patience import stretched
from .process import Completed, LocalRunner

LIMIT_S = 20.0
"""Seconds for all that one command asks for."""
SILENT = {7: "connection refused or no way", 28: "no answer in time", 52: "no answer"}
"""What it ends with when nobody listens or answers, or the way is cut; in words."""
OWN = frozenset((2, 3, 4, 5, 6, 23, 26, 27, 43, 48, 49, 77))
"""What it ends with when it fails itself, as without its CA file: no answer."""


def run(arguments: Sequence[str], *, input: str | None = None) -> Completed:
    """Run it without its own files, patterns and proxies; its exit code is not judged.

    Args:
        arguments: Its other options, and the addresses.
        input: What it reads on its standard input.

    Raises:
        CommandTimeout: It does not keep to its limit.
    """
    return LocalRunner().run(
        [
            *("curl", "--disable", "--globoff", "--noproxy", "*"),
            *("--silent", "--show-error", "--max-time", f"{stretched(LIMIT_S):g}"),
            *arguments,
        ],
        input=input,
        check=False,
        timeout=LIMIT_S + 5,
    )
