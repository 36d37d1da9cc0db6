"""Make, reach, start and stop all machines of one lab."""

from __future__ import annotations

import itertools
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from k8slab import lab
from k8slab.core.hints import anew, command
from k8slab.core.parallel import in_parallel
from k8slab.core.phases import Ledger
from k8slab.core.poll import until
from k8slab.core.process import Runner
from k8slab.errors import LabError, NotReady
from k8slab.folder import LabFolder
from k8slab.lab_record import LabRecord, MachineRecord
from k8slab.ssh.keys import generate_key, known_hosts_line

from .bundle import Bundle
from .bundle.components import MACHINE_IMAGES
from .clone import clone, clone_store
from .host.firewall import apply_rules, bridge_of, forget_neighbours, remove_rules
from .plan import AddressPlan
from .providers import Mount, Provider
from .settings import Settings

SSH_TIMEOUT_S = 30.0
SILENT_S = 8.0
"""Seconds after which a machine that runs is taken to have lost its network."""
_ENDED_EVERY_S = 3.0
_LOGIN = "authorized_keys"


@dataclass(frozen=True)
class Images:
    """What machines are made from.

    Attributes:
        references: The provider's name of each machine image, by
            ``MachineRecord.image``.
        archives: The file each can be loaded from.
        store: A prepared containerd folder for ``ready`` machines.
        apt: The repository the depot serves.
        registry: The image registry's folder that the depot serves.
    """

    references: Mapping[str, str]
    archives: Mapping[str, Path]
    store: Path
    apt: Path
    registry: Path

    @classmethod
    def of(cls, bundle: Bundle) -> Images:
        """Return what a bundle holds of them."""
        return cls(
            references={kind: bundle.image_ref(kind) for kind in MACHINE_IMAGES},
            archives={kind: bundle.image_tar(kind) for kind in MACHINE_IMAGES},
            store=bundle.path("store"),
            apt=bundle.path("apt"),
            registry=bundle.path("registry"),
        )


def dismantle(provider: Provider, plans: Iterable[AddressPlan], runner: Runner) -> None:
    """Remove a lab's machines, firewall rules and network, whatever of them is there.

    The network comes last: until then its range and its bridge's name belong to no
    lab that is being made at the same time.

    Args:
        provider: The lab's provider.
        plans: Those whose firewall rules are the lab's.
        runner: Runs ``ip`` and ``iptables`` on this computer.
    """
    bridge = provider.bridge_if_any()
    provider.remove_machines()
    for plan in plans:
        remove_rules(plan, bridge, runner, hooks=provider.asks_first)
    provider.remove_network()


