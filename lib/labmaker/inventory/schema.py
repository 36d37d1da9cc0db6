"""Say what an inventory file names: machines that are there, and what they become.

::

    defaults:                # of every machine; each may say otherwise
      user: ada              # who logs in; root
      port: 22
      sudo: true             # who logs in becomes root by sudo, without a password
      key: ~/.ssh/id_ed25519 # without it, the keys of your SSH agent
      jump: bastion          # one of jump_hosts
    jump_hosts:
      - name: bastion
        address: bastion.example
        user: ada
        host_key: SHA256:…   # as 'ssh-keygen -lf' prints it on the host itself
    machines:
      - name: master
        role: control-plane  # of exactly one; the others are workers
        address: 192.0.2.11  # by which machines and this computer reach it
        host_key: SHA256:…
        power_off: [virsh, destroy, k8s-master]  # commands of this computer
        power_on: [virsh, start, k8s-master]
      - name: node1
        address: 192.0.2.12
    pods: 10.244.0.0/16      # ranges that nothing else in your network has
    services: 10.96.0.0/16
    depot: master            # the machine that keeps the images of the bundle
    packages:                # in the place of the bundle's packages
      source: deb [signed-by=/etc/apt/keyrings/kubernetes.gpg] https://… /
      key: kubernetes.gpg
    images:                  # in the place of the bundle's images
      mirror: https://registry.example/v2/team/book
      ca: registry-ca.crt
    cni: flannel.yaml        # in the place of our Pod network
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address
from pathlib import Path

from k8slab.lab_record import AGENT, CONTROL_PLANE, WORKER, JumpRecord, MachineRecord

from ..plan import AddressPlan
from .fields import Field, load

_LOGIN = ("user", "port", "key")
_OF_MACHINES = (*_LOGIN, "sudo", "jump")
_MACHINE = ("name", "role", "address", "host_key", *_OF_MACHINES)
_POWER = ("power_off", "power_on")
_JUMP = ("name", "address", "host_key", *_LOGIN)
_TOP = (
    *("defaults", "jump_hosts", "machines", "pods", "services"),
    *("depot", "packages", "images", "cni"),
)
_PRIVATE = tuple(
    IPv4Network(f"{address}/{length}")
    for address, length in (
        *(("10.0.0.0", 8), ("172.16.0.0", 12), ("192.168.0.0", 16)),
        *(("100.64.0.0", 10), ("198.18.0.0", 15)),
    )
)
"""Ranges that are nobody's on the Internet: https://www.rfc-editor.org/rfc/rfc6890."""
_WIDEST = 12  # of Services, says kubeadm
_NAME = re.compile(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?")
_PART = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"(?=.{{1,253}}$){_PART}(\.{_PART})*")
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_PRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
_MIRROR = re.compile(r"https://[A-Za-z0-9.-]+(:\d+)?(/v2/[a-z0-9._/-]*[a-z0-9])?")
_PER_NODE, _PER_MACHINE = 24, 256
_USUAL = AddressPlan(0)


@dataclass(frozen=True)
class Host:
    """A host whose key is to be pinned: a machine, or one that SSH goes through.

    Attributes:
        name: Its name in the inventory.
        address: Its name or address.
        port: The port of its SSH server.
        host_key: The fingerprint of its host key; empty where the file names none.
        place: Where the file speaks of it.
        behind: The name of the host that SSH goes through, if any.
    """

    name: str
    address: str
    port: int
    host_key: str
    place: Field
    behind: str = ""


@dataclass(frozen=True)
class Packages:
    """The reader's own repository of packages.

    Attributes:
        source: The line of apt's sources.
        key: The public key that signs it, if it names one.
        ca: The certificate that vouches for its host; empty for the usual ones.
    """

    source: str
    key: Path | None
    ca: Path | None

    @property
    def host(self) -> str:
        """The host that serves it over HTTPS; empty without."""
        found = re.search(r"\shttps://([^/:\s]+)", self.source)
        return found[1] if found else ""


@dataclass(frozen=True)
class Images:
    """The reader's own registry, with the images that the bundle would bring.

    Attributes:
        mirror: Its address, with the path below which the images are.
        ca: The certificate that vouches for it; None for the usual ones.
    """

    mirror: str
    ca: Path | None


@dataclass(frozen=True)
class Inventory:
    """What the file says.

    Attributes:
        machines: The control plane's first, then the workers.
        hosts: Every host whose key is to be pinned, in an order in which each can be
            reached.
        pods: The range of all Pods.
        services: The range of all Services.
        depot: The machine that serves images; empty where a registry does.
        packages: The reader's repository of packages, if any.
        images: The reader's registry, if any.
        cni: The manifest of the reader's Pod network, if any.
    """

    machines: tuple[MachineRecord, ...]
    hosts: tuple[Host, ...]
    pods: IPv4Network
    services: IPv4Network
    depot: str
    packages: Packages | None
    images: Images | None
    cni: Path | None


