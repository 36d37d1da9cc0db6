"""Measure ``k8slab up`` against the plain way, in turns."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from .host import load
from .labs import PLAIN, UP, k8slab, python, removed, say
from .plain import IMPORT
from .report import Section
from .samples import Samples, heading, middle, ratios


@dataclass(frozen=True)
class Run:
    """One way up and down again.

    Attributes:
        up_s: Seconds from the command's start to its end, with a lab that is up.
        down_s: Seconds that ``k8slab down`` took.
        load: The computer's load when it began.
        phases: The ledger's phases.
    """

    up_s: float
    down_s: float
    load: float
    phases: list[dict[str, Any]]

    @property
    def import_s(self) -> float:
        """Seconds from the start of the first image's import to the last one's end."""
        mine = [phase for phase in self.phases if phase["name"] == IMPORT]
        ends = [phase["started_s"] + phase["seconds"] for phase in mine]
        starts = [phase["started_s"] for phase in mine]
        return float(max(ends) - min(starts)) if mine else 0.0


def measure(runs: int) -> list[Section]:
    """Bring labs up in turns; return how long it took, and where the time went."""
    ours: list[Run] = []
    plain: list[Run] = []
    for number in range(1, runs + 1):
        say(f"up {number} of {runs}: k8slab up")
        ours.append(_run(UP))
        say(f"up {number} of {runs}: the plain way")
        plain.append(_run(PLAIN))
    return [
        _comparison(ours, plain),
        _ledger("The phases of the median `k8slab up`", ours),
        _ledger("The phases of the median plain way", plain),
        _down(ours),
    ]


def _run(name: str) -> Run:
    busy = load()
    with removed(name):
        up = (
            k8slab("up", "--name", name, "--timings", "json")
            if name == UP
            else python("-m", "bench.plain", name)
        )
        down = k8slab("down", "--name", name)
    say(f"  {up.seconds:.1f} s up, {down.seconds:.1f} s down")
    phases = json.loads(up.stdout)["phases"]
    return Run(up.seconds, down.seconds, busy, phases)


def _comparison(ours: list[Run], plain: list[Run]) -> Section:
    a, b = tuple(run.up_s for run in ours), tuple(run.up_s for run in plain)
    c = tuple(run.up_s - run.import_s for run in plain)
    section = Section("`k8slab up` against the plain way")
    section.say(
        "Both end when all nodes are Ready and CoreDNS has answered a Pod on every "
        "worker; both are whole commands, from the start of the process to its end.",
        "Both have the same four machines (the depot among them), the same machine "
        "images, network, addresses and versions.",
        "The plain way is what kubeadm's documents describe: its defaults (RSA keys, "
        "leader election, the usual request limits, two CoreDNS replicas with a look "
        "every 10 s), images imported with `ctr` on all nodes side by side into empty "
        "stores, `kubeadm init`, then the pod network, then one join after the other, "
        "each wait a look with `kubectl` once a second.",
        "It keeps only the settings without which this host cannot run it, gets its "
        "archives from a read-only mount, not over the network, and need not start "
        "the depot's services, look at the computer first or pin the cluster.",
        "The two take turns, so that a busy computer slows both.",
    )
    section.table(
        heading("way", "s"),
        [
            Samples("`k8slab up`", a).row(),
            Samples("the plain way", b).row(),
            Samples("**ratio**, pair by pair", ratios(a, b)).row(),
            Samples("the plain way without its imports", c).row(),
            Samples("ratio to that, pair by pair", ratios(a, c)).row(),
        ],
    )
    section.table(
        ["load when it began", "values"],
        [
            ["`k8slab up`", ", ".join(f"{run.load:.1f}" for run in ours)],
            ["the plain way", ", ".join(f"{run.load:.1f}" for run in plain)],
        ],
    )
    return section


def _ledger(title: str, runs: list[Run]) -> Section:
    run = runs[middle([run.up_s for run in runs])]
    rest = run.up_s - max(p["started_s"] + p["seconds"] for p in run.phases)
    section = Section(title)
    section.say(
        f"The run that took {run.up_s:.2f} s.",
        f"Python's start and end are {rest:.2f} s of it, in no phase below.",
        "Phases of several machines overlap.",
    )
    section.table(
        ["phase", "where", "start (s)", "took (s)", "outcome"],
        [
            [
                phase["name"],
                phase["where"],
                f"{phase['started_s']:.2f}",
                f"{phase['seconds']:.2f}",
                phase["outcome"],
            ]
            for phase in run.phases
        ],
    )
    return section


def _down(ours: list[Run]) -> Section:
    section = Section("`k8slab down`")
    section.say("Of the labs that `k8slab up` made above.")
    samples = Samples("`k8slab down`", tuple(run.down_s for run in ours))
    section.table(heading("command", "s"), [samples.row()])
    return section
