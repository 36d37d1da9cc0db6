"""Name the labs that chapters make beside another one, and keep such names for them."""

from __future__ import annotations

import hashlib

from k8slab.core.names import INSTALL, NAME_LENGTH, is_a_chapters
from k8slab.errors import BadInput

_PURPOSE = 7


def refuse_own(name: str) -> None:
    """Refuse a name that `own_lab` gives, for its lab goes with another one.

    Raises:
        BadInput: A chapter would take the lab for one that it made.
    """
    if is_a_chapters(name):
        raise BadInput(
            "that is the name of a lab that a chapter makes beside another",
            wanted=f"a name that does not end with -{INSTALL}",
            seen=name,
            next="choose another --name",
        )


def own_lab(lab: str, purpose: str) -> str:
    """Return the name of the lab that a chapter makes beside the one it is run on.

    Runs on different labs get different ones, so they may share a computer.

    Args:
        lab: The lab that commands and chapters mean.
        purpose: What it is for: one word of at most seven letters.
    """
    return companions(lab) + purpose


def companions(lab: str) -> str:
    """Return how the names begin that `own_lab` gives to a lab's companions."""
    if len(lab) <= NAME_LENGTH - _PURPOSE - 1:
        return f"{lab}-"
    mark = hashlib.sha256(lab.encode()).hexdigest()[:4]
    return f"{lab[: NAME_LENGTH - _PURPOSE - len(mark) - 2].rstrip('-')}-{mark}-"
