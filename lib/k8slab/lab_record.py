"""The facts of a lab, in the form in which its ``lab.json`` keeps them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from .core.env import DEFAULT_LAB
from .core.hints import command
from .errors import NoMachines

SCHEMA = 1
"""The form of ``lab.json`` that this version writes, and the only one it reads."""
CONTROL_PLANE, WORKER, DEPOT = "control-plane", "worker", "depot"
ADOPTED = "adopted"
"""In the place of a provider: the lab is somebody's cluster, whose machines nobody
knows."""
INVENTORY = "inventory"
"""In the place of a provider: the machines were there before the lab, and an inventory
names them."""
AGENT = "agent"
"""In the place of a key's file: the keys that the reader's SSH agent holds."""
REGISTRY = "registry.lab"
"""The registry that chapters' manifests name."""
HALF_DONE = "addon"
"""Under which name `LabRecord.maker` keeps an add-on left half done."""


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
        provider: Who provides its machines, by a name that its maker knows;
            `INVENTORY` where they were there, `ADOPTED` for somebody's cluster.
        kubernetes: The version of its cluster, as in ``1.37.2``.
        machines: Its machines, the control plane's first, the depot last; an adopted
            cluster's are not known.
        ranges: Its address ranges; None for an adopted cluster.
        images: The full names of the images that chapters and checks use, by short
            name, as in ``echo: registry.lab/echo:1``.
        addons: The add-ons that are enabled.
        complete: Whether it has been up once.
        maker: What its maker notes for itself; nobody else reads it, but for
            `half_done`.
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
    def half_done(self) -> str:
        """The add-on that an ended command left half done; mostly none."""
        return str(self.maker.get(HALF_DONE, ""))

    @property
    def is_adopted(self) -> bool:
        """Whether it is somebody's cluster, of which only the API is ours to use."""
        return self.provider == ADOPTED

    @property
    def is_inventory(self) -> bool:
        """Whether its machines are the reader's, which were there before the lab."""
        return self.provider == INVENTORY

    @property
    def how_to_restore(self) -> str:
        """The next step by which the lab gets back what its folder lost."""
        if self.is_adopted:
            return f"adopt the cluster again: {self._again}"
        return f"make the lab whole: {command('up', self.name)}"

    @property
    def anew(self) -> str:
        """The commands by which the lab is begun anew."""
        if self.is_inventory:
            again = command("up", self.name, "--inventory FILE")
        elif self.is_adopted:
            again = self._again
        else:
            return command("reset", self.name)
        return f"{command('down', self.name)}, then {again}"

    @property
    def _again(self) -> str:
        """The command that adopts the cluster again, with its images where they are."""
        images = f" --images {self.prefix}" if self.prefix else ""
        return command("adopt", self.name, f"--kubeconfig FILE{images}")

    @property
    def another(self) -> str:
        """The next step that makes a lab which can have what this one cannot."""
        other = "own" if self.name == DEFAULT_LAB else DEFAULT_LAB
        return f"make a lab beside it: {command('up', other)}"

    @property
    def prefix(self) -> str:
        """The registry in the place of `REGISTRY`; empty where there is no other."""
        if not self.is_adopted:
            return ""
        places = {name.rpartition("/")[0] for name in self.images.values()}
        return next(iter(places - {REGISTRY}), "")

    def no_machines(self, what: str) -> NoMachines:
        """Return the error that says what an adopted cluster does not give.

        Args:
            what: What was asked for, as in ``to stop it``.
        """
        return NoMachines(
            f"the lab {self.name!r} is an adopted cluster: it has no machines {what}",
            where=f"lab {self.name}",
            wanted="a lab of machines",
            seen="a cluster of which only the API is used",
            next=self.another,
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
        _refuse_kinds(record, _KINDS)
        for machine in machines:
            _refuse_kinds(machine, _MACHINE_KINDS)
        return record


_KINDS: Mapping[str, type] = {
    "name": str,
    "provider": str,
    "kubernetes": str,
    "images": dict,
    "complete": bool,
    "maker": dict,
}
_MACHINE_KINDS: Mapping[str, type] = {
    **dict.fromkeys(("name", "role", "user", "image", "key"), str),
    "port": int,
    "sudo": bool,
}


def _refuse_kinds(record: object, kinds: Mapping[str, type]) -> None:
    for name, kind in kinds.items():
        if not isinstance(getattr(record, name), kind):
            raise ValueError(f"{name}: {getattr(record, name)!r}")


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
