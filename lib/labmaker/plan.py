"""Give a lab and each of its machines addresses that no other lab here has."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from k8slab.errors import BadInput
from k8slab.lab_record import CONTROL_PLANE, DEPOT, WORKER, MachineRecord, Ranges

SLOTS = 8
MAX_WORKERS = 9
_ELSEWHERE = tuple(
    IPv4Network(network)
    for network in ("172.29.0.0/16", "192.168.0.0/16", "198.18.0.0/16")
)
"""Where all ranges of a lab go when the usual ones are somebody else's, as a VPN's; the
last is the range for measurements, which no network routes."""
FAMILIES = 1 + len(_ELSEWHERE)


@dataclass(frozen=True)
class AddressPlan:
    """The address ranges of one lab, all following from one number.

    Labs side by side have different slots, so their ranges never meet.

    Attributes:
        slot: The lab's number, 0 to 7.
        family: Which ranges the number is counted in: 0 for the book's, others where
            those are in use.
    """

    slot: int
    family: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.slot < SLOTS:
            raise BadInput(
                "the lab's slot is out of range",
                wanted=f"0 to {SLOTS - 1}",
                seen=str(self.slot),
                next="leave out --slot, and a free one is taken",
            )

    @property
    def network(self) -> IPv4Network:
        """The range of the machines."""
        if self.family:
            return self._part(24, 192 + self.slot)
        return IPv4Network(f"172.30.{self.slot + 1}.0/24")

    @property
    def gateway(self) -> IPv4Address:
        """The address of this computer on the lab's bridge."""
        return self.network[1]

    @property
    def bridge_mac(self) -> str:
        """The hardware address of the lab's bridge: locally administered, "k8s"."""
        return f"02:6b:38:73:00:{self.slot + 1:02x}"

    @property
    def pods(self) -> IPv4Network:
        """The range of all Pods; each node has 256 addresses of it."""
        if self.family:
            return self._part(20, self.slot)
        return IPv4Network(f"10.{244 + self.slot}.0.0/16")

    @property
    def services(self) -> IPv4Network:
        """The range of all Services."""
        if self.family:
            return self._part(21, 16 + self.slot)
        return IPv4Network(f"10.{96 + self.slot}.0.0/16")

    @property
    def dns(self) -> IPv4Address:
        """The address of the cluster's name service: the range's tenth."""
        return self.services[10]

    @property
    def load_balancers(self) -> IPv4Network:
        """The addresses that load balancers may get: the last quarter of the machines'.

        A packet to one goes where a packet to a machine goes, and nowhere else.
        """
        return list(self.network.subnets(prefixlen_diff=2))[-1]

    @property
    def ranges(self) -> Ranges:
        """All ranges, as the lab's folder keeps them."""
        return Ranges(
            self.network, self.pods, self.services, self.dns, self.load_balancers
        )

    @classmethod
    def every(cls, slot: int) -> tuple[AddressPlan, ...]:
        """Return what a slot's addresses can be, the book's first."""
        return tuple(cls(slot, family) for family in range(FAMILIES))

    def _part(self, length: int, number: int) -> IPv4Network:
        """Return a part of the family's network: the one of a number, from 0."""
        whole = _ELSEWHERE[self.family - 1]
        return IPv4Network((whole[number << (32 - length)], length))

    def machines(self, workers: int, image: str) -> tuple[MachineRecord, ...]:
        """Return the master, the workers and the depot with their addresses.

        Args:
            workers: How many machines beside the master, 1 to 9.
            image: ``bare`` or ``ready``.

        Raises:
            BadInput: The number of workers is out of range.
        """
        if not 1 <= workers <= MAX_WORKERS:
            raise BadInput(
                "the number of workers is out of range",
                wanted=f"1 to {MAX_WORKERS}",
                seen=str(workers),
                next="give --nodes a number in that range",
            )
        names = ["master", *(f"node{n}" for n in range(1, workers + 1))]
        pods = list(self.pods.subnets(new_prefix=24))
        nodes = [
            MachineRecord(
                name,
                CONTROL_PLANE if name == "master" else WORKER,
                self.network[11 + i],
                pods[1 + i],
                image=image,
            )
            for i, name in enumerate(names)
        ]
        return (*nodes, MachineRecord("depot", DEPOT, self.network[5], image="depot"))
