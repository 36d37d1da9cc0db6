"""Say what a lab may be called."""

from __future__ import annotations

import re

from ..errors import BadInput

NAME_LENGTH = 20
INSTALL = "install"
"""How the name ends of the lab that the chapter about installing makes for itself."""
_NAME = re.compile(r"[a-z]([a-z0-9-]{0,18}[a-z0-9])?")


def may_be_lab(name: str) -> bool:
    """Return whether a lab may have a name."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


def is_a_chapters(name: str) -> bool:
    """Return whether a lab of that name is one that a chapter makes beside another."""
    return name.endswith(f"-{INSTALL}")


def lab_name(name: str, *, where: str = "", next: str = "choose another --name") -> str:
    """Return a lab's name as it is, or refuse it; none stands for another one.

    Args:
        name: What was given, an empty one too.
        where: Where it was given.
        next: What to do when it is refused.

    Raises:
        BadInput: The name cannot be a lab's.
    """
    if may_be_lab(name):
        return name
    raise BadInput(
        "that cannot be the name of a lab",
        where=where,
        wanted=f"at most {NAME_LENGTH} lower-case letters, digits and hyphens, "
        "a letter first",
        seen=repr(name),
        next=next,
    )
