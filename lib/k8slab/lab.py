"""Connect to a lab that is there, by its folder alone."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from . import folder as folders
from .core import outside
from .core.env import Environment
from .core.hints import FIRST_CELL, command
from .core.names import is_a_chapters
from .errors import LabMissing
from .folder import LabFolder
from .lab_record import AGENT, LabRecord, MachineRecord

if TYPE_CHECKING:  # they take a second to import, and most commands need neither
    from .kube.cluster import Cluster
    from .ssh.client import SSHShell
    from .ssh.connect import Login


@dataclass(frozen=True)
class Healed:
    """What came of an attempt to undo the faults in a lab.

    Attributes:
        undone: What was undone, a line for each.
        held: How many are those of other sessions that are alive.
        waiting: How many are nobody's and still there, as the lab is stopped.
    """

    undone: tuple[str, ...]
    held: int
    waiting: int


@outside.told()
def connect(name: str | None = None, *, heals: bool = True) -> Cluster:
    """Connect to a lab's cluster, and to no other.

    In a notebook this also makes ``%kubectl`` and ``%%on`` available. Faults that this
    session or an ended one left are undone first, which is said.

    Args:
        name: The lab; ``K8SLAB_LAB`` or ``default`` when None.
        heals: Whether faults are undone; not, to look at the lab as it is.

    Raises:
        BadInput: The name cannot be a lab's.
        LabMissing: There is no such lab, or it was never up.
        NotReady: A fault that was left cannot be undone now.
        ApiUnreachable: Its API server does not answer.
        CertificateExpired: A certificate of the lab is not valid at this time.
        WrongCluster: What answers is not the cluster that was pinned.
        LabError: The lab's record is damaged, or of another version.
    """
    from . import magics

    cluster = _cluster(name)
    try:
        if heals:
            _heal(cluster)
        cluster.verify()
    except BaseException:
        cluster.close()  # nobody else has it
        raise
    magics.register(cluster)
    return cluster


@outside.told()
def heal(name: str | None = None, *, start_s: float = 0.0) -> Healed:
    """Undo the faults that this session and ended ones left in a lab; say which.

    `connect` does so, too. Where the lab is stopped, nothing is done.

    Args:
        name: The lab; ``K8SLAB_LAB`` or ``default`` when None.
        start_s: Seconds allowed on top, as on machines that start.

    Raises:
        LabMissing: There is no such lab, or it was never up.
        NotReady: Something does not get as it was before.
    """
    from . import fault

    cluster = _cluster(name)
    try:
        undone = _heal(cluster, start_s)
        return Healed(undone, *fault.standing(cluster))
    finally:
        cluster.close()


@outside.told()
def find(name: str | None = None) -> LabRecord | None:
    """Return the facts of a lab, or None when there is no such lab.

    Raises:
        BadInput: The name cannot be a lab's.
        LabError: The lab's record is damaged, or of another version.
    """
    return folder(name).record()


def readable(name: str | None = None) -> LabRecord | None:
    """Return the facts of a lab; None also where they cannot be read."""
    return folder(name).readable()


@outside.told()
def names() -> list[str]:
    """Return the names of all labs, also of those whose record cannot be read."""
    return folders.names(home())


def home() -> Path:
    """Return the folder of all labs; each user has another one."""
    return Environment.read().home


def folder(name: str | None = None) -> LabFolder:
    """Return a lab's folder, whether the lab is there or not.

    Args:
        name: The lab; ``K8SLAB_LAB`` or ``default`` when None.
    """
    env = Environment.read()
    return LabFolder(env.home, env.lab if name is None else name)


def shells(lab: LabFolder, record: LabRecord) -> Mapping[str, SSHShell]:
    """Return the shells that reach a lab's machines over SSH, by name."""
    from .ssh.client import SSHShell

    return {
        machine.name: SSHShell(
            machine.name,
            str(machine.address),
            lab=lab.name,
            user=machine.user,
            port=machine.port,
            key=_key(lab, machine.key),
            known_hosts=lab.known_hosts,
            sudo=machine.sudo,
            jump=_jump(lab, machine),
            foreign=bool(machine.key),
        )
        for machine in record.machines
    }


def _key(lab: LabFolder, named: str) -> Path | None:
    """Return the file of the key that logs in; None for those of the agent."""
    return lab.key if not named else None if named == AGENT else Path(named)


def _jump(lab: LabFolder, machine: MachineRecord) -> Login | None:
    """Return how to log in to the host that the way to a machine goes through."""
    from .ssh.connect import Login

    if (jump := machine.jump) is None:
        return None
    return Login(
        lab.name,
        f"the jump host of {machine.name}",
        jump.address,
        jump.port,
        jump.user,
        _key(lab, jump.key),
        lab.known_hosts,
        foreign=True,
    )


def _cluster(name: str | None) -> Cluster:
    """Return a lab's cluster; nothing is sent to it."""
    from .kube.cluster import Cluster

    lab = folder(name)
    record = lab.record()
    if record is None or not record.complete:
        raise missing(lab.name)
    return Cluster(record, shells(lab, record), lab)


def _heal(cluster: Cluster, start_s: float = 0.0) -> tuple[str, ...]:
    """Undo what there is to be undone; say so, and return it."""
    from . import fault

    undone = fault.heal(cluster, start_s=start_s)
    for each in undone:
        # Not on standard output, which belongs to the command or cell that connects.
        print(f"undone, as a session left it: {each}", file=sys.stderr)
    return tuple(undone)


def missing(name: str) -> LabMissing:
    """Return the error that says there is no such lab."""
    known = names()
    if name in known:
        record = readable(name)
        there = record is not None and record.is_inventory
        return LabMissing(
            f"the lab {name!r} is not whole",
            where=str(folder(name).root),
            wanted="an 'up' that ended well, and no 'down' that began",
            seen="what one of them left",
            next=f"undo it: {command('down', name, '--yes')}"
            if there
            else f"begin anew: {command('reset', name)}",
        )
    return LabMissing(
        f"there is no lab named {name!r} that is up",
        where=str(home()),
        seen="the labs " + ", ".join(known) if known else "no lab at all",
        next=make_it(name),
    )


def make_it(name: str) -> str:
    """Return what to do where a lab is not found: it is to be made, or is root's.

    Args:
        name: The lab; empty for whichever is meant.
    """
    made = f"make it: {command('up', name)}"
    if is_a_chapters(name):
        made = FIRST_CELL
    if os.geteuid() == 0:
        return made
    roots = f"labs that root made are root's: {outside.become_root()}"
    return f"{roots}; or {made}"
