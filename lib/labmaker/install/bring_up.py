"""Take a lab's machines through all install steps, in the order that is fastest."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import partial

from k8slab.core.parallel import in_parallel
from k8slab.core.phases import Ledger
from k8slab.folder import LabRecord, MachineRecord
from k8slab.ssh.shell import Shell

from . import health
from .context import InstallContext
from .steps import (
    control_plane,
    coredns,
    join,
    packages,
    pod_network,
    runtime,
    system,
    trust,
)

_Step = Callable[[InstallContext, MachineRecord, Shell], bool]

# What every node needs before kubeadm.
NODE_STEPS: tuple[tuple[str, _Step], ...] = (
    ("host name, hosts file, kernel settings", system.apply),
    ("trust the depot", trust.apply),
    ("container runtime", runtime.apply),
    ("Kubernetes packages", packages.apply),
    ("pod network and routes", pod_network.apply),
)


def prepare(
    context: InstallContext, machine: MachineRecord, shell: Shell, ledger: Ledger
) -> None:
    """Take one machine through the steps before kubeadm."""
    for name, step in NODE_STEPS:
        with ledger.phase(name, machine.name) as phase:
            if not step(context, machine, shell):
                phase.unchanged()


class BringUp:
    """Make machines a cluster, each on its own way, all side by side.

    Two cores are busy all the time, so what the others wait for goes first: the
    master boots before all others, and the workers join while ``kubeadm init`` is
    still at its last phases.

    Args:
        context: The lab.
        shells: The machines over SSH, by name.
        boot: Creates and boots a machine, or does nothing where it runs.
        serve: Starts the depot on its machine.
        abandon: Makes what works on the machines end soon.
        ledger: Times and shows the phases.
    """

    def __init__(
        self,
        context: InstallContext,
        shells: Mapping[str, Shell],
        boot: Callable[[MachineRecord], None],
        serve: Callable[[], None],
        abandon: Callable[[], None],
        ledger: Ledger,
    ) -> None:
        self._context = context
        self._shells = shells
        self._boot = boot
        self._serve = serve
        self._abandon = abandon
        self._ledger = ledger
        self._token = join.new_token()
        self._booted = threading.Event()
        self._has_token = threading.Event()
        self._joinable = threading.Event()
        self._served = threading.Event()
        self._failed = threading.Event()

    def run(self) -> None:
        """Do it all; afterwards every node is Ready and names resolve on it.

        Raises:
            CommandFailed: A command failed on a machine.
            NotReady: The cluster does not become ready.
        """
        context, master = self._context, self._shells[self._context.master.name]
        ways = [self._master, self._invite, self._names, self._depot]
        ways += [partial(self._worker, machine) for machine in context.workers]
        in_parallel(ways, abort=self._abort)
        join.delete_token(master, self._token)
        prove(context.record, master, self._ledger)

    def _abort(self) -> None:
        """Let nobody wait for a machine that will not get there."""
        self._failed.set()
        for event in (
            self._booted,
            self._has_token,
            self._joinable,
            self._served,
        ):
            event.set()
        self._abandon()

    def _after(self, event: threading.Event) -> bool:
        """Wait for another machine; return whether it got there."""
        return event.wait(control_plane.TIMEOUT_S) and not self._failed.is_set()

    def _depot(self) -> None:
        # Bare machines wait for its packages; ready ones have them.
        first = self._context.master.image == "bare"
        if first or self._after(self._booted):
            self._boot(self._context.depot)
            self._serve()
            self._served.set()

    def _prepare(self, machine: MachineRecord) -> bool:
        self._boot(machine)
        if machine.is_master:
            self._booted.set()
        if machine.image == "bare" and not self._after(self._served):
            return False
        prepare(self._context, machine, self._shells[machine.name], self._ledger)
        return True

    def _master(self) -> None:
        context, machine = self._context, self._context.master
        shell = self._shells[machine.name]
        if not self._prepare(machine):
            return
        with self._ledger.phase("kubeadm init", machine.name) as phase:
            if not control_plane.apply(
                context, machine, shell, token=self._token, on_token=self._has_token.set
            ):
                phase.unchanged()
        self._has_token.set()

    def _invite(self) -> None:
        """Let the workers join as soon as the cluster vouches for their token."""
        if self._after(self._has_token):
            join.wait_signed(self._shells[self._context.master.name], self._token)
            self._joinable.set()

    def _names(self) -> None:
        """Start CoreDNS while ``kubeadm init`` is still at its last phases."""
        context, shell = self._context, self._shells[self._context.master.name]
        if not self._after(self._has_token):
            return
        with self._ledger.phase("CoreDNS", context.master.name) as phase:
            if not coredns.apply(context, context.master, shell):
                phase.unchanged()
        health.ask_names(context.record, shell)

    def _worker(self, machine: MachineRecord) -> None:
        master = self._shells[self._context.master.name]
        if not self._after(self._booted) or not self._prepare(machine):
            return
        if not self._after(self._joinable):
            return
        with self._ledger.phase("kubeadm join", machine.name) as phase:
            if not join.apply(
                self._context,
                machine,
                self._shells[machine.name],
                token=self._token,
                ca_cert_hash=join.ca_hash(master.read(join.CA_FILE)),
            ):
                phase.unchanged()


def prove(record: LabRecord, master: Shell, ledger: Ledger) -> None:
    """See CoreDNS answer a Pod on every worker, and all nodes Ready.

    `ready.ask_names` must have put the Pods there.
    """
    with ledger.phase("names resolve on every worker"):
        health.wait_names(record, master)
    with ledger.phase("all nodes Ready"):
        in_parallel(
            [
                lambda: health.wait_nodes(record, master),
                lambda: health.forget_names(master),
            ]
        )
