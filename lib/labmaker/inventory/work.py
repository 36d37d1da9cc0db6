"""Make the machines of an inventory a lab, see it work, and undo it."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from k8slab import lab
from k8slab.core import files
from k8slab.core.hints import command
from k8slab.core.parallel import in_parallel
from k8slab.core.phases import Ledger, Phase
from k8slab.core.process import LocalRunner, Runner
from k8slab.core.signals import undisturbed
from k8slab.core.terminal import say
from k8slab.errors import BadInput, LabError, MachineUnreachable, NotReady
from k8slab.folder import LabFolder
from k8slab.lab_record import INVENTORY, LabRecord, MachineRecord, Ranges
from k8slab.machine import Machine
from k8slab.ssh.client import SSHShell

from .. import advice, faults
from ..bundle import REGISTRY, Bundle
from ..clone import clone
from ..install import bring_up, health
from ..install.context import InstallContext
from ..install.pin import pin, refresh
from ..install.profile import KEYRING, Profile, Sources
from ..install.steps import pod_network, system
from ..install.steps.depot import NAMES as DEPOT_NAMES
from ..pki import make_identity
from . import depot, hostkeys, preflight, undo
from .hostkeys import Ask
from .journal import Journal, NotingShell
from .schema import Inventory, read, spanning

_ON_S = 120.0
_DNS = 10  # the tenth address of the Services' range, as kubeadm has it


class InventoryWork:
    """Work on one lab of an inventory's machines; only one at a time does.

    Args:
        folder: The lab's files.
        runner: Runs commands on this computer.
    """

    def __init__(self, folder: LabFolder, runner: Runner | None = None) -> None:
        self.folder = folder
        self._runner = runner or LocalRunner()

    def create(
        self, ledger: Ledger, file: Path, bundle: Bundle, ask: Ask | None, *, keep: bool
    ) -> None:
        """Make a cluster of the machines; when that fails, all of it is undone.

        Args:
            ledger: Times and shows the phases.
            file: The inventory.
            bundle: What to install.
            ask: Asks the reader whether a host key is right; None where nobody can be.
            keep: Leave what was done when it fails.

        Raises:
            BadInput: The file cannot be used; nothing was sent anywhere.
            HostKeyMismatch: A host key is not the one wanted; nobody logged in.
            HostProblem: Machines cannot be as they are; nothing was changed.
            LabError: A step failed; it was undone unless ``keep``.
        """
        inventory = read(file)
        self.folder.clear()  # the notes of an earlier lab would be taken for this one's
        record = self._record(inventory, bundle, file)
        try:
            with ledger.phase("host keys", "inventory") as phase:
                hostkeys.pin(self.folder, inventory, ask)
                phase.changed(f"{len(inventory.hosts)} pinned")
            known = self._judged(ledger, record, inventory)
        except BaseException:
            self.folder.remove()
            raise
        self.folder.save(record)
        try:
            self._make(ledger, record, inventory, bundle, known)
        except BaseException as error:
            if not keep:
                self._take_back(ledger, record, file, error)
            raise
        self.folder.save(replace(record, complete=True))

    def look(self, ledger: Ledger, record: LabRecord) -> None:
        """See that the cluster works; give power back where the inventory says how.

        Raises:
            MachineUnreachable: A machine does not answer, and its power is not ours.
            LabError: The lab was never up.
        """
        if not record.complete:
            raise LabError(
                f"the lab {record.name!r} is not whole",
                where=str(self.folder.root),
                wanted="an installation that ended, and no removal that began",
                seen="what one of them left",
                next=f"undo it first: {command('down', record.name, '--yes')}",
            )
        shells = lab.shells(self.folder, record)
        master = shells[record.nodes[0].name]
        try:
            silent = self._silent(ledger, record, shells)
            self._power_on(ledger, silent, shells)
            faults.undo(
                self.folder, ledger, start_s=health.TIMEOUT_S if silent else 0.0
            )
            self._restore_hosts(ledger, record, shells)
            self._restore_routes(ledger, record, shells)
            with ledger.phase("look at the lab") as phase:
                names = [machine.name for machine in record.nodes]
                well = not silent and health.is_well(master, names)
                if well and not refresh(self.folder, master):
                    phase.unchanged("it is up")
            if not well:
                with ledger.phase("control plane", master.where):
                    health.restore_master(master)
                health.ask_names(record, master)
                bring_up.prove(record, master, ledger)
                refresh(self.folder, master)
        finally:
            self._close(shells)

    def stop(self, ledger: Ledger, record: LabRecord) -> None:
        """Switch the machines off by the inventory's commands, the workers first.

        Raises:
            BadInput: The inventory names no commands; nothing was done.
        """
        _refuse_power(record, "stop", [m for m in record.nodes if not m.power_off])
        for machine in reversed(record.nodes):
            with ledger.phase("switch off", machine.name):
                self._runner.run(machine.power_off, timeout=_ON_S)

    def remove(self, ledger: Ledger, record: LabRecord) -> None:
        """Undo on every machine what was done there, and forget the lab.

        Raises:
            MachineUnreachable: One does not answer; what was done on it is not undone,
                and the lab's folder stays. On the others it is.
            CommandFailed: Something cannot be undone; the same.
        """
        if record.complete:  # whatever ends it, nobody takes what is left for a lab
            with files.although_full():
                self.folder.save(replace(record, complete=False))
        shells = lab.shells(self.folder, record)
        try:
            with undisturbed():
                self._undo(ledger, record, shells)
        finally:
            self._close(shells)
        self.folder.remove()

    def states(self, record: LabRecord) -> dict[str, str]:
        """Return of each machine whether it answers on SSH."""
        shells = lab.shells(self.folder, record)
        names = [machine.name for machine in record.machines]
        try:
            states = in_parallel([partial(_state, shells[name]) for name in names])
        finally:
            self._close(shells)
        return dict(zip(names, states, strict=True))

    def _record(self, inventory: Inventory, bundle: Bundle, file: Path) -> LabRecord:
        addresses = [machine.address for machine in inventory.machines]
        services = inventory.services
        return LabRecord(
            name=self.folder.name,
            provider=INVENTORY,
            kubernetes=bundle.versions.kubernetes,
            machines=inventory.machines,
            ranges=Ranges(
                spanning(addresses), inventory.pods, services, services[_DNS]
            ),
            images=dict(bundle.versions.images),
            maker={"inventory": str(file.absolute()), "depot": inventory.depot},
        )

    def _judged(
        self, ledger: Ledger, record: LabRecord, inventory: Inventory
    ) -> preflight.Known:
        """Return what all machines said, which can be used as they are."""
        shells = lab.shells(self.folder, record)
        try:
            with ledger.phase("look at all machines", "inventory") as phase:
                known = preflight.look(inventory, shells)
                phase.unchanged("all can be used")
            return known
        finally:
            self._close(shells)

    def _make(
        self,
        ledger: Ledger,
        record: LabRecord,
        inventory: Inventory,
        bundle: Bundle,
        known: preflight.Known,
    ) -> None:
        identity = make_identity(record.name, DEPOT_NAMES)
        profile = preflight.profile(inventory, known)
        context = _context(record, inventory, bundle, identity.ca, profile)
        self.folder.write(self.folder.ca.name, context.ca)
        clone(bundle.kubectl, self.folder.kubectl, self._runner)
        shells = {
            name: NotingShell(shell, self._journal(name))
            for name, shell in lab.shells(self.folder, record).items()
        }

        def prepare(machine: MachineRecord) -> None:
            shell = shells[machine.name]
            with ledger.phase("note what is there", machine.name):
                shell.begin()
            if inventory.packages is None:
                with ledger.phase("bring packages", machine.name):
                    depot.bring_packages(shell, bundle)

        def serve() -> None:
            if inventory.depot:
                with ledger.phase("bring and serve images", inventory.depot):
                    depot.serve_images(shells[inventory.depot], bundle, identity)

        def abandon() -> None:
            for shell in shells.values():
                shell.refuse()

        try:
            bring_up.bring_up(
                context,
                shells,
                boot=prepare,
                serve=serve,
                abandon=abandon,
                ledger=ledger,
            )
            with ledger.phase("pin the cluster"):
                pin(self.folder, shells[context.master.name])
        finally:
            self._close(shells)

    def _take_back(
        self, ledger: Ledger, record: LabRecord, file: Path, error: BaseException
    ) -> None:
        """Undo an installation that failed; say so in the error, or beside it."""
        step = "what was done is undone; have it kept the next time, to look at it: "
        step += command(
            "up", record.name, f"--inventory {shlex.quote(str(file))} --keep"
        )
        try:
            self.remove(ledger, record)
        except (LabError, OSError) as second:
            why = second.what if isinstance(second, LabError) else str(second)
            step = f"some of it is not undone, as {why}; do that by "
            step += command("down", record.name, "--yes")
        if isinstance(error, LabError):
            error.next = "; ".join(filter(None, [advice.cure(error.next), step]))
        else:  # as Ctrl-C, which tells nothing itself
            say(step)

    def _undo(
        self, ledger: Ledger, record: LabRecord, shells: Mapping[str, SSHShell]
    ) -> None:
        """Undo on the workers first, then on the control plane."""
        assert record.ranges is not None  # noqa: S101 - such labs have ranges
        ranges = undo.ranges_of(record.ranges.pods, record.ranges.services)
        failed: list[LabError] = []

        def on(name: str) -> None:
            with suppress(LabError), ledger.phase("undo what was done", name) as phase:
                strange: list[str] = []
                journal = self._journal(name)
                try:
                    if not undo.machine(shells[name], journal, ranges, strange.append):
                        phase.unchanged("nothing was")
                    if strange:
                        phase.changed(f"left alone: {', '.join(strange)}")
                except LabError as error:
                    failed.append(error)
                    raise

        workers = [m.name for m in record.nodes if not m.is_master]
        in_parallel([partial(on, name) for name in workers])
        on(record.nodes[0].name)
        if failed:
            first = failed[0]
            cure = f"{first.next}; then " if first.next else ""
            again = f"{cure}repeat it: {command('down', record.name, '--yes')}"
            alone = command("down", record.name, "--forget")
            first.next = f"{again}; without that machine, for ever: {alone}"
            raise first

    def _silent(
        self, ledger: Ledger, record: LabRecord, shells: Mapping[str, SSHShell]
    ) -> list[MachineRecord]:
        with ledger.phase("look at the machines") as phase:
            up = in_parallel([shells[m.name].is_up for m in record.nodes])
            pairs = zip(record.nodes, up, strict=True)
            silent = [machine for machine, is_up in pairs if not is_up]
            names = ", ".join(machine.name for machine in silent)
            phase.unchanged(f"silent: {names}" if silent else "all answer")
        _refuse_power(record, "start", [m for m in silent if not m.power_on])
        return silent

    def _power_on(
        self,
        ledger: Ledger,
        silent: Sequence[MachineRecord],
        shells: Mapping[str, SSHShell],
    ) -> None:
        for machine in silent:
            with ledger.phase("switch on", machine.name):
                switched = Machine(machine, shells[machine.name], self._runner)
                try:
                    switched.power_on(timeout=_ON_S)
                except NotReady as error:
                    error.next = "look at its console"
                    raise

    def _restore_hosts(
        self, ledger: Ledger, record: LabRecord, shells: Mapping[str, SSHShell]
    ) -> None:
        """Write the lab's names where another wrote the hosts file anew."""
        depot_on = str(record.maker.get("depot", ""))
        names = [machine.name for machine in record.nodes]
        with ledger.phase("names in /etc/hosts") as phase:
            restore = partial(system.restore_hosts, record, depot_on)
            _tell_restored(phase, names, restore, shells)

    def _restore_routes(
        self, ledger: Ledger, record: LabRecord, shells: Mapping[str, SSHShell]
    ) -> None:
        """Set the routes to Pods on machines that lost them, or whose boot set none."""
        names = [machine.name for machine in record.nodes if machine.pods is not None]
        if not names:
            return  # a manifest gives Pods their network
        with ledger.phase("routes to Pods") as phase:
            if faults.are_noted(self.folder):
                phase.unchanged("left to a living session, which broke something")
                return
            _tell_restored(phase, names, pod_network.restore, shells)

    def _journal(self, machine: str) -> Journal:
        return Journal(self.folder.undo / f"{machine}.jsonl")

    def _close(self, shells: Mapping[str, SSHShell | NotingShell]) -> None:
        for shell in shells.values():
            shell.close()


