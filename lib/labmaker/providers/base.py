"""What every provider of machines can do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import Protocol

from k8slab.lab_record import MachineRecord

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


@dataclass(frozen=True)
class About:
    """What a provider that works says of itself.

    Attributes:
        version: Its version.
        images: Where on this computer it keeps images and machines.
    """

    version: str
    images: Path


class Provider(Protocol):
    """Makes, starts, stops and removes the machines of one lab."""

    name: str
    asks_first: tuple[str, ...]
    """Chains of iptables to which it sends what is forwarded before its own rules,
    whenever it writes them; they may be missing."""

    @property
    def network(self) -> str:
        """The name of the lab's network."""
        ...

    def about(self) -> About:
        """Return what the provider says of itself within a few seconds.

        Raises:
            HostProblem: It does not work on this computer; says why, and the cure.
        """
        ...

    def is_gone(self) -> bool:
        """Say whether this computer does not have it, or no longer."""
        ...

    def packages(self) -> tuple[str, ...]:
        """Return the Debian packages that this computer must have for it."""
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
        """Create and start a machine from an image that the provider has.

        The machine's ``/etc/hosts`` and ``/etc/resolv.conf`` are its own files.
        """
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

    def remove_machines(self, *names: str) -> None:
        """Remove machines, running or not; all there are when none is named."""
        ...

    def remove_network(self) -> None:
        """Remove the network, and so give its range and its bridge's name back."""
        ...

    def has_image(self, image: str) -> bool:
        """Say whether the provider has an image of that name."""
        ...

    def load_image(self, archive: Path) -> None:
        """Load an image from its archive."""
        ...

    def labs(self) -> frozenset[str]:
        """Return the names of all labs that have a machine or a network here."""
        ...

    def networks(self) -> frozenset[IPv4Network]:
        """Return the ranges of all its networks, of labs and others.

        Also of those that have no bridge, and so no route, until a machine starts.
        """
        ...

    def slots(self, *, own: bool = False) -> frozenset[int]:
        """Return the slots whose machines' range belongs to the network of a lab.

        Args:
            own: Look at this lab's network only, not at those of all labs.
        """
        ...
