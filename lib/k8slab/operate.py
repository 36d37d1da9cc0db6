"""Make, revive, stop and remove one lab, leaving nothing half done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from .bundle import Bundle, depot
from .errors import LabError, LabMissing
from .install import bring_up, ready
from .install.pin import pin
from .install.site import Site
from .machines import admission, kernel
from .machines.computer import ThisComputer
from .machines.engine import Engine
from .machines.fleet import Fleet, Images, dismantle
from .machines.folder import LabFolder, Settings
from .machines.machine import Machine
from .machines.pki import make_identity
from .progress import Ledger
from .run import LocalRunner
from .signals import undisturbed
from .together import together


class Operator:
    """Work on one lab; only one at a time does.

    Args:
        folder: The lab's files.
        provider: The engine for a new lab: ``podman`` or ``docker``.
        cache: The folder of the bundle.
        source: The repository's ``bundle`` folder.
    """

    def __init__(
        self, folder: LabFolder, provider: str, cache: Path, source: Path
    ) -> None:
        self.folder = folder
        self._provider = provider
        self._cache = cache
        self._source = source
        self._runner = LocalRunner()

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
        """Make a lab from nothing; when that fails, nothing of it stays.

        Args:
            ledger: Times and shows the phases.
            workers: Machines beside the master.
            image: What they start from.
            slot: The number of its addresses; a free one when None.
            keep: Leave what was made when it fails.
            cluster: Whether to make the machines a cluster.
        """
        bundle = self._bundle(ledger)
        with ExitStack() as turn:
            turn.enter_context(admission.turn(self._cache))
            settings = Settings(
                name=self.folder.name,
                slot=admission.choose_slot(self.folder.home, slot, self._runner),
                workers=workers,
                image=image,
                provider=self._provider,
                kubernetes=bundle.versions.kubernetes,
            )
            with ledger.phase("doctor", "this computer") as phase:
                folders = [self._cache, self.folder.home]
                phase.unchanged(admission.examine(settings, folders))
                admission.refuse_remains(settings, self._engine(settings))
            kernel.load(ThisComputer(), self._runner, ledger)
            self.folder.save(settings)
            try:
                with self._fleet(settings) as fleet:
                    fleet.enclose(ledger)
                    turn.close()
                    self._make(ledger, settings, bundle, fleet, cluster=cluster)
            except BaseException:
                if not keep:
                    self.remove(ledger)
                raise
        self.folder.save(replace(settings, complete=True))

    def revive(
        self,
        ledger: Ledger,
        settings: Settings,
        *,
        workers: int | None,
        image: str | None,
        slot: int | None,
    ) -> None:
        """Make a lab that exists whole again, or say why it cannot be.

        Args:
            ledger: Times and shows the phases.
            settings: What the lab is made of.
            workers: What was asked for, if anything was.
            image: What was asked for, if anything was.
            slot: What was asked for, if anything was.

        Raises:
            SettingsDiffer: It was made with other settings than those asked for.
            LabError: Parts of it are gone, or it was never finished.
        """
        admission.refuse_others(
            settings, self.folder.root, workers=workers, image=image, slot=slot
        )
        with self._fleet(settings) as fleet:
            states = self._engine(settings).states()
            self._whole(settings, states)
            stopped = [name for name, state in states.items() if state != "running"]
            if not stopped and self._works(ledger, settings, fleet):
                return
            # A restart of this computer took them away as it stopped the machines.
            kernel.load(ThisComputer(), self._runner, ledger)
            with ledger.phase("fences of the network"):
                fleet.raise_fences()
            if not self.folder.kubeconfig.exists():
                fleet.start(stopped, ledger)
                _served(fleet, ledger)
                return
            self._rejoin(ledger, settings, fleet, stopped)

    def _rejoin(
        self, ledger: Ledger, settings: Settings, fleet: Fleet, stopped: Sequence[str]
    ) -> None:
        """Start a cluster's machines, the master first, and see the cluster work.

        The others ask its API server as soon as they run, so they come when it answers.
        """
        site = self._site(settings, self._bundle(ledger))
        master = fleet.shells[site.master.name]
        if site.master.name in stopped:
            fleet.start([site.master.name], ledger)
            with ledger.phase("control plane", site.master.name):
                ready.restore_master(master)
        others = [name for name in stopped if name != site.master.name]
        ways = [partial(ready.ask_names, site, master)]
        if others:
            ways.append(partial(fleet.start, others, ledger))
        together(ways, abort=fleet.abandon)
        _served(fleet, ledger)
        bring_up.prove(site, master, ledger)

    def stop(self, ledger: Ledger) -> None:
        """Shut the lab's machines down.

        Raises:
            LabMissing: There is no such lab.
        """
        settings = self.folder.settings()
        if settings is None:
            raise LabMissing(
                f"there is no lab named {self.folder.name!r}",
                next=f"k8slab up --name {self.folder.name}",
            )
        with self._fleet(settings) as fleet, ledger.phase("stop the machines"):
            fleet.stop()

    def remove(self, ledger: Ledger) -> bool:
        """Remove all there is of the lab; return whether there was anything."""
        settings: Settings | None = None
        with suppress(LabError):  # settings that cannot be read are removed, too
            settings = self.folder.settings()
        there = self.folder.root.exists()
        with undisturbed():
            with ledger.phase("remove the machines and their network") as phase:
                if settings is not None:
                    with self._fleet(settings) as fleet:
                        fleet.remove()
                else:
                    engine = Engine(self._provider, self.folder.name, self._runner)
                    there = there or bool(engine.states())
                    dismantle(engine, engine.slots(own=True), self._runner)
                if not there:
                    phase.unchanged("there was none")
            self.folder.remove()
        return there

    def _make(
        self,
        ledger: Ledger,
        settings: Settings,
        bundle: Bundle,
        fleet: Fleet,
        *,
        cluster: bool,
    ) -> None:
        identity = make_identity(settings.name, depot.NAMES)
        self.folder.write(self.folder.ca.name, identity.ca)
        images = _images(bundle)
        fleet.found(images, ledger)
        site = self._site(settings, bundle)

        def boot(machine: Machine) -> None:
            fleet.boot(machine, images, ledger)

        def serve() -> None:
            with ledger.phase("serve packages and images", site.depot.name):
                depot.serve(
                    fleet.shells[site.depot.name],
                    certificate=identity.certificate,
                    key=identity.key,
                )

        if not cluster:
            boots = [partial(boot, machine) for machine in settings.machines]
            together(boots, abort=fleet.abandon)
            serve()
            return
        bring_up.BringUp(site, fleet.shells, boot, serve, fleet.abandon, ledger).run()
        with ledger.phase("pin the cluster"):
            pin(self.folder, fleet.shells["master"])

    def _works(self, ledger: Ledger, settings: Settings, fleet: Fleet) -> bool:
        """Say whether a lab whose machines run needs nothing."""
        with ledger.phase("look at the lab") as phase:
            fleet.raise_fences()
            if self.folder.kubeconfig.exists():
                names = [machine.name for machine in settings.nodes]
                if not ready.is_well(fleet.shells["master"], names):
                    phase.changed("the cluster is not well yet")
                    return False
            phase.unchanged("it is up")
            return True

    def _whole(self, settings: Settings, states: Mapping[str, str]) -> None:
        gone = [m.name for m in settings.machines if m.name not in states]
        if settings.complete and not gone:
            return
        raise LabError(
            f"the lab {settings.name!r} cannot be made whole: "
            + ("its machines are gone" if gone else "it was never up"),
            where=str(self.folder.root),
            wanted="machines " + ", ".join(m.name for m in settings.machines),
            seen=", ".join(f"{n} {s}" for n, s in sorted(states.items())) or "none",
            next=f"begin anew: k8slab reset --name {settings.name}",
        )

    def _bundle(self, ledger: Ledger) -> Bundle:
        with ledger.phase("open", "bundle") as phase:
            phase.unchanged()
            return Bundle.open(self._cache, self._source)

    def _site(self, settings: Settings, bundle: Bundle) -> Site:
        return Site(
            plan=settings.plan,
            machines=settings.machines,
            versions=bundle.versions,
            ca=self.folder.ca.read_text(),
            apt_key=(bundle.path("apt") / "key.gpg").read_bytes(),
        )

    def _engine(self, settings: Settings) -> Engine:
        return Engine(settings.provider, settings.name, self._runner)

    @contextmanager
    def _fleet(self, settings: Settings) -> Iterator[Fleet]:
        fleet = Fleet(self.folder, settings, self._engine(settings), self._runner)
        try:
            yield fleet
        finally:
            fleet.close()


def _served(fleet: Fleet, ledger: Ledger) -> None:
    with ledger.phase("serve packages and images", "depot"):
        depot.wait_served(fleet.shells["depot"])


def _images(bundle: Bundle) -> Images:
    kinds = ("bare", "ready", "depot")
    return Images(
        references={kind: bundle.image_ref(kind) for kind in kinds},
        archives={kind: bundle.image_tar(kind) for kind in kinds},
        store=bundle.path("store"),
        apt=bundle.path("apt"),
        registry=bundle.path("registry"),
    )
