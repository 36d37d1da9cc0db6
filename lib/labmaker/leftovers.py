"""Say what labs have on this computer: machines, networks, firewall rules and files."""

from __future__ import annotations

from pathlib import Path

from k8slab.core.poll import until
from k8slab.core.process import Runner
from k8slab.errors import NotReady

from .host.firewall import slots_with_rules
from .plan import AddressPlan
from .providers.containers import Engine

# A lab may be removed between the look at the rules and that at the networks.
_PASSING_S = 3.0


def of_labs(home: Path, prefix: str, engine: Engine, runner: Runner) -> frozenset[str]:
    """Return a line for each trace of the labs whose names begin with a prefix.

    Fences carry no name, so those count that no lab's network explains, whoever
    made them.

    Args:
        home: The folder of all labs.
        prefix: How the labs' names begin.
        engine: The engine of their machines; any of its labs will do.
        runner: Runs ``ip`` on this computer.
    """
    named = [name for name in engine.labs() if name.startswith(prefix)]
    folders = [p.name for p in home.glob(f"{prefix}*") if p.is_dir()]
    return frozenset(
        [f"machines or network of the lab {name}" for name in named]
        + [f"files of the lab {name}" for name in folders]
        + [f"routes for {AddressPlan(n).network}" for n in _orphans(engine, runner)]
    )


def _orphans(engine: Engine, runner: Runner) -> frozenset[int]:
    """Return the slots that have firewall rules although no lab has them."""
    seen: frozenset[int] = frozenset()

    def look() -> bool:
        nonlocal seen
        # In this order: rules are applied when the network is there already.
        with_rules = slots_with_rules(runner)
        seen = with_rules - engine.slots()
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
