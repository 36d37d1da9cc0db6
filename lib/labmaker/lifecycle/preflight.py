"""Say whether a lab can be made or made whole, before anything of it is changed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from ipaddress import IPv4Network
from pathlib import Path

from k8slab.core.hints import command
from k8slab.core.process import Runner
from k8slab.errors import BadInput, RangeInUse, SettingsDiffer
from k8slab.folder import records

from ..bundle.components import NODE_IMAGES
from ..computer import ROUTES, foreign_routes
from ..host import doctor
from ..host.firewall import slots_with_rules
from ..host.node import service_ranges
from ..plan import FAMILIES, SLOTS, AddressPlan
from ..providers import Provider
from ..settings import Settings


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


def choose_slot(
    home: Path,
    wanted: int | None,
    runner: Runner,
    networks: Collection[IPv4Network],
) -> int:
    """Return the number a new lab's addresses follow from.

    Args:
        home: The folder of all labs.
        wanted: The slot asked for; the lowest free one when None.
        runner: Runs ``ip`` on this computer.
        networks: What the providers here keep; see `providers.networks`.

    Raises:
        BadInput: All slots are taken, or there is no such slot.
        RangeInUse: Another lab, perhaps of another home, has the wanted one.
    """
    taken = _taken(runner, networks)
    if wanted is None:
        return free_slot(home, taken)
    ranges = ", ".join(str(network) for network in AddressPlan(wanted).ranges.all)
    if wanted in taken:
        raise RangeInUse(
            "the address range is in use by another lab",
            where=f"--slot {wanted}",
            wanted="a slot that no lab on this computer has",
            seen=ranges,
            next="leave out --slot, and a free one is taken",
        )
    return wanted


def choose_plan(
    home: Path,
    wanted: int | None,
    runner: Runner,
    networks: Collection[IPv4Network],
) -> AddressPlan:
    """Return the addresses of a new lab, which nobody else here has.

    Where a VPN, another bridge or a cluster whose node this computer is has the book's
    ranges, for machines, Pods or Services, others are taken. A slot that is asked for
    is one of the book's while it has any.

    Args:
        home: The folder of all labs.
        wanted: The slot asked for; the lowest free one when None.
        runner: Runs ``ip``, ``iptables`` and ``nft`` on this computer.
        networks: What the providers here keep; see `providers.networks`.

    Raises:
        BadInput: All slots are taken, or there is no such slot.
        RangeInUse: Another lab, perhaps of another home, has the wanted one; or a
            provider keeps it for a network that is no lab's.
    """
    slot = choose_slot(home, wanted, runner, networks)
    routes = runner.run([*ROUTES]).stdout
    in_use = {*networks, *service_ranges(runner)}

    def kept(plan: AddressPlan) -> list[str]:
        met = (n for n in in_use for own in plan.ranges.all if n.overlaps(own))
        return [str(network) for network in met]

    def is_free(plan: AddressPlan) -> bool:
        clashes = (clash for _, clash in foreign_routes(routes, plan, ""))
        return not any(clashes) and not kept(plan)

    usual = [AddressPlan(number) for number in range(SLOTS)]
    if wanted is not None:
        slots = [slot]
        if any(map(is_free, usual)):
            plan = AddressPlan(slot)
            if seen := kept(plan):
                raise RangeInUse(
                    "the address range belongs to a network that is there already",
                    where=f"--slot {wanted}",
                    wanted="none that meets "
                    + ", ".join(str(network) for network in plan.ranges.all),
                    seen=", ".join(seen),
                    next="leave out --slot, and a free one is taken",
                )
            return plan
    else:
        slots = free_slots(home, _taken(runner, networks))
    plans = [AddressPlan(n, family) for family in range(FAMILIES) for n in slots]
    return next(filter(is_free, plans), plans[0])


def _taken(runner: Runner, networks: Collection[IPv4Network]) -> frozenset[int]:
    """Return the slots of all labs here, whatever their homes.

    A lab that runs has its routes. After a restart of this computer only the network of
    its provider is left, which has none until the lab starts.
    """
    plans = (plan for slot in range(SLOTS) for plan in AddressPlan.every(slot))
    kept = frozenset(plan.slot for plan in plans if plan.network in networks)
    return slots_with_rules(runner) | kept


def examine(settings: Settings, provider: Provider, folders: Sequence[Path]) -> str:
    """Have the doctor look at this computer, and return what is not at its best.

    Args:
        settings: What the lab will be made of.
        provider: What will provide its machines.
        folders: Where the bundle and the labs are kept.

    Raises:
        BadInput: The settings cannot be.
        HostProblem: This computer cannot carry the lab.
    """
    if settings.image not in NODE_IMAGES:
        raise BadInput(
            f"there is no machine image named {settings.image!r}",
            wanted="one of " + ", ".join(NODE_IMAGES),
            seen=settings.image,
            next="leave out --image",
        )
    machines = settings.machines  # refuses a number of workers that cannot be
    findings = doctor.diagnose(
        settings.plan,
        bridge="",
        folders=folders,
        has_bundle=True,
        machines=len(machines),
        provider=provider,
    )
    doctor.raise_on_errors(findings)
    warnings = [finding.name for finding in findings if not finding.ok]
    cures = f"; their cures: {command('doctor')}"
    return "warnings: " + ", ".join(warnings) + cures if warnings else ""


def refuse_remains(settings: Settings, provider: Provider) -> None:
    """Refuse to make a lab over another's machines, which are not ours to harm.

    Args:
        settings: What the lab will be made of.
        provider: What will provide its machines.

    Raises:
        BadInput: There are machines or a network of that name.
    """
    network = [provider.network] if provider.bridge_if_any() else []
    seen = [*provider.states(), *network]
    if seen:
        raise BadInput(
            f"there are machines of a lab named {settings.name!r} already, "
            "made with another K8SLAB_HOME or left by a crash",
            where=settings.provider,
            wanted="none",
            seen=", ".join(seen),
            next="choose another --name, or remove them: "
            f"{command('down', settings.name)}",
        )


def refuse_others(
    settings: Settings,
    root: Path,
    *,
    workers: int | None,
    image: str | None,
    slot: int | None,
) -> None:
    """Refuse to take a lab that is there for one with other settings.

    Args:
        settings: What the lab is made of.
        root: The lab's folder.
        workers: What was asked for, if anything was.
        image: What was asked for, if anything was.
        slot: What was asked for, if anything was.

    Raises:
        SettingsDiffer: It was made with other settings than those asked for.
    """
    for label, wanted, seen in (
        ("workers (--nodes)", workers, settings.workers),
        ("image (--image)", image, settings.image),
        ("slot (--slot)", slot, settings.slot),
    ):
        if wanted is not None and wanted != seen:
            raise SettingsDiffer(
                f"the lab {settings.name!r} is there with other settings",
                where=str(root),
                wanted=f"{label} {wanted}",
                seen=f"{label} {seen}",
                next="choose another --name, or remove this lab: "
                f"{command('down', settings.name)}",
            )
