"""Bring a lab up, stop and start it, make it anew, and take it down."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from k8slab import lab
from k8slab.core.env import Environment
from k8slab.core.phases import Ledger, Reporter
from k8slab.core.signals import terminable
from k8slab.errors import (
    BadInput,
    BundleError,
    HostProblem,
    LabError,
    PhaseFailed,
)

from ..providers import provider_of
from ..settings import Settings
from .status import Status

if TYPE_CHECKING:  # half a second with all it works with; 'k8slab --help' needs none
    from .transitions import Transitions

DEFAULT_WORKERS = 2


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
    with _transitions(name) as work, _phases(ledger):
        record = work.folder.record()
        if record is None:
            work.create(
                ledger,
                workers=DEFAULT_WORKERS if workers is None else workers,
                image=image or "ready",
                slot=slot,
                keep=keep,
                cluster=cluster,
            )
        else:
            if any(work.folder.journal.glob("*.json")):
                lab.heal(work.folder.name)  # or it would not be found healthy
            work.revive(ledger, record, workers=workers, image=image, slot=slot)
    return ledger


def down(name: str | None = None, *, reporter: Reporter | None = None) -> bool:
    """Remove a lab with everything it made; return whether there was one."""
    with _transitions(name) as work, _phases(ledger := _ledger(reporter)):
        return work.remove(ledger)


def stop(name: str | None = None, *, reporter: Reporter | None = None) -> None:
    """Shut a lab's machines down; their data stays."""
    with _transitions(name) as work, _phases(ledger := _ledger(reporter)):
        work.stop(ledger)


def start(name: str | None = None, *, reporter: Reporter | None = None) -> Ledger:
    """Start a stopped lab, and see it work again.

    Raises:
        LabMissing: There is no such lab.
    """
    if lab.find(name) is None:
        raise lab.missing(lab.folder(name).name)
    return up(name, reporter=reporter)


def reset(name: str | None = None, *, reporter: Reporter | None = None) -> Ledger:
    """Make a lab anew with the same settings.

    Raises:
        LabMissing: There is no such lab.
    """
    record = lab.find(name)
    if record is None:
        raise lab.missing(lab.folder(name).name)
    settings = Settings.of(record)
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
    record = lab.find(name)
    if record is None:
        raise lab.missing(lab.folder(name).name)
    states = provider_of(record.provider, record.name).states()
    return Status(
        name=record.name,
        complete=record.complete,
        machines={m.name: states.get(m.name, "gone") for m in record.machines},
        network=str(record.ranges.machines),
        kubernetes=record.kubernetes,
    )


def _ledger(reporter: Reporter | None) -> Ledger:
    """Return a ledger; in a notebook its phases are shown when nobody is named."""
    if reporter is None:
        from k8slab.notebook import phases  # half a second; commands name a reporter

        reporter = phases.reporter()
    return Ledger(reporter)


@contextmanager
def _transitions(name: str | None) -> Iterator[Transitions]:
    """Give what works on a lab, which nobody else may do meanwhile."""
    from ..bundle import source
    from .transitions import Transitions

    folder = lab.folder(name)
    env = Environment.read()
    with folder.locked(), terminable():
        yield Transitions(folder, env.provider, env.cache, source())


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
