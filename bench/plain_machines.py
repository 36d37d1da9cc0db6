"""Give the plain way the same machines, with an empty image store."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from k8slab.core.parallel import in_parallel
from k8slab.core.phases import Ledger
from k8slab.core.process import Runner
from k8slab.folder import LabFolder, MachineRecord
from labmaker.bundle import Bundle
from labmaker.bundle.images import PRELOADED
from labmaker.fleet import Fleet, Images
from labmaker.providers.base import Mount
from labmaker.providers.containers import Engine
from labmaker.settings import Settings

_ARCHIVES = Path("/srv/artefacts")


class ArchivesBeside(Engine):
    """Machines that can read the bundle's archives.

    Args:
        name: ``podman`` or ``docker``.
        lab: The lab's name.
        runner: Runs the engine's command.
        artefacts: The folder that holds the bundle's artefacts.
    """

    def __init__(self, name: str, lab: str, runner: Runner, artefacts: Path) -> None:
        super().__init__(name, lab, runner)
        self._archives = Mount(artefacts, str(_ARCHIVES), read_only=True)

    def create(
        self, machine: MachineRecord, image: str, mounts: Sequence[Mount]
    ) -> None:
        """Create and start a machine; see `Engine.create`."""
        super().create(machine, image, [*mounts, self._archives])


def fleet(
    folder: LabFolder, settings: Settings, bundle: Bundle, runner: Runner
) -> Fleet:
    """Return the machines of a lab whose settings say ``bare``."""
    artefacts = bundle.path("store").parent
    engine = ArchivesBeside(settings.provider, settings.name, runner, artefacts)
    record = settings.record(engine.power, bundle.versions.images)
    return Fleet(folder, record, engine, runner)


def boot(machines: Fleet, bundle: Bundle, ledger: Ledger) -> None:
    """Create and boot all machines side by side, and reach them over SSH.

    They start from the very image that ``k8slab up`` takes, all packages installed.
    Only a machine that is called ``ready`` also gets a copy of the prepared store.
    """
    images = Images(
        references={
            "bare": bundle.image_ref("ready"),
            "depot": bundle.image_ref("depot"),
        },
        archives={
            "bare": bundle.image_tar("ready"),
            "depot": bundle.image_tar("depot"),
        },
        store=bundle.path("store"),
        apt=bundle.path("apt"),
        registry=bundle.path("registry"),
    )
    machines.found(images, ledger)
    in_parallel(
        [
            partial(machines.boot, machine, images, ledger)
            for machine in machines.record.machines
        ]
    )


def archives(bundle: Bundle) -> list[str]:
    """Return where machines see the images that the prepared store holds, too."""
    artefacts = bundle.path("store").parent
    return [
        str(_ARCHIVES / bundle.image_tar(name).relative_to(artefacts))
        for name in PRELOADED
    ]
