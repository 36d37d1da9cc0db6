"""One machine more in a lab's network, which a chapter adds and takes away again."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from k8slab import lab, wait
from k8slab.core import files
from k8slab.core.hints import command
from k8slab.core.phases import Ledger, Silent
from k8slab.core.poll import until
from k8slab.core.process import LocalRunner
from k8slab.core.signals import undisturbed
from k8slab.errors import BundleError, InUse, LabError, NotReady
from k8slab.folder import LabFolder
from k8slab.kube.cluster import Cluster
from k8slab.lab_record import LabRecord, MachineRecord
from k8slab.machine import Machine

from .bundle import Bundle, opened
from .fleet import Fleet, Images
from .install.bring_up import NODE_STEPS
from .install.context import InstallContext
from .providers import provider_of
from .settings import Settings

# Of a machine with no power, the Pods end only when somebody says that they did.
_GONE_AT_ONCE = ("--force", "--grace-period=0", "--wait=false")
_TOKEN = "bootstrap.kubernetes.io/token"  # noqa: S105 - a type, not a token
_ENDING_S = 5.0  # a kernel that was ended a moment ago may still hold the machine
# The lock of each lab whose spare machine is this process's, by the lab's folder.
_held: dict[Path, int] = {}


def fresh(cluster: Cluster) -> Machine:
    """Make a machine in a lab's network that is no node yet, whatever was there before.

    It has what `k8slab up` gives to a node before ``kubeadm join``: name, packages,
    runtime, Pod network; and the lab's nodes have routes to its Pods. This session
    reaches it as one of the lab's machines; the lab's folder does not know it.

    Args:
        cluster: The lab's cluster.

    Raises:
        InUse: Another session has the lab's spare machine; nothing was changed.
        NoMachines: The lab is an adopted cluster.
        BundleError: There is no whole bundle of the lab's version of Kubernetes.
        LabError: It does not come up; what was made is removed.
    """
    folder, record = _folder(cluster)
    _hold(folder)
    bundle = _bundle(record)
    _remove(cluster, folder, record)
    with _fleet(folder, record) as (fleet, machine):
        try:
            _make(fleet, machine, bundle, folder, Ledger(Silent()))
            route = f"ip route replace {machine.pods} via {machine.address}"
            for other in record.nodes:
                cluster.on(other.name).script(route)
        except BaseException as error:
            _remove(cluster, folder, record)
            if isinstance(error, LabError):  # its cure is one for the lab's own
                error.next = "what was made is removed; run this cell again"
            raise
    # A connection of its own: that of the fleet is closed.
    shell = lab.shells(folder, fleet.record)[machine.name]
    made = Machine(machine, shell)
    cluster.admit(made)
    return made


def remove(cluster: Cluster) -> bool:
    """Remove the machine and its node; return whether nothing of them is there.

    Bootstrap tokens whose description is the machine's name go, too. Removing it again
    does nothing.

    Args:
        cluster: The lab's cluster.

    Raises:
        InUse: Another session has the lab's spare machine; nothing was changed.
        NotReady: Objects of its node do not go away.
    """
    folder, record = _folder(cluster)
    _hold(folder)
    _remove(cluster, folder, record)
    os.close(_held.pop(folder.root))
    return not any(node.name == _machine(record).name for node in cluster.nodes())


def clear(name: str) -> bool:
    """Remove the machine if its session has ended, as when its kernel was killed.

    Args:
        name: The lab, which is up.

    Returns:
        Whether it is gone; it stays while its session is alive.

    Raises:
        NotReady: Objects of its node do not go away.
    """
    with closing(lab.connect(name)) as cluster:
        try:
            return remove(cluster)
        except InUse:
            return False


def _machine(record: LabRecord) -> MachineRecord:
    """Return what the machine is: the next one after the lab's own."""
    settings = Settings.of(record)
    *_, last, _ = settings.plan.machines(settings.workers + 1, "ready")
    off, on = provider_of(record.provider, record.name).power(last.name)
    return replace(last, power_off=off, power_on=on)