def read(file: Path) -> Inventory:
    """Read an inventory file; nothing is sent anywhere.

    Raises:
        BadInput: It cannot be used; names the line and the field.
    """
    top = load(file).fields(_TOP, needed=("machines",))
    defaults = top["defaults"].fields(_OF_MACHINES) if "defaults" in top else {}
    jumps, hosts = _jumps(top.get("jump_hosts"), defaults)
    pods = _range(top.get("pods"), _USUAL.pods, 20)
    services = _range(top.get("services"), _USUAL.services, 24)
    if pods.overlaps(services):
        raise top["pods" if "pods" in top else "services"].wrong(
            "Pods and Services share addresses",
            wanted="two ranges that do not meet",
            seen=f"pods {pods}, services {services}",
        )
    machines, more = _machines(top["machines"], defaults, jumps)
    for machine, host in zip(machines, more, strict=True):
        for what, network in (("Pods", pods), ("Services", services)):
            if machine.address in network:
                raise host.place.wrong(
                    f"the address lies in the range of the {what}",
                    wanted=f"one outside of {network}",
                    seen=str(machine.address),
                )
    machines = sorted(machines, key=lambda machine: not machine.is_master)
    cni = top["cni"].manifest() if "cni" in top else None
    images = _images(top["images"]) if "images" in top else None
    if cni is None:
        if len(machines) >= pods.num_addresses // _PER_MACHINE:
            raise top["machines"].wrong(
                "there are more machines than parts of the Pods' range",
                wanted=f"fewer than {pods.num_addresses // _PER_MACHINE}",
                seen=str(len(machines)),
            )
        machines = _with_ranges(machines, pods)
    names = [machine.name for machine in machines]
    depot = top["depot"].among(names, "machine") if "depot" in top else names[0]
    if images is not None and "depot" in top:
        raise top["depot"].wrong(
            "images come from one place",
            wanted="either 'depot' or 'images'",
            seen="both",
        )
    return Inventory(
        machines=tuple(machines),
        hosts=(*hosts, *more),
        pods=pods,
        services=services,
        depot="" if images is not None else depot,
        packages=_packages(top["packages"]) if "packages" in top else None,
        images=images,
        cni=cni,
    )


def _machines(
    listed: Field, defaults: Mapping[str, Field], jumps: Mapping[str, JumpRecord]
) -> tuple[list[MachineRecord], list[Host]]:
    """Return the machines in the file's order, and what is to be pinned of each."""
    machines: list[MachineRecord] = []
    hosts: list[Host] = []
    for item in listed.items():
        given = item.fields((*_MACHINE, *_POWER), needed=("name", "address"))
        machine = _machine(given, {**defaults, **given}, jumps)
        for other in machines:
            if machine.name == other.name:
                raise given["name"].wrong("two machines have one name", wanted="two")
            if machine.address == other.address:
                raise given["address"].wrong(
                    "two machines have one address", wanted="two"
                )
        machines.append(machine)
        behind = {**defaults, **given}.get("jump")
        hosts.append(
            Host(
                machine.name,
                str(machine.address),
                machine.port,
                _host_key(given),
                item,
                behind.text() if behind else "",
            )
        )
    masters = [machine for machine in machines if machine.is_master]
    if len(masters) != 1 or len(machines) < 2:
        raise listed.wrong(
            "a cluster needs one control plane, and a worker at least",
            wanted="one machine with 'role: control-plane', and others",
            seen=f"{len(masters)} of {len(machines)} machines",
        )
    return machines, hosts


