"""Bring a lab up, stop and start it, make it anew, and take it down."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from k8slab import lab
from k8slab.core import files, outside
from k8slab.core.env import Environment
from k8slab.core.hints import command
from k8slab.core.phases import Ledger, Reporter
from k8slab.core.process import LocalRunner
from k8slab.core.signals import terminable
from k8slab.errors import BadInput, RangeInUse
from k8slab.folder import LabFolder

from .. import adopted
from .. import inventory as inventories
from ..clone import clone
from ..computer import require_root
from ..providers import provider_of
from ..settings import DEFAULT_WORKERS, Settings
from . import engine
from .removed import Removed
from .status import Status

if TYPE_CHECKING:  # half a second with all it works with; 'k8slab --help' needs none
    from ..inventory.hostkeys import Ask
    from ..inventory.work import InventoryWork
    from .transitions import Transitions


def up(
    name: str | None = None,
    *,
    workers: int | None = None,
    image: str | None = None,
    slot: int | None = None,
    keep: bool = False,
    cluster: bool = True,
    inventory: Path | None = None,
    ask: Ask | None = None,
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
        inventory: The file of machines that are there, to be made a cluster.
        ask: Asks the reader whether a host key is right; None where nobody can be.
        reporter: Shows the phases.

    Returns:
        The phases with their times.

    Raises:
        NoMachines: The lab is an adopted cluster.
        SettingsDiffer: The lab exists with other settings; nothing was changed.
        HostProblem: This computer cannot carry it; nothing was made.
        BundleError: There is no whole bundle; nothing was made.
        PhaseFailed: A phase failed; what was made is removed unless ``keep``.
    """
    adopted.refuse(name, "to bring up")
    ledger = _ledger(reporter)
    inventoried = inventories.find(name)
    if inventoried is None:
        lab.folder(name).refuse_lost_notes()
    if inventory is not None or inventoried is not None:
        settings = {"--nodes": workers, "--image": image, "--slot": slot}
        _refuse_settings(settings)
        with _inventory_work(name) as at_work, ledger.shown():
            _up_inventoried(at_work, ledger, inventory, ask, keep=keep)
        return ledger
    with _transitions(name) as work, ledger.shown():
        record = work.folder.record()
        if record is None:
            work.create(
                ledger,
                workers=DEFAULT_WORKERS if workers is None else workers,
                image="ready" if image is None else image,
                slot=slot,
                keep=keep,
                cluster=cluster,
            )
        else:
            _restore_kubectl(work.folder, ledger)
            work.revive(ledger, record, workers=workers, image=image, slot=slot)
            work.clear(ledger, record)
            work.resume_addons(ledger, record)
    return ledger


def down(
    name: str | None = None,
    *,
    forget: bool = False,
    reporter: Reporter | None = None,
) -> Removed:
    """Remove a lab with everything it made; return what was there, and what stays.

    An adopted cluster is forgotten: its folder goes, and it is not asked. On machines
    of an inventory, what was done is undone by their journals.

    Args:
        name: The lab; ``K8SLAB_LAB`` or ``default`` when None.
        forget: Only forget an inventory's machines, as when they are gone for ever.
        reporter: Shows the phases.

    Raises:
        BadInput: To forget is asked of a lab whose machines were made here.
        LabError: Something on an inventory's machines cannot be undone; the lab stays.
    """
    if adopted.forget(name):
        return Removed(there=True)
    inventoried = inventories.find(name)
    folder = lab.folder(name)
    if inventoried is None and not forget:
        folder.refuse_lost_notes()
    elif inventoried is None and folder.notes:
        with outside.told(), folder.locked():
            folder.remove()
        return Removed(there=True)
    if forget and inventoried is None:
        meant = folder.name
        raise BadInput(
            "only machines that were there can be left as they are",
            where=f"lab {meant}",
            wanted="a lab of an inventory",
            seen="--forget",
            next=f"remove it with its machines: {command('down', meant)}",
        )
    if inventoried is not None:
        with _inventory_work(name) as at_work, (ledger := _ledger(reporter)).shown():
            if forget:
                at_work.folder.remove()
            else:
                at_work.remove(ledger, inventoried)
        return Removed(there=True)
    with _transitions(name) as work, (ledger := _ledger(reporter)).shown():
        return work.remove(ledger)


def stop(name: str | None = None, *, reporter: Reporter | None = None) -> None:
    """Shut a lab's machines down; their data stays.

    Raises:
        LabMissing: There is no such lab.
        NoMachines: The lab is an adopted cluster.
    """
    adopted.refuse(name, "to stop")
    inventoried = inventories.find(name)
    if inventoried is not None:
        with _inventory_work(name) as at_work, (ledger := _ledger(reporter)).shown():
            at_work.stop(ledger, inventoried)
        return
    with _transitions(name) as work, (ledger := _ledger(reporter)).shown():
        work.stop(ledger)


