"""Keep a lab's folder: who its machines are, how to reach them, which cluster is meant.

The folder is the contract between whoever makes a lab and whoever uses one. A lab is
there when its folder is, and everything that uses it reads this folder alone: neither
the bundle it was made of, nor the engine that provides its machines.

::

    lab.json           what `LabRecord` holds, as JSON with a ``schema`` number
    kubeconfig         the administrator's way to the cluster
    fingerprint.json   what tells this cluster from all others (`kube.pinning`)
    kubectl            the kubectl that fits the cluster
    id_ed25519         the key that logs in on the machines
    known_hosts        the machines' pinned host keys
    ca.crt             the lab's own authority
    machines/          what the machines keep on this computer, if anything
    journal/           faults that have to be undone (`fault`)
    undo/              what was changed on machines that were there, if they were
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

from .core import files, outside
from .core.env import DEFAULT_LAB
from .core.hints import anew, command
from .core.names import lab_name, may_be_lab
from .errors import BadInput, LabError, NoMachines

SCHEMA = 1
"""The form of ``lab.json`` that this version writes, and the only one it reads."""
CONTROL_PLANE, WORKER, DEPOT = "control-plane", "worker", "depot"
ADOPTED = "adopted"
"""The provider of a lab that is somebody's cluster, whose machines nobody knows."""
OWN_MACHINES = "inventory"
"""The provider of a lab on machines that were there, which an inventory names."""
AGENT = "agent"
"""In the place of a key's file: the keys that the reader's SSH agent holds."""
_PUT_BACK = "put the file back from a backup, or leave the machines as they are now: {}"
_PARTS = (
    *("authorized_keys", "ca.crt", "client", "fingerprint.json", "id_ed25519"),
    *("journal", "known_hosts", "kubeconfig", "kubectl", "machines", "required.json"),
    "undo",
)
"""What a lab's folder holds beside its record."""
REGISTRY = "registry.lab"
"""The registry that chapters' manifests name."""


@dataclass(frozen=True)
class JumpRecord:
    """A host that SSH goes through on its way to a machine.

    Attributes:
        address: Its name or address.
        user: Who logs in.
        port: The port of its SSH server.
        key: The file of the private key, or `AGENT`.
    """

    address: str
    user: str
    port: int = 22
    key: str = AGENT


@dataclass(frozen=True)
class MachineRecord:
    """One machine of a lab.

    Attributes:
        name: ``master``, ``node1``, ... or ``depot``.
        role: ``control-plane``, ``worker`` or ``depot``.
        address: Its address on the lab's network.
        pods: The range its Pods get their addresses from; None where it is no node.
        user: Who logs in.
        port: The port of its SSH server.
        power_off: The command on this computer that cuts its power; empty where
            nothing here can.
        power_on: The command that gives it back.
        image: What the maker made it from; empty for a machine that was there.
        sudo: Whether who logs in becomes root by ``sudo``.
        key: The file of the reader's own key that logs in, or `AGENT`; empty for the
            lab's key.
        jump: The host that SSH goes through, if any.
    """

    name: str
    role: str
    address: IPv4Address
    pods: IPv4Network | None = None
    user: str = "root"
    port: int = 22
    power_off: tuple[str, ...] = ()
    power_on: tuple[str, ...] = ()
    image: str = ""
    sudo: bool = False
    key: str = ""
    jump: JumpRecord | None = None

    @property
    def is_master(self) -> bool:
        """Whether the control plane runs here."""
        return self.role == CONTROL_PLANE

    @property
    def is_node(self) -> bool:
        """Whether it is, or becomes, a node of the cluster."""
        return self.role != DEPOT


@dataclass(frozen=True)
class Ranges:
    """The address ranges of a lab; no other lab on this computer shares one.

    Attributes:
        machines: Of the machines.
        pods: Of all Pods.
        services: Of all Services.
        load_balancers: That a load balancer may give out; None without one.
        dns: The address of the cluster's name service.
    """

    machines: IPv4Network
    pods: IPv4Network
    services: IPv4Network
    dns: IPv4Address
    load_balancers: IPv4Network | None = None

    @property
    def all(self) -> tuple[IPv4Network, ...]:
        """All ranges, the machines' first; the load balancers' is part of that."""
        return (self.machines, self.pods, self.services)


