"""The front door: bring a lab up, take it down, and connect to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import (
    BadInput,
    BundleError,
    HostProblem,
    LabError,
    LabMissing,
    PhaseFailed,
)
from .progress import Ledger, Reporter
from .run import LocalRunner
from .signals import terminable
from .status import Status
from .surroundings import Surroundings as Surroundings

if TYPE_CHECKING:  # these take a second to import, and 'k8slab --help' none of them
    from .bundle import Bundle
    from .cluster.client import Cluster
    from .machines.folder import LabFolder, Settings
    from .machines.provider import Provider
    from .operate import Operator

DEFAULT_WORKERS = 2


def source() -> Path:
    """Return the repository's ``bundle`` folder.

    Raises:
        BundleError: The package is not installed from the repository.
    """
    folder = Path(__file__).resolve().parents[2] / "bundle"
    if not (folder / "versions.yaml").is_file():
        raise BundleError(
            "the bundle's recipes are not beside the package",
            where=str(folder),
            wanted="the repository's bundle/versions.yaml",
            next="install with 'pip install -e .' from the repository",
        )
    return folder


def bundle() -> Bundle:
    """Open the bundle that was built; `BundleError` when there is none."""
    from .bundle import Bundle

    return Bundle.open(Surroundings.read().cache, source())


def up(
    name: str | None = None,
    *,
    workers: int | None = None,
    image: str | None = None,
    slot: int | None = None,
    keep: bool = False,
    cluster: bool = True,
    reporter: Reporter | None = None,
) -> Ledger:
    """Bring a lab up: from nothing, from a stop, or from what a crash left.

    Args:
        name: The lab; ``K8SLAB_LAB`` or ``default`` when None.
        workers: Machines beside the master; 2 for a new lab.
        image: ``ready`` (the default) or ``bare``: what machines start from.
        slot: The number its addresses follow from; a free one when None.
        keep: Leave what was made when it fails.
        cluster: Whether to make the machines a cluster.
        reporter: Shows the phases.

    Returns:
        The phases with their times.

    Raises:
        SettingsDiffer: The lab exists with other settings; nothing was changed.
        HostProblem: This computer cannot carry it; nothing was made.
        BundleError: There is no whole bundle; nothing was made.
        PhaseFailed: A phase failed; what was made is removed unless ``keep``.
    """
    ledger = _ledger(reporter)
    with _operator(name) as operator, _phases(ledger):
        settings = operator.folder.settings()
        if settings is None:
            operator.create(
                ledger,
                workers=DEFAULT_WORKERS if workers is None else workers,
                image=image or "ready",
                slot=slot,
                keep=keep,
                cluster=cluster,
            )
        else:
            operator.revive(ledger, settings, workers=workers, image=image, slot=slot)
    return ledger


def down(name: str | None = None, *, reporter: Reporter | None = None) -> bool:
    """Remove a lab with everything it made; return whether there was one."""
    with _operator(name) as operator, _phases(ledger := _ledger(reporter)):
        return operator.remove(ledger)


def stop(name: str | None = None, *, reporter: Reporter | None = None) -> None:
    """Shut a lab's machines down; their data stays."""
    with _operator(name) as operator, _phases(ledger := _ledger(reporter)):
        operator.stop(ledger)


def start(name: str | None = None, *, reporter: Reporter | None = None) -> Ledger:
    """Start a stopped lab, and see it work again.

    Raises:
        LabMissing: There is no such lab.
    """
    folder = _folder(name)
    if folder.settings() is None:
        raise missing(folder.name)
    return up(name, reporter=reporter)


def reset(name: str | None = None, *, reporter: Reporter | None = None) -> Ledger:
    """Make a lab anew with the same settings.

    Raises:
        LabMissing: There is no such lab.
    """
    folder = _folder(name)
    settings = folder.settings()
    if settings is None:
        raise missing(folder.name)
    down(name, reporter=reporter)
    return up(
        name,
        workers=settings.workers,
        image=settings.image,
        slot=settings.slot,
        reporter=reporter,
    )


