"""What a lab is, and how its machines are."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Status:
    """One lab as it is now.

    Attributes:
        name: The lab's name.
        machines: Each machine's state by name: ``running``, ``exited`` or ``gone``;
            of an inventory's machines and an adopted cluster, whether it ``answers``,
            or why not.
        network: The range of its machines, or an adopted cluster's address.
        kubernetes: The version installed.
    """

    name: str
    machines: dict[str, str]
    network: str
    kubernetes: str