def _machine(
    given: Mapping[str, Field],
    fields: Mapping[str, Field],
    jumps: Mapping[str, JumpRecord],
) -> MachineRecord:
    role = WORKER
    if "role" in given:
        role = given["role"].among((CONTROL_PLANE, WORKER), "role")
    lone = [name for name in _POWER if name in given]
    if len(lone) == 1:
        raise given[lone[0]].wrong(
            "power is switched both ways, or not at all",
            wanted="power_off and power_on",
            seen=lone[0],
        )
    name = given["name"].parsed(
        _matching(_NAME), "lower-case letters, digits and hyphens, a letter first"
    )
    if name == "localhost":
        raise given["name"].wrong(
            "every machine calls itself so", wanted="a name of its own"
        )
    if name in jumps:
        raise given["name"].wrong(
            "a jump host has that name", wanted="one that no jump host has"
        )
    record = MachineRecord(
        name,
        role,
        given["address"].address(),
        user=_user(fields),
        port=fields["port"].number(1, 65535) if "port" in fields else 22,
        key=str(fields["key"].private_key()) if "key" in fields else AGENT,
        sudo=fields["sudo"].yes() if "sudo" in fields else False,
        power_off=given["power_off"].words() if "power_off" in given else (),
        power_on=given["power_on"].words() if "power_on" in given else (),
    )
    if record.user != "root" and not record.sudo:
        raise given["name"].wrong(
            "who logs in is not root, and does not become root",
            wanted="user: root, or sudo: true",
            seen=f"user: {record.user}",
        )
    if "jump" in fields:
        jump = jumps[fields["jump"].among(jumps, "jump host")]
        record = replace(record, jump=jump)
    return record


def _jumps(
    listed: Field | None, defaults: Mapping[str, Field]
) -> tuple[dict[str, JumpRecord], list[Host]]:
    jumps: dict[str, JumpRecord] = {}
    hosts: list[Host] = []
    for item in listed.items() if listed is not None else ():
        given = item.fields(_JUMP, needed=("name", "address"))
        fields = {
            **{k: f for k, f in defaults.items() if k in ("user", "key")},
            **given,
        }
        name = given["name"].text()
        if name in jumps:
            raise given["name"].wrong("two jump hosts have one name", wanted="two")
        address = given["address"].parsed(_host, "a host's name or address")
        port = given["port"].number(1, 65535) if "port" in given else 22
        key = str(fields["key"].private_key()) if "key" in fields else AGENT
        jumps[name] = JumpRecord(address, _user(fields), port, key)
        hosts.append(Host(name, address, port, _host_key(given), item))
    return jumps, hosts


def _packages(given: Field) -> Packages:
    fields = given.fields(("source", "key", "ca"), needed=("source",))
    source = fields["source"].text()
    if not source.startswith("deb ") or "\n" in source:
        raise fields["source"].wrong(
            "that is no line of apt's sources",
            wanted="one that begins with 'deb ', as in /etc/apt/sources.list",
        )
    return Packages(
        source,
        fields["key"].keyring() if "key" in fields else None,
        fields["ca"].certificates() if "ca" in fields else None,
    )


def _images(given: Field) -> Images:
    fields = given.fields(("mirror", "ca"), needed=("mirror",))
    mirror = fields["mirror"].parsed(
        _matching(_MIRROR),
        "https://HOST, or https://HOST/v2/PATH where the images lie below a path",
    )
    return Images(mirror, fields["ca"].certificates() if "ca" in fields else None)


def _range(given: Field | None, usual: IPv4Network, longest: int) -> IPv4Network:
    if given is None:
        return usual
    network = given.network()
    inside = any(network.subnet_of(each) for each in _PRIVATE)
    if not inside or not _WIDEST <= network.prefixlen <= longest:
        raise given.wrong(
            "that range cannot be",
            wanted=f"a private range of /{_WIDEST} to /{longest}, in one of "
            + ", ".join(map(str, _PRIVATE)),
        )
    return network


def _with_ranges(
    machines: list[MachineRecord], pods: IPv4Network
) -> list[MachineRecord]:
    """Return machines that have 256 addresses each for their Pods."""
    parts = pods.subnets(new_prefix=_PER_NODE)
    next(parts)  # the first one is nobody's, as in every lab
    return [replace(machine, pods=next(parts)) for machine in machines]


def _user(fields: Mapping[str, Field]) -> str:
    if "user" not in fields:
        return "root"
    return fields["user"].parsed(_matching(_USER), "the name of a user")


def _host(text: str) -> str:
    """Return the name or the address of a host that SSH goes through."""
    if ":" in text and "%" not in text:  # which ssh takes for its own token
        return str(IPv6Address(text))
    return _matching(_HOST)(text)


def _host_key(given: Mapping[str, Field]) -> str:
    if "host_key" not in given:
        return ""
    return given["host_key"].parsed(
        _matching(_PRINT), "SHA256: and 43 characters, as ssh-keygen -lf prints it"
    )


def _matching(pattern: re.Pattern[str]) -> Callable[[str], str]:
    """Return a function that returns texts of a pattern, and refuses others."""

    def read(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError
        return text

    return read


def spanning(addresses: list[IPv4Address]) -> IPv4Network:
    """Return the smallest range that has all addresses."""
    network = IPv4Network(addresses[0])
    while not all(address in network for address in addresses):
        network = network.supernet()
    return network