def status(name: str | None = None) -> Status:
    """Return what a lab is and how its machines are.

    Raises:
        LabMissing: There is no such lab.
    """
    folder = _folder(name)
    settings = folder.settings()
    if settings is None:
        raise missing(folder.name)
    states = _provider(settings).states()
    return Status(
        name=settings.name,
        complete=settings.complete,
        machines={m.name: states.get(m.name, "gone") for m in settings.machines},
        network=str(settings.plan.network),
        kubernetes=settings.kubernetes,
    )


def find(name: str | None = None) -> Settings | None:
    """Return the settings of a lab, or None when there is no such lab."""
    return _folder(name).settings()


def names() -> list[str]:
    """Return the names of all labs."""
    from .machines.folder import all_settings

    return [settings.name for settings in all_settings(Surroundings.read().home)]


def connect(name: str | None = None) -> Cluster:
    """Connect to a lab's cluster, and to no other.

    In a notebook this also makes ``%kubectl`` and ``%%on`` available.

    Args:
        name: The lab; ``K8SLAB_LAB`` or ``default`` when None.

    Raises:
        LabMissing: There is no such lab, or it was never up.
        WrongCluster: What answers is not the cluster that was pinned.
    """
    from . import magics
    from .cluster.client import Cluster
    from .cluster.guard import Fingerprint
    from .machines.fleet import Fleet

    folder = _folder(name)
    settings = folder.settings()
    if settings is None or not settings.complete:
        raise missing(folder.name)
    fleet = Fleet(folder, settings, _provider(settings), LocalRunner())
    cluster = Cluster(
        settings.name,
        {machine.name: fleet.shells[machine.name] for machine in settings.nodes},
        kubeconfig=folder.kubeconfig,
        fingerprint=Fingerprint.load(folder.fingerprint),
        kubectl=bundle().kubectl,
        plan=settings.plan,
    )
    cluster.verify()
    magics.register(cluster)
    return cluster


def missing(name: str) -> LabMissing:
    """Return the error that says there is no such lab."""
    known = names()
    return LabMissing(
        f"there is no lab named {name!r} that is up",
        seen="the labs " + ", ".join(known) if known else "no lab at all",
        next=f"k8slab up --name {name}",
    )


def _folder(name: str | None) -> LabFolder:
    from .machines.folder import LabFolder

    around = Surroundings.read()
    return LabFolder(around.home, name or around.lab)


def _provider(settings: Settings) -> Provider:
    from .machines.engine import Engine

    return Engine(settings.provider, settings.name, LocalRunner())


def _ledger(reporter: Reporter | None) -> Ledger:
    """Return a ledger; in a notebook its phases are shown when nobody is named."""
    if reporter is None:
        from .jupyter import phases

        reporter = phases.reporter()
    return Ledger(reporter)


@contextmanager
def _operator(name: str | None) -> Iterator[Operator]:
    """Give the one that works on a lab, which nobody else may do meanwhile."""
    from .operate import Operator

    folder = _folder(name)
    around = Surroundings.read()
    with folder.locked(), terminable():
        yield Operator(folder, around.provider, around.cache, source())


@contextmanager
def _phases(ledger: Ledger) -> Iterator[None]:
    """Name the phase in which an error happened, and stop showing phases."""
    try:
        yield
    except (BadInput, BundleError, HostProblem, PhaseFailed):
        raise
    except LabError as error:
        failed = [p for p in ledger.phases if p.outcome == "failed"]
        if not failed:
            raise
        # The first to end is the reason; the others fail because of it.
        first = min(failed, key=lambda phase: phase.started_s + phase.seconds)
        phase = f"{first.name} ({first.where})"
        raise PhaseFailed(phase, error) from error
    finally:
        ledger.close()
