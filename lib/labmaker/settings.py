"""Say what a lab is made of, and keep that in its folder for its maker alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from k8slab.core.hints import down_then_up
from k8slab.errors import LabError
from k8slab.lab_record import LabRecord, MachineRecord

from .plan import AddressPlan

DEFAULT_WORKERS = 2
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
        except (KeyError, TypeError, ValueError) as error:
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
                seen=f"no {error}" if isinstance(error, KeyError) else str(error),
                next=f"begin anew: {down_then_up(record.name)}",
            ) from error
