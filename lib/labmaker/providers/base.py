"""What a provider of machines must be able to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from k8slab.folder import MachineRecord

from ..plan import AddressPlan


@dataclass(frozen=True)
class Mount:
    """A folder or file of this computer that a machine sees.

    Attributes:
        source: Where it is here.
        target: Where the machine sees it.
        read_only: Whether the machine may only read it.
    """

    source: Path
    target: str
    read_only: bool = False


class Provider(Protocol):
    """Makes, starts, stops and removes the machines of one lab."""

    name: str

    def version(self) -> str:
        """Return the engine's version, or raise `HostProblem` saying why not."""
        ...

    def create_network(self, plan: AddressPlan) -> None:
        """Make the lab's network; it leads nowhere but to the lab."""
        ...

    def bridge(self) -> str:
        """Return the name of the network's bridge; it need not be there yet."""
        ...

    def bridge_if_any(self) -> str | None:
        """Return the name of the network's bridge, or None without a network."""
        ...

    def create(
        self, machine: MachineRecord, image: str, mounts: Sequence[Mount]
    ) -> None:
        """Create and start a machine from an image that the engine has."""
        ...

    def states(self) -> Mapping[str, str]:
        """Return each machine's state by name: ``running``, ``exited``, ..."""
        ...

    def start(self, names: Sequence[str]) -> None:
        """Start machines that are stopped."""
        ...

    def stop(self, names: Sequence[str]) -> None:
        """Shut machines down as their own ``poweroff`` would."""
        ...

    def power(self, machine: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the commands that cut a machine's power and give it back."""
        ...

    def remove_machines(self) -> None:
        """Remove all machines, running or not."""
        ...

    def remove_network(self) -> None:
        """Remove the network, and so give its range and its bridge's name back."""
        ...

    def has_image(self, image: str) -> bool:
        """Say whether the engine has an image of that name."""
        ...

    def load_image(self, archive: Path) -> None:
        """Load an image from its archive."""
        ...
