"""Keep a lab's files: its settings, keys, kubeconfig and machines' folders."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from ..errors import BadInput, LabError
from .machine import SLOTS, AddressPlan, Machine

_NAME = re.compile(r"[a-z]([a-z0-9-]{0,18}[a-z0-9])?")
_LONGEST = 20
_PURPOSE = 7


@dataclass(frozen=True)
class Settings:
    """What a lab is made of; fixed when it is made.

    Attributes:
        name: The lab's name.
        slot: The number its addresses follow from.
        workers: How many machines beside the master.
        image: ``ready`` or ``bare``: what the machines start from.
        provider: ``podman`` or ``docker``.
        kubernetes: The version installed.
        complete: Whether the lab has been up once.
    """

    name: str
    slot: int
    workers: int
    image: str
    provider: str
    kubernetes: str
    complete: bool = False

    @property
    def plan(self) -> AddressPlan:
        """The lab's addresses."""
        return AddressPlan(self.slot)

    @property
    def machines(self) -> tuple[Machine, ...]:
        """The lab's machines, the depot last."""
        return self.plan.machines(self.workers, self.image)

    @property
    def nodes(self) -> tuple[Machine, ...]:
        """The machines that are nodes, the master first."""
        return tuple(machine for machine in self.machines if machine.pods is not None)


class LabFolder:
    """One lab's folder below the folder of all labs.

    Args:
        home: The folder of all labs.
        name: The lab's name.

    Raises:
        BadInput: The name cannot be a lab's.
    """

    def __init__(self, home: Path, name: str) -> None:
        if not _NAME.fullmatch(name):
            raise BadInput(
                "that cannot be the name of a lab",
                wanted="at most 20 lower-case letters, digits and hyphens, "
                "a letter first",
                seen=repr(name),
                next="choose another --name",
            )
        self.name = name
        self.home = home
        self.root = home / name
        self.key = self.root / "id_ed25519"
        self.known_hosts = self.root / "known_hosts"
        self.ca = self.root / "ca.crt"
        self.kubeconfig = self.root / "kubeconfig"
        self.fingerprint = self.root / "fingerprint.json"
        self._settings = self.root / "lab.json"

    def machine(self, name: str) -> Path:
        """Return the folder of a machine's data."""
        return self.root / "machines" / name

    def settings(self) -> Settings | None:
        """Return the lab's settings, or None when there is no such lab.

        Raises:
            LabError: The file is there and cannot be read as settings.
        """
        try:
            return Settings(**json.loads(self._settings.read_text()))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            raise LabError(
                "the lab's settings cannot be read",
                where=str(self._settings),
                wanted="the JSON that 'k8slab up' wrote",
                seen=str(error),
                next=f"begin anew: k8slab down --name {self.name}",
            ) from error

    def save(self, settings: Settings) -> None:
        """Write the lab's settings, all or nothing."""
        self.write("lab.json", json.dumps(asdict(settings), indent=1) + "\n")

    def write(self, name: str, text: str) -> Path:
        """Write one of the lab's files, all or nothing, for its owner only."""
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        target = self.root / name
        part = target.with_name(f".{target.name}.part")
        part.touch(mode=0o600)
        part.write_text(text)
        os.replace(part, target)
        return target

    def remove(self) -> None:
        """Remove the folder with all that is in it."""
        if self.root.exists():
            shutil.rmtree(self.root)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lab for oneself, so that two commands do not change it at once.

        Raises:
            LabError: Another command holds it.
        """
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / f".{self.name}.lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise LabError(
                    f"another command is at work on the lab {self.name!r}",
                    where=str(self.root),
                    next="wait for it to end, then repeat the command",
                ) from error
            yield


def own_lab(lab: str, purpose: str) -> str:
    """Return the name of the lab that a chapter makes beside the one it is run on.

    Runs on different labs get different ones, so they may share a computer.

    Args:
        lab: The lab that commands and chapters mean.
        purpose: What it is for: one word of at most seven letters.
    """
    return family(lab) + purpose


def family(lab: str) -> str:
    """Return how the names begin that `own_lab` gives to a lab's companions."""
    if len(lab) <= _LONGEST - _PURPOSE - 1:
        return f"{lab}-"
    mark = hashlib.sha256(lab.encode()).hexdigest()[:4]
    return f"{lab[: _LONGEST - _PURPOSE - len(mark) - 2].rstrip('-')}-{mark}-"


def all_settings(home: Path) -> list[Settings]:
    """Return the settings of every lab in a folder of labs."""
    names = sorted(p.parent.name for p in home.glob("*/lab.json"))
    found = (LabFolder(home, name).settings() for name in names)
    return [settings for settings in found if settings is not None]


def free_slot(home: Path, taken: Collection[int] = ()) -> int:
    """Return the lowest slot that no lab has.

    Args:
        home: The folder of all labs.
        taken: Slots that are not free for other reasons.

    Raises:
        BadInput: All slots are taken.
    """
    used = {settings.slot for settings in all_settings(home)} | set(taken)
    for slot in range(SLOTS):
        if slot not in used:
            return slot
    raise BadInput(
        f"there are {SLOTS} labs already",
        where=str(home),
        wanted=f"fewer than {SLOTS}",
        seen=str(len(used)),
        next="remove one: k8slab down --name NAME",
    )
