"""Say by which of this computer's interfaces a packet to the lab would leave."""

from __future__ import annotations

import json
from dataclasses import dataclass

from ..core.hints import command
from ..core.outside import told
from ..core.process import LocalRunner
from ..errors import Refused
from ..kube.cluster import Cluster

_NO_WAY = 2
"""What ``ip`` ends with when the kernel answers that there is no route."""


@dataclass(frozen=True, repr=False)
class Route:
    """Where this computer would send a packet; none was sent.

    Attributes:
        address: The address it would be for.
        device: The interface; empty when there is no way at all.
    """

    address: str
    device: str

    def __repr__(self) -> str:
        way = f"dev {self.device}" if self.device else "unreachable"
        return f"$ ip route get {self.address}\n{self.address} {way}"


def look(address: str) -> Route:
    """Ask this computer's routing table, which sends nothing.

    Raises:
        CommandFailed: The table was not asked; ``ip`` says why.
    """
    argv = ["ip", "-json", "route", "get", address]
    done = LocalRunner().run(argv, check=False, timeout=5)
    if done.returncode == _NO_WAY:
        return Route(address, "")
    with told():
        found = json.loads(done.check().stdout or "[]")
    return Route(address, found[0].get("dev", "") if found else "")


def require(cluster: Cluster, address: str) -> None:
    """Refuse an address whose packets would not go to the lab's machines.

    Raises:
        Refused: They would leave by another interface than those for the master.
    """
    master = look(cluster.address(cluster.machines[0]))
    route = look(address)
    if not route.device or route.device != master.device:
        raise Refused(
            "the way to this address does not lead into the lab",
            where=address,
            wanted=f"the interface of the machines, {master.device or 'which is down'}",
            seen=route.device or "no way",
            next=command("status", cluster.lab),
        )