def _make(
    fleet: Fleet,
    machine: MachineRecord,
    bundle: Bundle,
    folder: LabFolder,
    ledger: Ledger,
) -> None:
    """Boot the machine, and take it through the steps before ``kubeadm join``."""
    fleet.pin(machine)
    fleet.boot(machine, Images.of(bundle), ledger)
    context = InstallContext.of(fleet.record, bundle, folder.ca.read_text())
    for what, step in NODE_STEPS:
        with ledger.phase(what, machine.name):
            step(context, machine, fleet.shells[machine.name])


def _remove(cluster: Cluster, folder: LabFolder, record: LabRecord) -> None:
    """Remove the machine first, then all that others know of it."""
    with undisturbed(), _fleet(folder, record) as (fleet, machine):
        name = machine.name
        cluster.dismiss(name)
        fleet.discard(machine)
        # Nobody is left who could say that its Pods ended.
        cluster.kubectl(["delete", "node", name, "--ignore-not-found", "--wait=false"])
        on_it = f"--field-selector=spec.nodeName={name}"
        cluster.kubectl(["delete", "pods", "--all-namespaces", on_it, *_GONE_AT_ONCE])
        _delete_tokens(cluster, name)
        forget = (
            f"ip route delete {machine.pods} via {machine.address} || true\n"
            f"ip neighbour flush to {machine.address}"
        )
        for other in record.nodes:
            cluster.on(other.name).script(f"{{ {forget}; }} 2> /dev/null")
        for kind in ("nodes", "csinodes"):
            wait.gone(cluster, kind, name)


def _delete_tokens(cluster: Cluster, description: str) -> None:
    """Delete the bootstrap tokens that were made for the machine."""
    told = b64encode(description.encode()).decode()
    for secret in cluster.find("Secret"):
        if secret.get("type") != _TOKEN or secret["data"].get("description") != told:
            continue
        name = secret["metadata"]["name"]
        cluster.kubectl(["delete", "secret", name, "--namespace=kube-system"])


def _folder(cluster: Cluster) -> tuple[LabFolder, LabRecord]:
    """Return the lab's folder, and what it says."""
    record = cluster.folder.record()
    if record is None:
        raise lab.missing(cluster.lab)
    if record.is_adopted:
        raise record.no_machines("to add one to")
    return cluster.folder, record


@contextmanager
def _fleet(
    folder: LabFolder, record: LabRecord
) -> Iterator[tuple[Fleet, MachineRecord]]:
    """Give the lab's machines with the spare one, and that one."""
    machine = _machine(record)
    depot = next(each for each in record.machines if not each.is_node)
    with_it = replace(record, machines=(*record.nodes, machine, depot))
    runner = LocalRunner()
    provider = provider_of(record.provider, record.name, runner)
    fleet = Fleet(folder, with_it, provider, runner)
    try:
        yield fleet, machine
    finally:
        fleet.close()


def _bundle(record: LabRecord) -> Bundle:
    """Return the bundle, whose packages the new machine has, or refuse it."""
    bundle = opened()
    if bundle.versions.kubernetes != record.kubernetes:
        raise BundleError(
            "the bundle has another version of Kubernetes than the lab",
            where=record.name,
            wanted=record.kubernetes,
            seen=bundle.versions.kubernetes,
            next=f"make the lab anew: {command('reset', record.name)}",
        )
    return bundle


def _hold(folder: LabFolder) -> None:
    """Keep the lab's spare machine for this process until it ends or gives it back."""
    if folder.root in _held:
        return
    lock = folder.home / f".{folder.name}.spare.lock"
    lock.touch()
    try:
        handle = until(
            lambda: files.hold(lock) or 0,
            what="the spare machine",
            want="free",
            timeout=_ENDING_S,
            every=0.2,
        )
    except NotReady as error:
        raise InUse(
            "another session has the spare machine of this lab",
            where=str(lock),
            wanted="one at a time",
            next="end that session's kernel, then run this cell again",
        ) from error
    _held[folder.root] = handle
