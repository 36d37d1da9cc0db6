"""Measure the memory of a lab that does nothing, without add-ons and with all."""

from __future__ import annotations

from contextlib import ExitStack

from k8slab import lab
from k8slab.core.env import Environment
from k8slab.core.poll import SystemClock
from k8slab.core.process import Runner
from k8slab.folder import LabFolder
from labmaker import addons

from .labs import k8slab, say
from .report import Section

IDLE_S = 60.0
_GROUP = "/sys/fs/cgroup"
# By the version of cgroups: the total, its parts, and what they are called there.
_FILES = {
    1: ("memory/memory.usage_in_bytes", "memory/memory.stat"),
    2: ("memory.current", "memory.stat"),
}
_PROGRAMS = ("total_rss", "anon")
_CACHE = ("total_cache", "file")


def with_addons(name: str) -> Section:
    """Measure a lab again with all its add-ons, which are disabled at the end.

    Args:
        name: A lab that is up, without add-ons.
    """
    with ExitStack() as stack:
        for addon in (each.name for each in addons.ADDONS):
            k8slab("addon", "enable", "--name", name, addon)
            undo = ("addon", "disable", "--name", name, addon)
            stack.callback(k8slab, *undo)
        return measure(name, "Memory of the idle lab with all add-ons")


def measure(name: str, title: str = "Memory of the idle lab") -> Section:
    """Measure each machine of a lab after a minute of rest, as its cgroup counts.

    Args:
        name: A lab that is up.
        title: What the section is called.
    """
    say(f"memory after {IDLE_S:.0f} s of rest")
    SystemClock().sleep(IDLE_S)
    used = {machine: _used(shell) for machine, shell in _shells(name)}
    used["together"] = tuple(map(sum, zip(*used.values(), strict=True)))
    section = Section(title)
    section.say(
        f"After {IDLE_S:.0f} s of rest, as the machines' own cgroups count it.",
        "The kernel frees the page cache when others need the memory; what machines "
        "share of it counts for the one that read it first.",
    )
    section.table(
        ["machine", "in all (MiB)", "programs", "page cache"],
        [
            [machine, *(f"{value:.0f}" for value in values)]
            for machine, values in used.items()
        ],
    )
    return section


def _shells(name: str) -> list[tuple[str, Runner]]:
    env = Environment.read()
    folder = LabFolder(env.home, name)
    record = folder.record()
    if record is None:
        raise lab.missing(name)
    return list(lab.shells(folder, record).items())


def _used(shell: Runner) -> tuple[float, ...]:
    """Return a machine's memory in MiB: in all, its programs', its page cache."""
    is_two = shell.run(["test", "-e", f"{_GROUP}/cgroup.controllers"], check=False).ok
    total, parts = _FILES[2 if is_two else 1]
    lines = shell.run(["cat", f"{_GROUP}/{parts}"]).stdout.splitlines()
    stat = {line.split()[0]: float(line.split()[1]) for line in lines}
    programs = next(stat[key] for key in _PROGRAMS if key in stat)
    cache = next(stat[key] for key in _CACHE if key in stat)
    used = float(shell.run(["cat", f"{_GROUP}/{total}"]).stdout)
    return used / 2**20, programs / 2**20, cache / 2**20