class Fleet:
    """The machines of one lab.

    Args:
        folder: The lab's files.
        record: What the lab's folder says of it.
        provider: Makes the machines.
        runner: Runs commands on this computer.
    """

    def __init__(
        self, folder: LabFolder, record: LabRecord, provider: Provider, runner: Runner
    ) -> None:
        self.record = record
        self._plan = Settings.of(record).plan
        self._folder = folder
        self._provider = provider
        self._runner = runner
        self._abandoned = threading.Event()
        self.shells = lab.shells(folder, record)

    def close(self) -> None:
        """Close all connections; commands that still run on them fail at once."""
        for shell in self.shells.values():
            shell.close()

    def abandon(self) -> None:
        """Make whatever still works on the machines end soon, and nothing new begin."""
        self._abandoned.set()
        for shell in self.shells.values():
            shell.close(for_good=True)

    def enclose(self, ledger: Ledger) -> None:
        """Make the network, and the firewall rules around it."""
        with ledger.phase("network that leads nowhere else"):
            self._provider.create_network(self._plan)
            self.apply_firewall()

    def prepare(self, images: Images, ledger: Ledger) -> None:
        """Make what all machines share besides: images and keys."""
        machines = self.record.machines
        with ledger.phase("machine images") as phase:
            if not self._load(images, {m.image for m in machines}):
                phase.unchanged()
        with ledger.phase("keys"):
            self._keys(machines)

    def pin(self, machine: MachineRecord) -> None:
        """Make a machine's folder and its host key, and pin the key."""
        private, public = generate_key()
        self._folder.machine(machine.name).mkdir(parents=True)
        self._folder.write(self._host_key(machine), private)
        self.unpin(machine)
        line = known_hosts_line(str(machine.address), public)
        self._folder.write(self._folder.known_hosts.name, self._pinned() + line)

    def unpin(self, machine: MachineRecord) -> None:
        """Forget a machine's host key, if one is pinned."""
        address = f"{machine.address} "
        lines = self._pinned().splitlines(keepends=True)
        kept = "".join(line for line in lines if not line.startswith(address))
        if kept != "".join(lines):
            self._folder.write(self._folder.known_hosts.name, kept)

    def boot(
        self,
        machine: MachineRecord,
        images: Images,
        ledger: Ledger,
        *,
        beside: Sequence[Mount] = (),
    ) -> None:
        """Create a machine and reach it over SSH.

        Args:
            machine: Which one.
            images: What it is made from.
            ledger: Times and shows the phase.
            beside: What else of this computer it sees.
        """
        root = self._folder.machine(machine.name)
        key = self._folder.root / self._host_key(machine)
        mounts = [
            Mount(
                self._folder.root / _LOGIN, "/root/.ssh/authorized_keys", read_only=True
            ),
            Mount(key, "/etc/ssh/ssh_host_ed25519_key", read_only=True),
        ]
        with ledger.phase("create and boot", machine.name):
            if not machine.is_node:
                # Its own copies, so that the lab outlives the bundle it came from.
                for source in (images.apt, images.registry):
                    data = root / source.name.partition("-")[0]
                    clone(source, data, self._runner)
                    mounts.append(Mount(data, f"/srv/{data.name}", read_only=True))
            else:
                # containerd's overlays cannot lie on the machine's own overlay.
                for name in ("containerd", "kubelet", "etcd"):
                    data = root / name
                    if name == "containerd" and machine.image == "ready":
                        clone_store(images.store, data, self._runner)
                    else:
                        data.mkdir()
                    mounts.append(Mount(data, f"/var/lib/{name}"))
            reference = images.references[machine.image]
            if self._abandoned.is_set():
                raise LabError("the lab is being removed", where=machine.name)
            self._provider.create(machine, reference, [*mounts, *beside])
            self._reach(machine.name)

    def apply_firewall(self) -> None:
        """Make sure that no packet for the lab leaves this computer."""
        apply_rules(
            self._plan,
            self._provider.bridge(),
            self._runner,
            hooks=self._provider.asks_first,
        )

    def start(self, names: Sequence[str], ledger: Ledger) -> None:
        """Start machines that are stopped, and reach each over SSH."""
        with ledger.phase("start " + ", ".join(names)):
            self._provider.start(names)
            addresses = [m.address for m in self.record.machines if m.name in names]
            forget_neighbours(addresses, self._runner)
            for name in names:
                self._reach(name)

    def stop(self, names: Sequence[str] | None = None) -> None:
        """Shut machines down, all by default."""
        self.close()
        self._provider.stop(list(self._provider.states()) if names is None else names)

    def silent(self, names: Sequence[str]) -> list[str]:
        """Return which of these machines do not answer on SSH, in their order.

        One that has just been started is given some seconds.
        """
        waited_for = set(names)

        def all_answer() -> bool:
            asked = sorted(waited_for)
            up = in_parallel([self.shells[name].is_up for name in asked])
            waited_for.difference_update(itertools.compress(asked, up))
            return not waited_for

        with suppress(NotReady):
            until(all_answer, what="silent", want="answers", timeout=SILENT_S)
        return [name for name in names if name in waited_for]

    def remove(self) -> None:
        """Remove machines, network and firewall rules, whatever of them is there."""
        self.close()
        dismantle(self._provider, [self._plan], self._runner)

    def leave(self) -> None:
        """Remove the bridge and the firewall rules of machines that have to stay."""
        self.close()
        bridge = bridge_of(self._plan, self._runner)
        remove_rules(self._plan, bridge, self._runner, hooks=self._provider.asks_first)

    def discard(self, machine: MachineRecord) -> None:
        """Remove one machine with its data and its pinned key, whatever is there."""
        self.shells[machine.name].close()
        self._provider.remove_machines(machine.name)
        self.unpin(machine)
        # Or the next machine with its address would not be found for half a minute.
        forget = ["ip", "neighbour", "flush", "to", str(machine.address)]
        self._runner.run(forget, check=False)
        shutil.rmtree(self._folder.machine(machine.name), ignore_errors=True)

    def _load(self, images: Images, wanted: set[str]) -> bool:
        missing = [
            image
            for image in sorted(wanted)
            if not self._provider.has_image(images.references[image])
        ]
        for image in missing:
            self._provider.load_image(images.archives[image])
        return bool(missing)

    def _keys(self, machines: Sequence[MachineRecord]) -> None:
        """Write the lab's key pair and each machine's host key; pin the latter."""
        private, public = generate_key()
        self._folder.write(self._folder.key.name, private)
        self._folder.write(_LOGIN, public + "\n")
        self._folder.known_hosts.unlink(missing_ok=True)
        for machine in machines:
            self.pin(machine)

    def _pinned(self) -> str:
        known = self._folder.known_hosts
        return known.read_text(encoding="utf-8") if known.exists() else ""

    def _host_key(self, machine: MachineRecord) -> str:
        return f"machines/{machine.name}/ssh_host_ed25519_key"

    def _reach(self, name: str) -> None:
        shell = self.shells[name]
        until(
            shell.is_up,
            what=f"{name} does not answer on SSH",
            want="a login with the lab's key",
            failed=self._ended(name),
            timeout=SSH_TIMEOUT_S,
            where=name,
            next=f"see what this computer lacks: {command('doctor')}; "
            f"then {anew(self._folder.name)}",
        )

    def _ended(self, name: str) -> Callable[[bool], str | None]:
        """Return a look at whether a machine has ended, asked for once a while."""
        started = time.monotonic()

        def look(_: bool) -> str | None:
            if self._abandoned.is_set():
                return "the lab is being removed"
            nonlocal started
            if time.monotonic() - started < _ENDED_EVERY_S:
                return None
            started = time.monotonic()
            state = self._provider.states().get(name, "gone")
            return None if state == "running" else f"the machine ended: {state}"

        return look
