"""Say what a lab is made of, and keep that in its folder for its maker alone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from k8slab.core.hints import command
from k8slab.core.names import INSTALL, NAME_LENGTH, is_a_chapters
from k8slab.errors import BadInput, LabError
from k8slab.folder import records
from k8slab.lab_record import LabRecord, MachineRecord

from .plan import SLOTS, AddressPlan

DEFAULT_WORKERS = 2
_PURPOSE = 7
Power = Callable[[str], tuple[tuple[str, ...], tuple[str, ...]]]
"""Returns the commands that cut a machine's power and give it back."""


@dataclass(frozen=True)
class Settings:
    """What a lab is made of; fixed when it is made.

    Attributes:
        name: The lab's name.
        slot: The number its addresses follow from.
        workers: How many machines beside the master.
        image: ``ready`` or ``bare``: what the machines start from.
        provider: What provides its machines, by its name in `providers`.
        kubernetes: The version installed.
        family: Which ranges the slot is counted in; see `AddressPlan`.
    """

    name: str
    slot: int
    workers: int
    image: str
    provider: str
    kubernetes: str
    family: int = 0

    @property
    def plan(self) -> AddressPlan:
        """The lab's addresses."""
        return AddressPlan(self.slot, self.family)

    @property
    def machines(self) -> tuple[MachineRecord, ...]:
        """The lab's machines, the depot last."""
        return self.plan.machines(self.workers, self.image)

    def record(self, power: Power, images: Mapping[str, str]) -> LabRecord:
        """Return the facts that the lab's folder keeps, of a lab that is not up yet.

        Args:
            power: Tells how a machine's power is switched.
            images: The full names of the lab's images, by short name.
        """
        machines = []
        for machine in self.machines:
            off, on = power(machine.name)
            machines.append(replace(machine, power_off=off, power_on=on))
        return LabRecord(
            name=self.name,
            provider=self.provider,
            kubernetes=self.kubernetes,
            machines=tuple(machines),
            ranges=self.plan.ranges,
            images=dict(images),
            maker={
                "slot": self.slot,
                "family": self.family,
                "workers": self.workers,
                "image": self.image,
            },
        )

    @classmethod
    def of(cls, record: LabRecord) -> Settings:
        """Return the settings of a lab that was made here.

        Raises:
            NoMachines: It is an adopted cluster.
            LabError: Somebody else made it.
        """
        try:
            return cls(
                record.name,
                int(record.maker["slot"]),
                int(record.maker["workers"]),
                str(record.maker["image"]),
                record.provider,
                record.kubernetes,
                int(record.maker.get("family", 0)),
            )
        except KeyError as error:
            if record.is_adopted:
                raise record.no_machines("that were made here") from error
            if record.is_inventory:
                raise LabError(
                    f"the machines of the lab {record.name!r} were there before it",
                    wanted="a lab whose machines were made here",
                    seen=str(record.maker.get("inventory", "an inventory")),
                    next=record.another,
                ) from error
            raise LabError(
                f"the lab {record.name!r} was not made by this command",
                wanted="the settings that this command notes in lab.json",
                seen=f"no {error}",
            ) from error


def refuse_own(name: str) -> None:
    """Refuse a name that `own_lab` gives, for its lab goes with another one.

    Raises:
        BadInput: A chapter would take the lab for one that it made.
    """
    if is_a_chapters(name):
        raise BadInput(
            "that is the name of a lab that a chapter makes beside another",
            wanted=f"a name that does not end with -{INSTALL}",
            seen=name,
            next="choose another --name",
        )


def own_lab(lab: str, purpose: str) -> str:
    """Return the name of the lab that a chapter makes beside the one it is run on.

    Runs on different labs get different ones, so they may share a computer.

    Args:
        lab: The lab that commands and chapters mean.
        purpose: What it is for: one word of at most seven letters.
    """
    return companions(lab) + purpose


def companions(lab: str) -> str:
    """Return how the names begin that `own_lab` gives to a lab's companions."""
    if len(lab) <= NAME_LENGTH - _PURPOSE - 1:
        return f"{lab}-"
    mark = hashlib.sha256(lab.encode()).hexdigest()[:4]
    return f"{lab[: NAME_LENGTH - _PURPOSE - len(mark) - 2].rstrip('-')}-{mark}-"


def free_slot(home: Path, taken: Collection[int] = ()) -> int:
    """Return the lowest slot that no lab has.

    Args:
        home: The folder of all labs.
        taken: Slots that are not free for other reasons.

    Raises:
        BadInput: All slots are taken.
    """
    return free_slots(home, taken)[0]


def free_slots(home: Path, taken: Collection[int] = ()) -> list[int]:
    """Return the slots that no lab has, one at least; see `free_slot`."""
    known = records(home)
    used = {record.maker.get("slot") for record in known} | set(taken)
    if free := [slot for slot in range(SLOTS) if slot not in used]:
        return free
    raise BadInput(
        f"there are {SLOTS} labs already",
        where=str(home),
        wanted=f"fewer than {SLOTS}",
        seen=str(len(used)),
        next=f"remove one, as this: {command('down', known[-1].name)}"
        if known
        else "remove one of those that were made with another K8SLAB_HOME",
    )
