"""Three bare machines of a chapter's own, and the cluster that the reader makes."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from k8slab import lab, magics
from k8slab.core.names import INSTALL
from k8slab.core.parallel import in_parallel
from k8slab.core.phases import Plain, Silent
from k8slab.errors import BadInput, LabMissing, UnknownMachine
from k8slab.kube.cluster import Cluster
from k8slab.lab_record import MachineRecord
from k8slab.ssh.client import SSHShell

from . import adopted, lifecycle
from .companions import own_lab
from .install import facts as _facts
from .install.facts import Compared, Facts
from .install.pin import pin
from .install.steps.control_plane import ADMIN_CONF
from .settings import Settings

WORKERS = 2
# An engine mounts /etc/hostname, and hostnamectl could not replace a mounted file.
_AS_DELIVERED = """\
if mountpoint --quiet /etc/hostname; then umount /etc/hostname; fi
echo debian > /etc/hostname
hostname debian
sysctl --quiet --write net.ipv4.ip_forward=0
"""


class Machines:
    """The machines of a lab that a chapter made for itself.

    Args:
        name: The lab's name.

    Raises:
        LabMissing: There is no such lab.
    """

    def __init__(self, name: str) -> None:
        folder = lab.folder(name)
        record = folder.record()
        if record is None:
            raise lab.missing(name)
        self.name = name
        self._folder = folder
        self._record = record
        self._plan = Settings.of(record).plan
        self._shells = lab.shells(folder, record)

    def __repr__(self) -> str:
        return f"Machines({self.name!r}, {', '.join(self.names)})"

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the machines that can become nodes, the master first."""
        return tuple(machine.name for machine in self._record.nodes)

    @property
    def records(self) -> tuple[MachineRecord, ...]:
        """The machines with their addresses, the depot last."""
        return self._record.machines

    def on(self, machine: str) -> SSHShell:
        """Return the runner that reaches a machine over SSH.

        Raises:
            UnknownMachine: There is no such machine.
        """
        if machine not in self.names:
            raise UnknownMachine(machine, self.names)
        return self._shells[machine]

    def pod_range(self, machine: str) -> str:
        """Return the range that a machine's Pods get their addresses from.

        Raises:
            UnknownMachine: There is no such machine.
        """
        ranges = {each.name: str(each.pods) for each in self._record.nodes}
        if machine not in ranges:
            raise UnknownMachine(machine, self.names)
        return ranges[machine]

    def copy(self, folder: str, *to: str) -> None:
        """Copy a folder's files to machines, as ``scp -r FOLDER MACHINE:`` does.

        Args:
            folder: The folder on this computer.
            to: The machines; the files arrive in their ``/root``.

        Raises:
            BadInput: There is no such folder.
            UnknownMachine: There is no such machine.
        """
        source = Path(folder)
        files = sorted(path for path in source.glob("*") if path.is_file())
        if not files:
            raise BadInput("there is nothing to copy", where=folder, seen="no file")
        for machine in to:
            for path in files:
                target = f"/root/{source.name}/{path.name}"
                self.on(machine).put(target, path.read_bytes())
        for path in files:
            print(f"{source.name}/{path.name} -> {', '.join(to)}")

    def carry(self, file: str, from_: str, *to: str) -> None:
        """Carry a file from one machine to others, as ``scp -3`` does.

        Args:
            file: The file, below ``/root``; only root may read its copies.
            from_: The machine that has it.
            to: The machines that get it.

        Raises:
            UnknownMachine: There is no such machine.
            LabError: There is no such file.
        """
        content = self.on(from_).read(f"/root/{file}")
        for machine in to:
            self.on(machine).put(f"/root/{file}", content, mode=0o600)
        print(f"{file}: {from_} -> {', '.join(to)}")

    def connect(self) -> Cluster:
        """Fetch ``admin.conf`` from the master, and pin the cluster it leads to.

        From then on ``%kubectl`` reaches this cluster, and no other.

        Raises:
            LabMissing: The master has no ``admin.conf``.
            WrongCluster: It leads to another machine than the master.
        """
        master = self.on("master")
        if not master.run(["test", "-s", ADMIN_CONF], check=False).ok:
            raise LabMissing(
                "these machines are no cluster yet",
                where=f"master: {ADMIN_CONF}",
                wanted="the file that kubeadm init writes",
                seen="none",
                next="run kubeadm init on the master first",
            )
        pin(self._folder, master)
        return lab.connect(self.name)

    def facts(self) -> Facts:
        """Read what was installed on the machines, by step and machine."""
        return _facts.read(self._shells, self._plan, *self.records)

    def plan(self, machine: MachineRecord) -> str:
        """Return the address plan as a machine gets it: a file of shell variables."""
        plan = self._plan
        nodes = self._record.nodes
        lines = [f"# The address plan of {self.name}. Read it with: . ~/plan"]
        lines += [f"NAME={machine.name}", f"RANGE={machine.pods}"]
        lines += [f"{m.name.upper()}={m.address}" for m in self.records]
        lines += [f"{m.name.upper()}_RANGE={m.pods}" for m in nodes]
        lines += [f"PODS={plan.pods}", f"SERVICES={plan.services}"]
        return "\n".join(lines) + "\n"

    def deliver(self) -> None:
        """Leave the machines as a provider does: all of one name, nothing set up.

        Each has the address plan and the certificate of the company's mirror.
        """
        ca = self._folder.ca.read_text()

        def prepare(machine: MachineRecord) -> None:
            shell = self._shells[machine.name]
            shell.put("/root/plan", self.plan(machine))
            shell.put("/root/depot-ca.crt", ca)
            shell.script(_AS_DELIVERED)

        in_parallel([partial(prepare, machine) for machine in self._record.nodes])