def start(name: str | None = None, *, reporter: Reporter | None = None) -> Ledger:
    """Start a stopped lab, and see it work again.

    Raises:
        LabMissing: There is no such lab.
        NoMachines: The lab is an adopted cluster.
    """
    if lab.find(name) is None:
        raise lab.missing(lab.folder(name).name)
    return up(name, reporter=reporter)


def reset(name: str | None = None, *, reporter: Reporter | None = None) -> Ledger:
    """Make a lab anew with the same settings.

    Its addresses are others if another lab takes them while they are free.

    Raises:
        BadInput: Its machines are of an inventory.
        BundleError: There is no bundle that it could be made of.
        LabMissing: There is no such lab.
        NoMachines: The lab is an adopted cluster.
    """
    adopted.refuse(name, "to make anew")
    record = lab.find(name)
    if record is None:
        raise lab.missing(lab.folder(name).name)
    if record.is_inventory:
        raise BadInput(
            "the machines of an inventory are not made anew",
            where=f"lab {record.name}",
            wanted="a lab whose machines were made here",
            seen=str(record.maker.get("inventory", "an inventory")),
            next=f"undo it, then install again: {command('down', record.name)}, then "
            + command("up", record.name, "--inventory FILE"),
        )
    settings = Settings.of(record)
    from ..bundle import opened

    require_root("changing a lab")
    opened()  # what cannot be made anew stays
    down(name, reporter=reporter)

    def again(slot: int | None) -> Ledger:
        return up(
            name,
            workers=settings.workers,
            image=settings.image,
            slot=slot,
            reporter=reporter,
        )

    try:
        return again(settings.slot)
    except RangeInUse:
        return again(None)


def status(name: str | None = None) -> Status:
    """Return what a lab is and how its machines are, or whether it answers.

    Raises:
        LabMissing: There is no such lab.
    """
    record = lab.find(name)
    if record is None:
        raise lab.missing(lab.folder(name).name)
    if record.is_adopted or record.ranges is None:
        return Status(
            name=record.name,
            machines={"(adopted)": adopted.state(record.name)},
            network=adopted.server(record.name),
            kubernetes=record.kubernetes,
        )
    if record.is_inventory:
        from ..inventory.work import InventoryWork

        return Status(
            name=record.name,
            machines=InventoryWork(lab.folder(name)).states(record),
            network=str(record.ranges.machines),
            kubernetes=record.kubernetes,
        )
    require_root("looking at a lab's machines")  # others have machines of their own
    provider = provider_of(record.provider, record.name)
    with engine.asked(provider, record.name):
        states = provider.states()
    return Status(
        name=record.name,
        machines={m.name: states.get(m.name, "gone") for m in record.machines},
        network=str(record.ranges.machines),
        kubernetes=record.kubernetes,
    )


def _restore_kubectl(folder: LabFolder, ledger: Ledger) -> None:
    """Give a lab the bundle's kubectl when its own was lost.

    Raises:
        BundleError: There is no whole bundle.
    """
    if folder.kubectl.exists():
        return
    from ..bundle import opened

    with ledger.phase("take kubectl again", "bundle"):
        clone(opened().kubectl, folder.kubectl, LocalRunner())


def _up_inventoried(
    at_work: InventoryWork,
    ledger: Ledger,
    inventory: Path | None,
    ask: Ask | None,
    *,
    keep: bool,
) -> None:
    """Make machines that are there a lab, or see a lab on such machines work."""
    from ..bundle import opened

    record = at_work.folder.record()
    if record is None:
        assert inventory is not None  # noqa: S101 - else there is such a lab
        with ledger.phase("open", "bundle") as phase:
            phase.unchanged()
            bundle = opened()
        at_work.create(ledger, inventory, bundle, ask, keep=keep)
        return
    named = str(inventory.absolute()) if inventory is not None else ""
    if named and named != record.maker.get("inventory"):
        raise BadInput(
            f"there is a lab named {record.name!r} already",
            where=str(at_work.folder.root),
            wanted="a name that no lab has",
            seen=f"a lab of {record.maker.get('inventory', 'other machines')}",
            next="choose another --name",
        )
    _restore_kubectl(at_work.folder, ledger)
    at_work.look(ledger, record)


def _refuse_settings(settings: Mapping[str, object]) -> None:
    """Refuse options that say how machines are made, where machines are there."""
    given = [option for option, value in settings.items() if value is not None]
    if given:
        raise BadInput(
            "machines that are there are not made by options",
            where=", ".join(given),
            wanted="--inventory alone",
            seen=", ".join(f"{name} {settings[name]}" for name in given),
            next="leave them out; the inventory says which machines there are",
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
    require_root("changing a lab")
    with outside.told(), files.usual_modes(), folder.locked(), terminable():
        yield Transitions(folder, env.provider, env.cache, source())


@contextmanager
def _inventory_work(name: str | None) -> Iterator[InventoryWork]:
    """Give what works on machines that were there, which nobody else may do meanwhile.

    Here it needs no root: all it changes on this computer is the lab's folder.
    """
    from ..inventory.work import InventoryWork

    folder = lab.folder(name)
    with outside.told(), files.usual_modes(), folder.locked(), terminable():
        yield InventoryWork(folder)