def _context(
    record: LabRecord,
    inventory: Inventory,
    bundle: Bundle,
    ca: str,
    profile: Profile,
) -> InstallContext:
    """Return what the install steps are told."""
    key = (bundle.path("apt") / "key.gpg").read_bytes()
    source, host = f"deb [signed-by={KEYRING}] file:{depot.APT} lab main", ""
    if (packages := inventory.packages) is not None:
        key = packages.key.read_bytes() if packages.key else b""
        source = packages.source
        host = packages.host if packages.ca else ""
        ca = packages.ca.read_text() if packages.ca else ca
    mirror = f"https://{REGISTRY}:{depot.PORT}"
    if (images := inventory.images) is not None:
        mirror = images.mirror
        ca = images.ca.read_text() if images.ca else ""
    return InstallContext(
        record,
        bundle.versions,
        ca,
        key,
        profile=profile,
        sources=Sources(source, host, mirror, "/v2/" in mirror),
        depot_on=inventory.depot,
        network="" if inventory.cni is None else inventory.cni.read_text("utf-8"),
    )


def _tell_restored(
    phase: Phase,
    names: Sequence[str],
    restore: Callable[[SSHShell], bool],
    shells: Mapping[str, SSHShell],
) -> None:
    """Restore something on all machines at once, and say where it was lost."""
    lost = in_parallel([partial(restore, shells[name]) for name in names])
    if anew := ", ".join(n for n, was in zip(names, lost, strict=True) if was):
        phase.changed(f"set anew: {anew}")
    else:
        phase.unchanged("all are set")


def _state(shell: SSHShell) -> str:
    try:
        return "answers" if shell.is_up() else "silent"
    except MachineUnreachable as error:
        return error.what


def _refuse_power(
    record: LabRecord, verb: str, lacking: Sequence[MachineRecord]
) -> None:
    """Refuse to switch the power of machines that the inventory has no commands for.

    Raises:
        BadInput: There is one.
    """
    if lacking:
        names = ", ".join(machine.name for machine in lacking)
        raise BadInput(
            f"the power of {names} is not ours to switch",
            where=f"lab {record.name}",
            wanted="power_off and power_on of each machine in the inventory",
            seen="none",
            next=f"{verb} them by hand, then see the lab work: "
            + command("up", record.name),
        )
