"""Labs that are made and removed at the same time keep out of each other's way."""

from collections.abc import Sequence
from pathlib import Path

from k8slab.core.process import Completed
from k8slab.folder import LabFolder
from labmaker.fleet import Fleet, dismantle
from labmaker.plan import AddressPlan
from labmaker.providers import provider_of
from labmaker.settings import Settings


class Computer:
    """A runner on a computer with one lab; it keeps what it was told to remove.

    Attributes:
        removed: What was removed, in order.
        asked: All commands, in order.
    """

    where = "this machine"

    def __init__(self) -> None:
        self.removed: list[str] = []
        self.asked: list[str] = []

    def run(
        self,
        argv: Sequence[str],
        *,
        check: bool = True,
        timeout: float = 60,
        **rest: object,
    ) -> Completed:
        """Answer podman, ip and iptables."""
        words = " ".join(argv)
        self.asked.append(words)
        out = ""
        if "network inspect" in words:
            out = "podman7\n"
        elif " ps " in words:
            out = "k8slab-test-master Up 3 minutes\nk8slab-test-node1 Exited (0)\n"
        elif "network ls" in words:
            out = "0123456789ab\n"
        elif {"rm", "-X", "delete"} & set(argv):
            self.removed.append(argv[4] if "unreachable" in argv else argv[-1])
        return Completed(tuple(argv), self.where, 0, out, "", 0.0)


def test_a_bridges_name_is_given_back_when_the_bridge_is_gone() -> None:
    """Another lab's bridge of that name would be removed in its place."""
    computer = Computer()
    dismantle(provider_of("podman", "test", computer), [AddressPlan(3)], computer)
    filters = ["K8SLAB-3", "K8SLAB-3"]
    routes = ["172.30.4.0/24", "10.247.0.0/16", "10.99.0.0/16"]

    assert sorted(computer.removed[:2]) == ["k8slab-test-master", "k8slab-test-node1"]
    assert computer.removed[2:] == [*filters, "podman7", *routes, "0123456789ab"]


def test_a_machines_key_is_pinned_beside_the_others_and_forgotten(
    tmp_path: Path,
) -> None:
    """Once for each address, also when a machine is made anew."""
    settings = Settings("test", 3, 2, "ready", "podman", "1.37.2")
    folder, computer = LabFolder(tmp_path, "test"), Computer()
    record = settings.record(lambda name: ((), ()), {})
    provider = provider_of("podman", "test", computer)
    fleet = Fleet(folder, record, provider, computer)
    _, first, second, _ = record.machines
    for machine in (first, second):
        fleet.pin(machine)
    fleet.discard(second)
    fleet.pin(second)
    both = folder.known_hosts.read_text().split()[::3]
    fleet.discard(second)
    one = folder.known_hosts.read_text().split()[::3]

    assert both == ["172.30.4.12", "172.30.4.13"]
    assert one == ["172.30.4.12"]
    assert not folder.machine(second.name).exists()
