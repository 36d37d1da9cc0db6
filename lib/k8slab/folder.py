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
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

from .core import files
from .core.hints import anew
from .errors import BadInput, LabError

SCHEMA = 1
"""The form of ``lab.json`` that this version writes, and the only one it reads."""
CONTROL_PLANE, WORKER, DEPOT = "control-plane", "worker", "depot"
NAME_LENGTH = 20
_NAME = re.compile(r"[a-z]([a-z0-9-]{0,18}[a-z0-9])?")


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
        provider: Who provides its machines, by a name that its maker knows.
        kubernetes: The version of its cluster, as in ``1.37.2``.
        machines: Its machines, the control plane's first, the depot last.
        ranges: Its address ranges.
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
    ranges: Ranges
    images: Mapping[str, str] = field(default_factory=dict)
    addons: tuple[str, ...] = ()
    complete: bool = False
    maker: Mapping[str, Any] = field(default_factory=dict)

    @property
    def nodes(self) -> tuple[MachineRecord, ...]:
        """The machines that are nodes, the control plane's first."""
        return tuple(machine for machine in self.machines if machine.is_node)

    def to_json(self) -> str:
        """Return it as the text of ``lab.json``."""
        machines = [_plain(vars(machine)) for machine in self.machines]
        ranges = _plain(vars(self.ranges))
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
            ranges = _ranges(told.pop("ranges"))
            machines = tuple(_machine(each) for each in told.pop("machines"))
            told["addons"] = tuple(told.get("addons", ()))
            return cls(machines=machines, ranges=ranges, **told)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{type(error).__name__}: {error}") from error


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
                wanted=f"at most {NAME_LENGTH} lower-case letters, digits and hyphens, "
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
        self.kubectl = self.root / "kubectl"
        self.fingerprint = self.root / "fingerprint.json"
        self.record_file = self.root / "lab.json"
        self.journal = self.root / "journal"

    def machine(self, name: str) -> Path:
        """Return the folder of a machine's data."""
        return self.root / "machines" / name

    def record(self) -> LabRecord | None:
        """Return the lab's facts, or None when there is no such lab.

        Raises:
            LabError: The file is there and cannot be read, or is of another version.
        """
        try:
            return LabRecord.from_json(self.record_file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise LabError(
                "the lab was made by another version, or its record is damaged",
                where=str(self.record_file),
                wanted=f"schema {SCHEMA}",
                seen=str(error),
                next=f"begin anew: {anew(self.name)}",
            ) from error

    def save(self, record: LabRecord) -> None:
        """Write the lab's facts, all or nothing."""
        self.write(self.record_file.name, record.to_json())

    def write(self, name: str, text: str) -> Path:
        """Write one of the lab's files, all or nothing, for its owner only."""
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        target = self.root / name
        files.write(target, text)
        return target

    def remove(self) -> None:
        """Remove the folder with all that is in it."""
        if self.root.exists():
            shutil.rmtree(self.root)

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

    Raises:
        LabError: One of them cannot be read.
    """
    names = sorted(path.parent.name for path in home.glob("*/lab.json"))
    found = (LabFolder(home, name).record() for name in names)
    return [record for record in found if record is not None]


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
    pods = told.get("pods")
    return MachineRecord(
        **{
            **told,
            "address": IPv4Address(told["address"]),
            "pods": None if pods is None else IPv4Network(pods),
            "power_off": tuple(told.get("power_off", ())),
            "power_on": tuple(told.get("power_on", ())),
        }
    )
