"""Say what labs have on this computer: machines, networks, firewall rules and files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from k8slab.core.env import Environment
from k8slab.core.poll import until
from k8slab.core.process import LocalRunner, Runner
from k8slab.errors import NotReady
from k8slab.lab_record import LabRecord

from .host.firewall import slots_with_rules
from .plan import AddressPlan
from .providers import Provider, working

# A lab may be removed between the look at the rules and that at the networks.
_PASSING_S = 3.0


def of_labs(
    home: Path, prefix: str, providers: Sequence[Provider], runner: Runner
) -> frozenset[str]:
    """Return a line for each leftover of the labs whose names begin with a prefix.

    Firewall rules carry no name, so those count that no network of a lab explains.

    Args:
        home: The folder of all labs.
        prefix: How the labs' names begin.
        providers: Those whose labs there may be; those of any lab will do.
        runner: Runs ``ip`` on this computer.
    """
    known = frozenset[str]().union(*(each.labs() for each in providers))
    named = [name for name in known if name.startswith(prefix)]
    found = [p.name for p in home.glob(f"{prefix}*") if p.is_dir()]
    folders = [name for name in found if name[:1] != "."]  # those are no lab's
    return frozenset(
        [f"machines or network of the lab {name}" for name in named]
        + [f"files of the lab {name}" for name in folders]
        + [f"routes for {AddressPlan(n).network}" for n in _orphans(providers, runner)]
    )


def strangers(record: LabRecord, provider: Provider) -> frozenset[str]:
    """Return a line for each machine of a lab that its folder does not know.

    Args:
        record: What the lab's folder says of it.
        provider: The lab's provider.
    """
    known = {machine.name for machine in record.machines}
    return frozenset(
        f"the machine {name} of the lab {record.name}"
        for name in provider.states()
        if name not in known
    )


def of_all() -> frozenset[str]:
    """Return a line for each leftover of any lab here; ``.ci/run`` asks, too."""
    return of_labs(Environment.read().home, "", list(working()), LocalRunner())


def _orphans(providers: Sequence[Provider], runner: Runner) -> frozenset[int]:
    """Return the slots that have firewall rules although no lab has them."""
    seen: frozenset[int] = frozenset()

    def look() -> bool:
        nonlocal seen
        # In this order: rules are applied when the network is there already.
        with_rules = slots_with_rules(runner)
        seen = with_rules.difference(*(each.slots() for each in providers))
        return not seen

    try:
        until(
            look,
            what="firewall rules of no lab",
            want="none",
            timeout=_PASSING_S,
            every=0.5,
        )
    except NotReady:
        return seen
    return frozenset()
