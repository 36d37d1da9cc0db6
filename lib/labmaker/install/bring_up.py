"""Take a lab's machines through all install steps, in the order that is fastest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from k8slab.core.parallel import in_parallel
from k8slab.core.phases import Ledger
from k8slab.lab_record import LabRecord, MachineRecord
from k8slab.ssh.shell import Shell

from ..schedule import Schedule
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

_SERVE = "serve packages and images"
_INIT = "kubeadm init"
_TOKEN = "the API knows the token"  # noqa: S105 - a milestone
_JOINABLE = "the cluster vouches for the token"


def bring_up(
    context: InstallContext,
    shells: Mapping[str, Shell],
    *,
    boot: Callable[[MachineRecord], None],
    serve: Callable[[], None],
    abandon: Callable[[], None],
    ledger: Ledger,
) -> None:
    """Make machines a cluster; afterwards all nodes are Ready and resolve names.

    Args:
        context: The lab.
        shells: The machines over SSH, by name.
        boot: Creates and boots a machine, and shows that as a phase.
        serve: Starts the depot on its machine, and shows that as a phase.
        abandon: Makes what works on the machines end soon.
        ledger: Times and shows the phases.

    Raises:
        CommandFailed: A command failed on a machine.
        NotReady: The cluster does not become ready.
    """
    schedule = Schedule(ledger, abort=abandon)
    _machines(schedule, context, shells, boot, serve)
    _cluster(schedule, context, shells)
    schedule.run()
    prove(context.record, shells[context.master.name], ledger)


def _machines(
    schedule: Schedule,
    context: InstallContext,
    shells: Mapping[str, Shell],
    boot: Callable[[MachineRecord], None],
    serve: Callable[[], None],
) -> None:
    """Add what is done on each machine before kubeadm.

    Two cores are busy all the time, so what the others wait for goes first: the
    master boots before all others. Bare machines wait for the depot's packages, so it
    boots beside the master; ready ones have them.
    """
    first = _boot(context.master)
    bare = context.master.image != "ready"
    for machine in context.record.machines:
        at_once = machine.is_master or (bare and machine is context.depot)
        needs = [] if at_once else [first]
        schedule.add(_boot(machine), partial(boot, machine), needs=needs)
    schedule.add(_SERVE, serve, needs=[_boot(context.depot)])
    for machine in context.nodes:
        before = [_boot(machine), *([] if machine.image == "ready" else [_SERVE])]
        for what, step in NODE_STEPS:
            name = f"{what} ({machine.name})"
            schedule.add(
                name,
                partial(step, context, machine, shells[machine.name]),
                needs=before,
                what=what,
                where=machine.name,
            )
            before = [name]


def _cluster(
    schedule: Schedule, context: InstallContext, shells: Mapping[str, Shell]
) -> None:
    """Add what makes a cluster of prepared machines.

    CoreDNS starts and the workers join while ``kubeadm init`` is still at its last
    phases: all they need is that the API knows their token.
    """
    master, token = context.master, join.new_token()
    shell = shells[master.name]
    schedule.add(
        _INIT,
        partial(
            control_plane.apply,
            context,
            master,
            shell,
            token=token,
            on_token=partial(schedule.reach, _TOKEN),
        ),
        needs=[_prepared(master)],
        what="kubeadm init",
        where=master.name,
        milestones=[_TOKEN],
    )
    schedule.add(
        _JOINABLE,
        partial(join.wait_signed, shell, token),
        needs=[_TOKEN],
        what=_JOINABLE,
        where=master.name,
    )
    schedule.add(
        "CoreDNS",
        partial(coredns.apply, context, master, shell),
        needs=[_TOKEN],
        what="CoreDNS",
        where=master.name,
    )
    schedule.add(
        "ask for names",
        partial(health.ask_names, context.record, shell),
        needs=["CoreDNS"],
        what="Pods that ask for names",
        where=master.name,
    )
    if context.network:
        schedule.add(
            "Pod network",
            partial(pod_network.apply_manifest, context, shell),
            needs=[_TOKEN],
            what="Pod network of the manifest",
            where=master.name,
        )
    for worker in context.workers:
        schedule.add(
            _join(worker),
            partial(_join_worker, context, worker, shells, token),
            needs=[_prepared(worker), _JOINABLE],
            what="kubeadm join",
            where=worker.name,
        )
    schedule.add(
        "forget the token",
        partial(join.delete_token, shell, token),
        needs=[_INIT, *map(_join, context.workers)],
        what="forget the token",
        where=master.name,
    )


def _join_worker(
    context: InstallContext,
    worker: MachineRecord,
    shells: Mapping[str, Shell],
    token: str,
) -> bool:
    ca = shells[context.master.name].read(join.CLUSTER_CA)
    return join.apply(
        context,
        worker,
        shells[worker.name],
        token=token,
        ca_cert_hash=join.ca_hash(ca),
    )


def _boot(machine: MachineRecord) -> str:
    return f"boot {machine.name}"


def _prepared(machine: MachineRecord) -> str:
    return f"{NODE_STEPS[-1][0]} ({machine.name})"


def _join(machine: MachineRecord) -> str:
    return f"join {machine.name}"


def prove(record: LabRecord, master: Shell, ledger: Ledger) -> None:
    """See CoreDNS answer a Pod on every worker, and all nodes Ready.

    `health.ask_names` must have put the Pods there.
    """
    with ledger.phase("names resolve on every worker"):
        health.wait_names(master)
    with ledger.phase("all nodes Ready"):
        in_parallel(
            [
                lambda: health.wait_nodes(record, master),
                lambda: health.forget_names(master),
            ]
        )
