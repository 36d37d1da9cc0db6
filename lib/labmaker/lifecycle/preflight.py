"""Say whether a lab can be made or made whole, before anything of it is changed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from k8slab.core.hints import command
from k8slab.core.process import Runner
from k8slab.errors import BadInput, HostProblem, SettingsDiffer

from ..host import doctor
from ..host.firewall import slots_with_rules
from ..plan import AddressPlan
from ..providers import Provider
from ..settings import Settings, free_slot

IMAGES = ("ready", "bare")


def choose_slot(home: Path, wanted: int | None, runner: Runner) -> int:
    """Return the number a new lab's addresses follow from.

    Args:
        home: The folder of all labs.
        wanted: The slot asked for; the lowest free one when None.
        runner: Runs ``ip`` on this computer.

    Raises:
        BadInput: All slots are taken, or there is no such slot.
        HostProblem: Another lab, perhaps of another home, has the wanted one.
    """
    taken = slots_with_rules(runner)
    if wanted is None:
        return free_slot(home, taken)
    ranges = ", ".join(str(network) for network in AddressPlan(wanted).ranges.all)
    if wanted in taken:
        raise HostProblem(
            "the address range is in use by another lab",
            where=f"--slot {wanted}",
            wanted="a slot that no lab on this computer has",
            seen=ranges,
            next="leave out --slot, and a free one is taken",
        )
    return wanted


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
    if settings.image not in IMAGES:
        raise BadInput(
            f"there is no machine image named {settings.image!r}",
            wanted="one of " + ", ".join(IMAGES),
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
    return "warnings: " + ", ".join(warnings) if warnings else ""


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