@dataclass(frozen=True)
class LabRecord:
    """All facts of a lab; what ``lab.json`` holds.

    Attributes:
        name: The lab's name.
        provider: Who provides its machines, by a name that its maker knows; `ADOPTED`
            for somebody's cluster.
        kubernetes: The version of its cluster, as in ``1.37.2``.
        machines: Its machines, the control plane's first, the depot last; an adopted
            cluster's are not known.
        ranges: Its address ranges; None for an adopted cluster.
        images: The full names of the images that chapters and checks use, by short
            name, as in ``echo: registry.lab/echo:1``.
        addons: The add-ons that are enabled.
        complete: Whether it has been up once.
        maker: What its maker notes for itself; nobody else reads it.
    """

    name: str
    provider: str
    kubernetes: str
    machines: tuple[MachineRecord, ...]
    ranges: Ranges | None
    images: Mapping[str, str] = field(default_factory=dict)
    addons: tuple[str, ...] = ()
    complete: bool = False
    maker: Mapping[str, Any] = field(default_factory=dict)

    @property
    def nodes(self) -> tuple[MachineRecord, ...]:
        """The machines that are nodes, the control plane's first."""
        return tuple(machine for machine in self.machines if machine.is_node)

    @property
    def is_adopted(self) -> bool:
        """Whether it is somebody's cluster, of which only the API is ours to use."""
        return self.provider == ADOPTED

    @property
    def is_own_machines(self) -> bool:
        """Whether its machines are the reader's, which were there before the lab."""
        return self.provider == OWN_MACHINES

    @property
    def prefix(self) -> str:
        """Where images come from in the place of `REGISTRY`; empty where from there."""
        if not self.is_adopted:
            return ""
        places = {name.rpartition("/")[0] for name in self.images.values()}
        return next(iter(places - {REGISTRY}), "")

    def no_machines(self, what: str) -> NoMachines:
        """Return the error that says what an adopted cluster does not give.

        Args:
            what: What was asked for, as in ``to stop it``.
        """
        own = "own" if self.name == DEFAULT_LAB else DEFAULT_LAB
        return NoMachines(
            f"the lab {self.name!r} is an adopted cluster: it has no machines {what}",
            where=f"lab {self.name}",
            wanted="a lab of machines",
            seen="a cluster of which only the API is used",
            next=f"make a lab beside it: {command('up', own)}",
        )

    def to_json(self) -> str:
        """Return it as the text of ``lab.json``."""
        machines = [_plain(asdict(machine)) for machine in self.machines]
        ranges = None if self.ranges is None else _plain(vars(self.ranges))
        record = {**vars(self), "machines": machines, "ranges": ranges}
        return json.dumps({"schema": SCHEMA, **_plain(record)}, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> LabRecord:
        """Read what `to_json` wrote.

        Raises:
            ValueError: It is not in the form of `SCHEMA`; the message says how.
        """
        told = json.loads(text)
        if not isinstance(told, dict):
            raise ValueError("it is no JSON object")
        schema = told.pop("schema", "none")
        if schema != SCHEMA:
            raise ValueError(f"schema {schema}")
        try:
            given = told.pop("ranges")
            ranges = None if given is None else _ranges(given)
            machines = tuple(_machine(each) for each in told.pop("machines"))
            told["addons"] = tuple(told.get("addons", ()))
            record = cls(machines=machines, ranges=ranges, **told)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{type(error).__name__}: {error}") from error
        for name, kind in _KINDS.items():
            if not isinstance(getattr(record, name), kind):
                raise ValueError(f"{name}: {getattr(record, name)!r}")
        return record


_KINDS: Mapping[str, type] = {
    "name": str,
    "provider": str,
    "kubernetes": str,
    "images": dict,
    "complete": bool,
    "maker": dict,
}


class LabFolder:
    """One lab's folder below the folder of all labs.

    Args:
        home: The folder of all labs.
        name: The lab's name.

    Raises:
        BadInput: The name cannot be a lab's.
    """

    def __init__(self, home: Path, name: str) -> None:
        self.name = lab_name(name)
        self.home = home
        self.root = home / name
        self.key = self.root / "id_ed25519"
        self.known_hosts = self.root / "known_hosts"
        self.ca = self.root / "ca.crt"
        self.kubeconfig = self.root / "kubeconfig"
        self.kubectl = self.root / "kubectl"
        self.fingerprint = self.root / "fingerprint.json"
        self.record_file = self.root / "lab.json"
        self.journal = self.root / "journal"
        self.undo = self.root / "undo"
        self._required = self.root / "required.json"

    def machine(self, name: str) -> Path:
        """Return the folder of a machine's data."""
        return self.root / "machines" / name

    def record(self) -> LabRecord | None:
        """Return the lab's facts, or None when there is no such lab.

        Raises:
            LabError: The file is there and cannot be read, is of another version, or
                came here with a copy of another lab's folder.
        """
        try:
            text = self.record_file.read_text(encoding="utf-8")
            record = LabRecord.from_json(text)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise outside.ours(error) from error
        except ValueError as error:
            raise LabError(
                "the lab was made by another version, or its record is damaged",
                where=str(self.record_file),
                wanted=f"schema {SCHEMA}",
                seen=str(error),
                next=_PUT_BACK.format(command("down", self.name, "--forget"))
                if self.notes
                else f"begin anew: {anew(self.name)}",
            ) from error
        if record.name != self.name:
            # Its machines are the other lab's, which nothing here may touch.
            raise LabError(
                "the folder is a copy of another lab's, and no lab",
                where=str(self.root),
                wanted=f"the lab {self.name!r}",
                seen=f"the lab {record.name!r}",
                next="remove the copy alone: "
                + (
                    command("down", self.name, "--forget")
                    if self.notes
                    else command("down", self.name)
                ),
            )
        return record

    @property
    def notes(self) -> list[str]:
        """The notes by which machines of an inventory become what they were before."""
        return sorted(path.name for path in self.undo.glob("*"))

    def refuse_lost_notes(self) -> None:
        """Refuse to go on where machines wait to be undone, and who they are is lost.

        Raises:
            LabError: The record is damaged or gone, and there are notes.
        """
        if self.notes and self.record() is None:
            raise LabError(
                "the record of a lab on machines that were there is gone",
                where=str(self.record_file),
                wanted="the machines of " + ", ".join(self.notes),
                seen="no such file",
                next=_PUT_BACK.format(command("down", self.name, "--forget")),
            )

    def refuse_foreign(self) -> None:
        """Refuse a folder that is no lab's, nor what is left of one.

        Raises:
            BadInput: It holds something else than a lab.
        """
        if self.record_file.exists() or not self.root.exists():
            return
        names = (
            [path.name for path in self.root.iterdir()] if self.root.is_dir() else [""]
        )
        foreign = sorted(n for n in names if n not in _PARTS and n[:1] != ".")
        if foreign:
            raise BadInput(
                "there is something else in the place of the lab's folder",
                where=str(self.root),
                wanted="a lab, or nothing",
                seen=", ".join(foreign[:5]) or "a file",
                next="choose another --name, or another folder: K8SLAB_HOME",
            )

    def save(self, record: LabRecord) -> None:
        """Write the lab's facts, all or nothing.

        Raises:
            BadInput: The folder is there and is no lab's.
        """
        self.refuse_foreign()
        self.write(self.record_file.name, record.to_json())

    def required(self) -> dict[str, str]:
        """Return the add-ons that chapters had enabled, each with what was required.

        In the order in which they were enabled, with those that a required one needs.
        A damaged file names none: they stay until they are disabled.
        """
        try:
            return dict(json.loads(self._required.read_text("utf-8")))
        except (FileNotFoundError, ValueError, TypeError):
            return {}

    def require(self, addons: Mapping[str, str]) -> None:
        """Keep what `required` returns, also for sessions to come."""
        self.write(self._required.name, json.dumps(dict(addons)))

    def write(self, name: str, text: str) -> Path:
        """Write one of the lab's files, all or nothing, for its owner only."""
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        target = self.root / name
        files.write(target, text)
        return target

    def remove(self) -> None:
        """Remove the folder with all that is in it.

        Raises:
            BadInput: It is no lab's.
        """
        self.refuse_foreign()
        if self.root.is_symlink():  # to another disk, where there was more room
            there = self.root.resolve()
            is_own = self._is_own(there)
            self.root.unlink()
            if is_own:
                shutil.rmtree(there, ignore_errors=not there.exists())
        elif self.root.exists():
            shutil.rmtree(self.root)

    def _is_own(self, there: Path) -> bool:
        """Say whether what a link leads to is this lab's, and no other one's."""
        try:
            record = LabRecord.from_json(self.record_file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return there.parent != self.home.resolve()
        return record.name == self.name

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lab for oneself, so that two commands do not change it at once.

        Raises:
            InUse: Another command holds it.
        """
        self.home.mkdir(parents=True, exist_ok=True)
        busy = f"another command is at work on the lab {self.name!r}"
        with files.locked(self.home / f".{self.name}.lock", wait=False, busy=busy):
            yield


def records(home: Path) -> list[LabRecord]:
    """Return the facts of every lab in a folder of labs, by name.

    What is no lab's folder, cannot be read, or is a copy of one, concerns no other lab.
    """
    found = []
    for name in names(home):
        with suppress(LabError):
            found.append(LabFolder(home, name).record())
    return [record for record in found if record is not None]


def names(home: Path) -> list[str]:
    """Return the names of all labs in a folder of labs, readable or not.

    Raises:
        OSError: The folder is there and cannot be read, or lies below a file.
    """
    try:
        there = [path.name for path in home.iterdir() if may_be_lab(path.name)]
    except FileNotFoundError:
        return []
    return sorted(name for name in there if (home / name / "lab.json").exists())


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values as JSON has them: an address is a text."""
    return {
        key: str(value) if isinstance(value, IPv4Address | IPv4Network) else value
        for key, value in values.items()
    }


def _ranges(told: dict[str, Any]) -> Ranges:
    given = told.get("load_balancers")
    return Ranges(
        machines=IPv4Network(told["machines"]),
        pods=IPv4Network(told["pods"]),
        services=IPv4Network(told["services"]),
        dns=IPv4Address(told["dns"]),
        load_balancers=None if given is None else IPv4Network(given),
    )


def _machine(told: dict[str, Any]) -> MachineRecord:
    pods, jump = told.get("pods"), told.get("jump")
    return MachineRecord(
        **{
            **told,
            "address": IPv4Address(told["address"]),
            "pods": None if pods is None else IPv4Network(pods),
            "power_off": tuple(told.get("power_off", ())),
            "power_on": tuple(told.get("power_on", ())),
            "jump": None if jump is None else JumpRecord(**jump),
        }
    )
