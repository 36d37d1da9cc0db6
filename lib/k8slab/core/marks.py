"""What happened while something was recorded, and when."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mark:
    """Something that happened meanwhile.

    Attributes:
        at_s: When, in seconds after the start.
        what: What, in a few words.
    """

    at_s: float
    what: str
