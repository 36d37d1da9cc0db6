"""Give the plain way the same machines, with an empty image store."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from k8slab.core.parallel import in_parallel
from k8slab.core.phases import Ledger
from k8slab.core.process import Runner
from k8slab.folder import LabFolder
from labmaker.bundle import Bundle
from labmaker.bundle.images import PRELOADED
from labmaker.fleet import Fleet, Images
from labmaker.providers import Mount, provider_of
from labmaker.settings import Settings

_ARCHIVES = Path("/srv/artefacts")


def fleet(
    folder: LabFolder, settings: Settings, bundle: Bundle, runner: Runner
) -> Fleet:
    """Return the machines of a lab whose settings say ``bare``."""
    provider = provider_of(settings.provider, settings.name, runner)
    record = settings.record(provider.power, bundle.versions.images)
    return Fleet(folder, record, provider, runner)


def boot(machines: Fleet, bundle: Bundle, ledger: Ledger) -> None:
    """Create and boot all machines side by side, and reach them over SSH.

    They can read the bundle's archives.
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
    seen = Mount(_artefacts(bundle), str(_ARCHIVES), read_only=True)
    machines.prepare(images, ledger)
    in_parallel(
        [
            partial(machines.boot, machine, images, ledger, beside=[seen])
            for machine in machines.record.machines
        ]
    )


def archives(bundle: Bundle) -> list[str]:
    """Return where machines see the images that the prepared store holds, too."""
    return [
        str(_ARCHIVES / bundle.image_tar(name).relative_to(_artefacts(bundle)))
        for name in PRELOADED
    ]


def _artefacts(bundle: Bundle) -> Path:
    return bundle.path("store").parent
