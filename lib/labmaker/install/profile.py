"""What an installation takes from the machines that it is done on, and from whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..bundle import REGISTRY

DEPOT_HOST = "depot.lab"
DEPOT_CA = "/etc/k8slab/depot-ca.crt"
KEYRING = "/etc/apt/keyrings/kubernetes.gpg"


@dataclass(frozen=True)
class Profile:
    """What follows from the machines; the defaults are those of a lab's containers.

    Attributes:
        made_here: Whether they were made for the lab, which has all of their files for
            itself.
        contained: Whether they are containers, whose kernel and disk are another's.
        cgroup_driver: ``cgroupfs``, or ``systemd`` where that runs on cgroup v2.
        cgroup_v1: Whether one of them has cgroup v1, which is tolerated then.
        outside: Whether they have name servers, which CoreDNS asks for other names.
        devices: The network device of each machine's address, by name; ``eth0`` for
            those that are not named.
        pod_network: Whether Pods get their network from us, not from a manifest.
    """

    made_here: bool = True
    contained: bool = True
    cgroup_driver: str = "cgroupfs"
    cgroup_v1: bool = True
    outside: bool = False
    devices: Mapping[str, str] = field(default_factory=dict)
    pod_network: bool = True

    def device(self, machine: str) -> str:
        """Return the network device of a machine's address."""
        return self.devices.get(machine, "eth0")


@dataclass(frozen=True)
class Sources:
    """Where packages and images come from; the defaults are a lab's depot.

    Attributes:
        packages: The line of apt's sources; empty where apt knows them already.
        packages_host: The host whose certificate apt checks by the CA; or empty.
        mirror: The address that serves the images of ``registry.lab``.
        mirror_is_path: Whether that address ends with a path of its own.
    """

    packages: str = f"deb [signed-by={KEYRING}] https://{DEPOT_HOST}/apt lab main"
    packages_host: str = DEPOT_HOST
    mirror: str = f"https://{REGISTRY}"
    mirror_is_path: bool = False