def fresh() -> Machines:
    """Make three bare machines, whatever there was before; cells mean these now.

    ``%%on`` reaches them, and ``%kubectl`` refuses until they are a cluster.

    Raises:
        HostProblem: This computer cannot carry them; nothing was made.
        BundleError: There is no whole bundle; nothing was made.
    """
    adopted.refuse(None, "beside which bare ones are made")
    name = _own(None)
    remove()
    lifecycle.up(name, workers=WORKERS, image="bare", cluster=False)
    machines = Machines(name)
    machines.deliver()
    magics.register_machines(machines)
    return machines


def install() -> Machines:
    """Make three bare machines anew, and take them through all steps in one call.

    It prints each step with its time. Cells mean these machines then.

    Raises:
        HostProblem: This computer cannot carry them; nothing was made.
        BundleError: There is no whole bundle; nothing was made.
        PhaseFailed: A step failed; what was made is removed.
    """
    adopted.refuse(None, "beside which bare ones are made")
    name = _own(None)
    remove()
    lifecycle.up(name, workers=WORKERS, image="bare", reporter=Plain(sys.stdout))
    machines = Machines(name)
    magics.register_machines(machines)
    return machines


def remove(beside: str | None = None) -> bool:
    """Remove the machines and all they left here; return whether they are gone.

    Removing them again does nothing.

    Args:
        beside: The lab that commands mean; ``K8SLAB_LAB`` or ``default`` when None.
    """
    lifecycle.down(
        _own(beside), reporter=Silent()
    )  # it stands in cells that are compared
    return not is_there(beside)


def is_there(beside: str | None = None) -> bool:
    """Say whether there are such machines, as after a chapter that was killed.

    Args:
        beside: The lab that commands mean; ``K8SLAB_LAB`` or ``default`` when None.
    """
    return lab.find(_own(beside)) is not None


def compare(first: Facts, second: Facts) -> list[Compared]:
    """Compare two installations, a record for each step; see `Machines.facts`."""
    return _facts.compare(first, second)


def _own(beside: str | None) -> str:
    return own_lab(lab.folder(beside).name, INSTALL)
