"""Make, revive, stop and remove one lab, leaving nothing half done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from k8slab import lab
from k8slab.core import files
from k8slab.core.hints import command, down_then_up
from k8slab.core.parallel import in_parallel
from k8slab.core.phases import Ledger
from k8slab.core.process import LocalRunner, Runner
from k8slab.core.signals import undisturbed
from k8slab.core.terminal import say
from k8slab.errors import CommandFailed, HostProblem, LabError
from k8slab.folder import LabFolder
from k8slab.lab_record import LabRecord, MachineRecord

from .. import advice, faults, leftovers
from ..bundle import Bundle
from ..clone import clone
from ..computer import ThisComputer
from ..fleet import Fleet, Images, dismantle
from ..host import kernel
from ..host.doctor import inotify_wanted
from ..host.setup import raise_inotify
from ..install import bring_up, health
from ..install.context import InstallContext
from ..install.pin import pin, refresh
from ..install.steps import depot
from ..pki import make_identity
from ..plan import AddressPlan
from ..providers import NAMES, Provider, networks, provider_of, working
from ..settings import Settings
from . import engine, preflight
from .removed import Removed


class Transitions:
    """Work on one lab; only one at a time does.

    Args:
        folder: The lab's files.
        provider: What provides a new lab's machines; empty: what is found here.
        cache: The folder of the bundle.
        source: The repository's ``bundle`` folder.
        runner: Runs commands on this computer.
        providers: Returns a provider by its name, as `provider_of` does.
    """

    def __init__(
        self,
        folder: LabFolder,
        provider: str,
        cache: Path,
        source: Path,
        *,
        runner: Runner | None = None,
        providers: Callable[..., Provider] = provider_of,
    ) -> None:
        self.folder = folder
        self._new = provider
        self._cache = cache
        self._source = source
        self._runner = runner or LocalRunner()
        self._providers = providers

    def create(
        self,
        ledger: Ledger,
        *,
        workers: int,
        image: str,
        slot: int | None,
        keep: bool,
        cluster: bool,
    ) -> None:
        """Make a lab from nothing; when that fails, what was made is removed.

        Args:
            ledger: Times and shows the phases.
            workers: Machines beside the master.
            image: What they start from.
            slot: The number of its addresses; a free one when None.
            keep: Leave what was made when it fails.
            cluster: Whether to make the machines a cluster.
        """
        bundle = self._bundle(ledger)
        provider = self._provider(self._new)
        with ExitStack() as turn:
            # One new lab after the other chooses its addresses, whatever its home,
            # until its routes are made: there the others see them.
            turn.enter_context(files.locked(self._cache))
            plan = preflight.choose_plan(
                self.folder.home, slot, self._runner, networks(self._runner)
            )
            settings = Settings(
                name=self.folder.name,
                slot=plan.slot,
                family=plan.family,
                workers=workers,
                image=image,
                provider=provider.name,
                kubernetes=bundle.versions.kubernetes,
            )
            self._raise_limits(ledger, len(settings.machines))
            with ledger.phase("doctor", "this computer") as phase:
                folders = [self._cache, self.folder.home]
                said = preflight.examine(settings, provider, folders)
                by = f"machines by {provider.name}"
                phase.unchanged("; ".join(filter(None, [by, said])))
                preflight.refuse_remains(settings, provider)
            kernel.load(ThisComputer(), self._runner, ledger)
            record = settings.record(provider.power, bundle.versions.images)
            self._clear_folder(ledger)
            self.folder.save(record)
            try:
                with self._fleet(record) as fleet:
                    fleet.enclose(ledger)
                    turn.close()
                    self._make(ledger, record, bundle, fleet, cluster=cluster)
            except BaseException as error:
                if not keep:
                    asked = advice.options(workers, image, slot)
                    self._take_back(ledger, error, asked)
                elif isinstance(error, LabError):
                    error.next = advice.after_keeping(error.next, record.name)
                raise
        self.folder.save(replace(record, complete=True))

    def revive(
        self,
        ledger: Ledger,
        record: LabRecord,
        *,
        workers: int | None,
        image: str | None,
        slot: int | None,
    ) -> None:
        """Make a lab that exists whole again, or say why it cannot be.

        Args:
            ledger: Times and shows the phases.
            record: What the lab's folder says of it.
            workers: What was asked for, if anything was.
            image: What was asked for, if anything was.
            slot: What was asked for, if anything was.

        Raises:
            SettingsDiffer: It was made with other settings than those asked for.
            LabError: Parts of it are gone, or it was never finished.
        """
        preflight.refuse_others(
            Settings.of(record),
            self.folder.root,
            workers=workers,
            image=image,
            slot=slot,
        )
        with self._fleet(record) as fleet:
            provider = self._provider_of(record)
            with engine.asked(provider, record.name):
                states = provider.states()
            self._refuse_incomplete(record, states)
            # Not a machine that a chapter added: the lab's folder knows none of it.
            own = [machine.name for machine in record.machines]
            stopped = [name for name in own if states[name] != "running"]
            running = [name for name in own if name not in stopped]
            if running:
                stopped += self._revive_silent(ledger, fleet, running)
            if not stopped:
                faults.undo(self.folder, ledger)
                if self._works(ledger, record, fleet):
                    return
            # A restart of this computer took them away as it stopped the machines.
            kernel.load(ThisComputer(), self._runner, ledger)
            self._raise_limits(ledger, len(record.machines))
            with ledger.phase("firewall of the network"):
                fleet.apply_firewall()
            if not self._was_cluster():
                fleet.start(stopped, ledger)
                _served(fleet, ledger)
                return
            self._rejoin(ledger, record, fleet, stopped)

    def _revive_silent(
        self, ledger: Ledger, fleet: Fleet, running: Sequence[str]
    ) -> list[str]:
        """Stop machines that run and do not answer; return them, to be started.

        Whatever was taken from them meanwhile, as the bridge that they were plugged
        into, they get again as they start.
        """
        with ledger.phase("look at the machines") as phase:
            fleet.apply_firewall()
            silent = fleet.silent(running)
            phase.unchanged(f"silent: {', '.join(silent)}" if silent else "all answer")
        if silent:
            with ledger.phase("stop " + ", ".join(silent)):
                fleet.stop(silent)
        return silent

    def _clear_folder(self, ledger: Ledger) -> None:
        """Remove what is left of a lab's folder, or a new lab would inherit it."""
        if left := self.folder.left():
            with ledger.phase("clear the lab's folder") as phase:
                self.folder.clear()
                phase.changed("removed " + ", ".join(left))

    def _raise_limits(self, ledger: Ledger, machines: int) -> None:
        """Raise what root may raise; where root may not, the doctor says so."""
        have, _, wanted = inotify_wanted(ThisComputer(), machines)
        if have < wanted:
            with suppress(CommandFailed, HostProblem):
                raise_inotify(self._runner, ledger, machines=machines)

    def _rejoin(
        self, ledger: Ledger, record: LabRecord, fleet: Fleet, stopped: Sequence[str]
    ) -> None:
        """Start a cluster's machines, the master first, and see the cluster work.

        The others ask its API server as soon as they run, so they come when it answers;
        but where a fault was left, which may be on any of them and may keep that from
        answering, all are started and it is undone before.
        """
        first = next(machine.name for machine in record.nodes if machine.is_master)
        master = fleet.shells[first]
        others = [name for name in stopped if name != first]
        if stopped and faults.are_noted(self.folder):
            fleet.start(stopped, ledger)
            faults.undo(self.folder, ledger, start_s=health.TIMEOUT_S)
            others = []
        elif first in stopped:
            fleet.start([first], ledger)
        if first in stopped:
            with ledger.phase("control plane", first):
                health.restore_master(master)
        ways = [partial(health.ask_names, record, master)]
        if others:
            ways.append(partial(fleet.start, others, ledger))
        in_parallel(ways, abort=fleet.abandon)
        _served(fleet, ledger)
        bring_up.prove(record, master, ledger)
        refresh(self.folder, master)

    def clear(self, ledger: Ledger, record: LabRecord) -> None:
        """Remove the machine that an ended session added to a cluster that is up.

        Args:
            ledger: Times and shows the phase; there is none without such a machine.
            record: What the lab's folder says of it.
        """
        added = leftovers.strangers(record, self._provider_of(record))
        if added and self.folder.kubeconfig.exists():
            from .. import spare  # a second, which few need

            with ledger.phase("what an ended session added") as phase:
                if not spare.clear(self.folder.name):
                    phase.unchanged("its session is alive")

    def resume_addons(self, ledger: Ledger, record: LabRecord) -> None:
        """See the add-ons of a lab work that is up, and remove one left half done.

        Args:
            ledger: Times and shows the phases; there are none without add-ons.
            record: What the lab's folder says of it.
        """
        if record.addons or record.half_done:
            from .. import addons  # a second, which few need

            addons.resume(self.folder, ledger)

    def stop(self, ledger: Ledger) -> None:
        """Shut the lab's machines down.

        Raises:
            LabMissing: There is no such lab.
        """
        record = self.folder.record()
        if record is None:
            raise lab.missing(self.folder.name)
        with (
            self._fleet(record) as fleet,
            ledger.phase("stop the machines"),
            engine.asked(self._provider_of(record), record.name),
        ):
            fleet.stop()

    def remove(self, ledger: Ledger) -> Removed:
        """Remove all there is of the lab; say what had to stay."""
        self.folder.refuse_foreign()
        record = self.folder.readable()  # one that cannot be read is removed, too
        there, left = self.folder.root.exists(), ""
        with undisturbed():
            with ledger.phase("remove the machines and their network") as phase:
                if record is not None and _was_made_here(record):
                    if left := self._remove_made(record):
                        phase.changed(left)
                else:
                    for provider in self._possible():
                        there = there or bool(provider.states())
                        slots = provider.slots(own=True)
                        plans = [plan for n in slots for plan in AddressPlan.every(n)]
                        dismantle(provider, plans, self._runner)
                if not there:
                    phase.unchanged("there was none")
            self.folder.remove()
        return Removed(there, left)

    def _take_back(
        self, ledger: Ledger, error: BaseException, asked: Sequence[str]
    ) -> None:
        """Remove what was made of a lab that failed; say so in the error, or beside it.

        Args:
            ledger: Times and shows the phase.
            error: Why it failed, which is told also where something cannot be removed.
            asked: The options of ``up`` by which the lab gets what was asked for.
        """
        name = self.folder.name
        try:
            self.remove(ledger)
        except (LabError, OSError) as second:
            why = second.what if isinstance(second, LabError) else str(second)
            step = f"some of it is not removed, as {why}; do that by "
            step += command("down", name)
            if isinstance(error, LabError):
                error.next = "; ".join(filter(None, [advice.cure(error.next), step]))
            else:  # as Ctrl-C, which tells nothing itself
                say(step)
        else:
            if isinstance(error, LabError):
                error.next = advice.after_removal(error.next, name, asked)

    def _remove_made(self, record: LabRecord) -> str:
        """Remove machines, network and firewall rules; say what of them has to stay.

        Raises:
            HostProblem: What made them is here, and does not work.
        """
        provider = self._provider_of(record)
        with self._fleet(record) as fleet:
            try:
                with engine.asked(provider, record.name):
                    fleet.remove()
            except HostProblem:
                if not provider.is_gone():
                    raise
                fleet.leave()
                return engine.left(provider, record.name)
        return ""

    def _make(
        self,
        ledger: Ledger,
        record: LabRecord,
        bundle: Bundle,
        fleet: Fleet,
        *,
        cluster: bool,
    ) -> None:
        identity = make_identity(record.name, depot.NAMES)
        self.folder.write(self.folder.ca.name, identity.ca)
        clone(bundle.kubectl, self.folder.kubectl, self._runner)
        images = Images.of(bundle)
        fleet.prepare(images, ledger)
        context = InstallContext.of(record, bundle, identity.ca)

        def boot(machine: MachineRecord) -> None:
            fleet.boot(machine, images, ledger)

        def serve() -> None:
            with ledger.phase("serve packages and images", context.depot.name):
                depot.serve(
                    fleet.shells[context.depot.name],
                    certificate=identity.certificate,
                    key=identity.key,
                )

        if not cluster:
            boots = [partial(boot, machine) for machine in record.machines]
            in_parallel(boots, abort=fleet.abandon)
            serve()
            return
        bring_up.bring_up(
            context,
            fleet.shells,
            boot=boot,
            serve=serve,
            abandon=fleet.abandon,
            ledger=ledger,
        )
        with ledger.phase("pin the cluster"):
            pin(self.folder, fleet.shells["master"])

    def _works(self, ledger: Ledger, record: LabRecord, fleet: Fleet) -> bool:
        """Say whether a lab whose machines run needs nothing."""
        with ledger.phase("look at the lab") as phase:
            if self._was_cluster():
                names = [machine.name for machine in record.nodes]
                if not health.is_well(fleet.shells["master"], names):
                    health.check_time(fleet.shells["master"])
                    phase.changed("the cluster is not well yet")
                    return False
                if refresh(self.folder, fleet.shells["master"]):
                    phase.changed("the administrator's certificate was fetched again")
                    return True
            phase.unchanged("it is up")
            return True

    def _was_cluster(self) -> bool:
        """Say whether there was a cluster to pin; one of the files may be lost."""
        return self.folder.kubeconfig.exists() or self.folder.fingerprint.exists()

    def _refuse_incomplete(self, record: LabRecord, states: Mapping[str, str]) -> None:
        gone = [m.name for m in record.machines if m.name not in states]
        why = "its machines are gone" if gone else ""
        if not record.complete and not gone:
            why = "it was never up"
        network = "there" if self._provider_of(record).bridge_if_any() else "gone"
        if network == "gone" and not why:
            # As by the engine's "network prune", which looks at those that run only.
            why = "its network is gone"
        if not why:
            return
        seen = [f"{name} {state}" for name, state in sorted(states.items())]
        raise LabError(
            f"the lab {record.name!r} cannot be made whole: {why}",
            where=str(self.folder.root),
            wanted="a network, and the machines "
            + ", ".join(machine.name for machine in record.machines),
            seen=", ".join([f"network {network}", *(seen or ["no machine"])]),
            next=f"begin anew: {command('reset', record.name)}",
        )

    def _bundle(self, ledger: Ledger) -> Bundle:
        with ledger.phase("open", "bundle") as phase:
            phase.unchanged()
            return Bundle.open(self._cache, self._source)

    def _possible(self) -> list[Provider]:
        """Return all that may have made the lab, where nobody knows who did.

        Raises:
            HostProblem: The one that makes labs here is there, and does not work.
        """
        first = self._provider(self._new)
        names = [provider.name for provider in working(self._runner)]
        if first.name not in names and not first.is_gone():
            first.about()
            names.append(first.name)
        return [self._provider(name) for name in names]

    def _provider(self, name: str) -> Provider:
        return self._providers(name, self.folder.name, self._runner)

    def _provider_of(self, record: LabRecord) -> Provider:
        return self._providers(
            record.provider,
            record.name,
            self._runner,
            where=str(self.folder.record_file),
            advice=f"begin anew: {down_then_up(record.name)}",
        )

    @contextmanager
    def _fleet(self, record: LabRecord) -> Iterator[Fleet]:
        provider = self._provider_of(record)
        fleet = Fleet(self.folder, record, provider, self._runner)
        try:
            yield fleet
        finally:
            fleet.close()


def _was_made_here(record: LabRecord) -> bool:
    """Return whether it says what made the lab, and what its addresses follow from."""
    try:
        Settings.of(record)
    except LabError:
        return False
    return record.provider in NAMES


def _served(fleet: Fleet, ledger: Ledger) -> None:
    with ledger.phase("serve packages and images", "depot"):
        depot.wait_served(fleet.shells["depot"])
