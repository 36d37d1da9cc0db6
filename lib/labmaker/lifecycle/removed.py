"""What a removal of a lab found, and what it had to leave."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Removed:
    """What a removal found, and what it had to leave.

    Attributes:
        there: Whether there was anything of the lab.
        left: What stays of it, and what would remove that; or empty.
    """

    there: bool
    left: str = ""
