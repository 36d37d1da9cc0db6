"""Say whether machines can become a cluster, before anything on them is changed."""

from __future__ import annotations

import errno
import re
import socket
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Network

from k8slab.core.parallel import in_parallel
from k8slab.core.patience import stretched
from k8slab.errors import CommandFailed, HostProblem, LabError
from k8slab.lab_record import MachineRecord
from k8slab.ssh.client import SSHShell

from ..bundle.architecture import architecture
from ..host.doctor import ALL_USERS, CONTROLLERS, KERNEL_LOG
from ..install.profile import Profile
from ..install.steps.control_plane import API_PORT
from .depot import PORT as DEPOT_PORT
from .facts import NEEDED, REACH_S, Facts, ask
from .schema import Inventory

DEBIAN = (12, 13)
MASTER_KB, WORKER_KB, DISK_KB = 1_700_000, 700_000, 4_000_000
SKEW_S = 30.0
# https://kubernetes.io/docs/reference/networking/ports-and-protocols/
_ON_MASTER = (API_PORT, 2379, 2380, 10257, 10259)
_KUBELET_PORT = 10250
_ON_EACH = (10248, 10249, _KUBELET_PORT, 10256)
_MUST_BE_EMPTY = (
    *("/etc/kubernetes", "/etc/cni/net.d", "/var/lib/k8slab"),
    *("/var/lib/kubelet", "/var/lib/etcd", "/var/lib/containerd"),
)
_WAYS = {"-s": "saddr", "-d": "daddr"}
_KEPT = "and write it into its settings, where it outlives a boot"
_FILE = "/etc/os-release"
"""What every machine has, to be read as a file."""
Known = Mapping[str, Facts]
"""What every machine said, by its name."""


@dataclass(frozen=True)
class Finding:
    """One thing about one machine that has to be mended first.

    Attributes:
        machine: Its name.
        seen: What is wrong.
        cure: What to do about it.
    """

    machine: str
    seen: str
    cure: str


def look(inventory: Inventory, shells: Mapping[str, SSHShell]) -> Known:
    """Ask all machines, and refuse them together where one cannot be as it is.

    Args:
        inventory: What is to be made of them.
        shells: The machines over SSH, by name.

    Raises:
        HostProblem: Names all that has to be mended, machine by machine.
    """
    machines = inventory.machines
    asked = in_parallel([partial(_ask, m, inventory, shells[m.name]) for m in machines])
    known = {
        machine.name: told
        for machine, told in zip(machines, asked, strict=True)
        if isinstance(told, Facts)
    }
    findings = [told for told in asked if isinstance(told, Finding)]
    if not findings:
        findings += [*judge(inventory, known), *_reach(machines[0])]
    if findings:
        raise HostProblem(
            "the machines cannot become a cluster as they are; nothing was changed",
            where=", ".join(dict.fromkeys(each.machine for each in findings)),
            wanted="machines that need nothing but what is installed",
            seen="\n".join(f"{each.machine}: {each.seen}" for each in findings),
            next="\n".join(
                dict.fromkeys(f"{each.machine}: {each.cure}" for each in findings)
            ),
        )
    return known


def profile(inventory: Inventory, known: Known) -> Profile:
    """Return what the installation takes from the machines, by what they said."""
    facts = known.values()
    by_systemd = all(each.has_systemd_cgroups for each in facts)
    return Profile(
        made_here=False,
        contained=any(each.is_container for each in facts),
        cgroup_driver="systemd" if by_systemd else "cgroupfs",
        cgroup_v1=not all(each.has_cgroup_v2 for each in facts),
        outside=all(each.number("servers") > 0 for each in facts),
        devices={name: told.said["device"] for name, told in known.items()},
        pod_network=inventory.cni is None,
    )


def judge(inventory: Inventory, known: Known) -> Iterator[Finding]:
    """Name all that has to be mended, by what the machines said."""
    for machine in inventory.machines:
        facts = known[machine.name]
        finds = [
            *_system(inventory, machine, facts),
            *_room(machine, facts),
            *_taken(inventory, machine, facts),
            *_network(inventory, machine, facts),
        ]
        for seen, cure in finds:
            yield Finding(machine.name, seen, cure)
    names = Counter(facts.said.get("hostname", "") for facts in known.values())
    for name, facts in known.items():
        hostname = facts.said.get("hostname", "")
        if names[hostname] > 1:
            cure = "hostnamectl set-hostname, with a name that no other machine has"
            yield Finding(name, f"another machine is called {hostname!r}, too", cure)


def _ask(
    machine: MachineRecord, inventory: Inventory, shell: SSHShell
) -> Facts | Finding:
    others = [other for other in inventory.machines if other is not machine]
    places = [f"{m.address}/{port}" for m in others for port in _asked(inventory, m)]
    try:
        facts = ask(machine, others, shell, places=places)
        if facts.said.get("sftp") == "yes":
            shell.read(_FILE)
    except LabError as error:
        said = " ".join(error.seen.split())
        if isinstance(error, CommandFailed):
            return Finding(machine.name, *_failed(machine, error, said, shell))
        return Finding(machine.name, f"{error.what}: {said}", error.next)
    return facts


def _asked(inventory: Inventory, machine: MachineRecord) -> Iterator[int]:
    """Yield the ports of a machine that the others ask: nobody listens there yet."""
    yield _KUBELET_PORT
    if machine.is_master:
        yield API_PORT
    if machine.name == inventory.depot:
        yield DEPOT_PORT


def _failed(
    machine: MachineRecord, error: CommandFailed, said: str, shell: SSHShell
) -> tuple[str, str]:
    """Return why a login does not run commands as root, and what to do about it."""
    user = machine.user
    if other := re.search(r"login as the user \W?([a-z_][a-z0-9_-]*)", said):
        return (
            f"{user} may not log in: {said}",
            f"set 'user: {other[1]}' and 'sudo: true' for it in the inventory",
        )
    if machine.sudo and re.search(r"\bsudo: (command )?not found", said):
        return "it has no sudo", "on it, as root: apt-get install sudo"
    if machine.sudo and "must have a tty" in said:
        cure = f"let it, without a terminal: 'Defaults:{user} !requiretty'"
    elif machine.sudo and re.search(r"\bsudo: |sudoers|may not run sudo", said):
        cure = f"let it, without a password: '{user} ALL=(ALL) NOPASSWD: ALL'"
    else:
        return (
            f"{error.what}: {said}",
            error.next or f"log in by hand, and see what it says: {shell.by_hand()}",
        )
    return (
        f"sudo does not make {user} root: {said}",
        f"{cure} in a file of /etc/sudoers.d",
    )


def _system(
    inventory: Inventory, machine: MachineRecord, facts: Facts
) -> Iterator[tuple[str, str]]:
    said = facts.said
    if said.get("uid") != "0":
        yield f"who logs in is not root, but {said.get('uid')}", "set 'sudo: true'"
    system, _, version = said.get("os", "").partition(" ")
    if system != "debian" or not version.isdigit() or int(version) not in DEBIAN:
        releases = " or ".join(map(str, DEBIAN))
        yield f"it runs {said.get('name')}", f"take a machine with Debian {releases}"
    if inventory.packages is None and said.get("arch") != architecture():
        yield (
            f"its processor is {said.get('arch')}, the bundle's {architecture()}",
            "name a repository for its packages: 'packages' in the inventory",
        )
    if said.get("systemd") != "yes":
        yield "systemd does not run it", "take a machine that systemd runs"
    if facts.words("users") not in ((), tuple(ALL_USERS)):
        yield (
            "it is a container of a user namespace, whose root may not what nodes must",
            "take a virtual machine, or a privileged container",
        )
    elif said.get("kmsg") != "yes":
        yield (
            f"it has no {KERNEL_LOG}, without which a kubelet ends",
            "have its host give it to the container: --device=/dev/kmsg, or of LXC "
            "'lxc.mount.entry = /dev/kmsg dev/kmsg none bind,create=file'",
        )
    held = set(facts.words("controllers"))
    if off := sorted(CONTROLLERS[2 if facts.has_cgroup_v2 else 1] - held):
        enable = " ".join(f"cgroup_enable={name}" for name in off)
        yield (
            f"its kernel has these control groups off: {', '.join(off)}",
            f"add '{enable}' to its kernel's command line, on a Raspberry Pi the line "
            "of /boot/firmware/cmdline.txt, and reboot it",
        )
    if said.get("sftp") != "yes":
        yield "it has no sftp-server", "apt-get install openssh-sftp-server"
    if said.get("swap") and not facts.is_container:
        yield (
            f"swap is on: {said['swap']}",
            "swapoff -a, and keep it off at the next boot: take it out of /etc/fstab, "
            "or remove what makes it: dphys-swapfile, zram-tools, rpi-swap or "
            "systemd-zram-generator",
        )
    for module in facts.words("lacks"):
        yield f"its kernel has no {module}", "install its kernel's modules"
    lacking = [name for name in NEEDED if name not in facts.words("package")]
    if lacking:
        yield (
            f"apt knows no package {', '.join(lacking)}",
            "give it a Debian mirror, and run apt-get update",
        )
    if abs(facts.skew_s) > SKEW_S:
        ahead = "ahead of" if facts.skew_s > 0 else "behind"
        yield (
            f"its clock is {abs(facts.skew_s):.0f} s {ahead} this computer's",
            "set the clock: timedatectl set-ntp true",
        )


def _room(machine: MachineRecord, facts: Facts) -> Iterator[tuple[str, str]]:
    least = MASTER_KB if machine.is_master else WORKER_KB
    if facts.number("memory_kb") < least:
        seen = facts.number("memory_kb") // 1000
        yield f"it has {seen} MB of memory", f"give it {least // 1000} MB or more"
    if machine.is_master and facts.number("cores") < 2:
        yield "it has one processor", "give the control plane two"
    if facts.number("disk_kb") < DISK_KB:
        free = facts.number("disk_kb") // 1000
        cure = f"make room: {DISK_KB // 1000} MB or more"
        yield f"{free} MB are free below /var/lib", cure


def _taken(
    inventory: Inventory, machine: MachineRecord, facts: Facts
) -> Iterator[tuple[str, str]]:
    if found := facts.words("found"):
        yield (
            f"it has {', '.join(found)} already",
            "take a machine without, or remove them; nothing here replaces them",
        )
    else:
        full = [tree for tree in _MUST_BE_EMPTY if tree in facts.words("full")]
        if full:
            yield (
                f"files of another cluster are there: {', '.join(full)}",
                ("take another machine, or remove them if nobody needs them"),
            )
        left, owners = facts.words("settings"), dict.fromkeys(facts.words("owners"))
        if left or owners:
            steps = [f"mv {name} {name}.before" for name in left]
            steps += [f"dpkg --purge {' '.join(owners)}"] if owners else []
            yield (
                "settings of an earlier installation are there: "
                + ", ".join([*left, *(f"those of {name}" for name in owners)]),
                "move them away: " + "; ".join(steps),
            )
    wanted = {*_ON_EACH, *(_ON_MASTER if machine.is_master else ())}
    wanted |= {DEPOT_PORT} if machine.name == inventory.depot else set()
    used = sorted(wanted & {int(p) for p in facts.words("ports") if p.isdigit()})
    if used:
        ports = ", ".join(map(str, used))
        yield f"ports are in use: {ports}", "see who listens, and end that: ss -tlnp"


def _ranges(named: Iterable[str]) -> Iterator[IPv4Network]:
    """Yield the ranges that rules name; what only looks like one is left out."""
    for each in named:
        with suppress(ValueError):
            yield IPv4Network(each, strict=False)


def _network(
    inventory: Inventory, machine: MachineRecord, facts: Facts
) -> Iterator[tuple[str, str]]:
    if facts.said.get("device") in (None, "", "lo"):
        cure = "give its address in the network of the machines"
        yield f"it has no address {machine.address}", cure
    for unit in (units := facts.words("firewall")):
        yield (
            f"the firewall {unit} is active, which drops what Pods send",
            f"systemctl disable --now {unit}",
        )
    for told in () if units else facts.words("drops"):
        chain, *named = told.split(",")
        if inventory.cni and chain.endswith("/FORWARD"):
            continue  # its manifest writes there what lets its Pods pass
        if not any(inventory.pods.subnet_of(each) for each in _ranges(named)):
            seen = f"its chain {chain.replace('/', ' ')} drops what Pods send"
            yield seen, _accepted(chain, inventory.pods)
    for place in sorted(facts.words("unreached")):
        yield (
            f"it does not reach {place.replace('/', ', port ')}",
            "let machines reach each other on every port: look at firewalls there and "
            "between them, as a cloud's security groups",
        )
    for network in facts.routes:
        for what in ("pods", "services"):
            if network.prefixlen >= 8 and network.overlaps(getattr(inventory, what)):
                cure = f"choose another range for '{what}' in the inventory"
                yield f"it has a route to {network}, which meets the {what}", cure
    if inventory.cni is None and (routed := facts.words("routed")):
        yield (
            f"it reaches {', '.join(routed)} through a router only",
            "take machines of one network, or name the manifest of a Pod network "
            "that goes through routers: 'cni' in the inventory",
        )


def _accepted(chain: str, pods: IPv4Network) -> str:
    """Return what has a chain let the packets of Pods pass, in both directions."""
    family, table, name = chain.split("/")
    older = {"filter": "iptables", "iptables-legacy": "iptables-legacy"}
    if name == "FORWARD" and table in older:
        ways = [f"{older[table]} -I FORWARD {way} {pods} -j ACCEPT" for way in _WAYS]
    else:
        rule = f"nft insert rule {family} {table} {name} ip"
        ways = [f"{rule} {way} {pods} accept" for way in _WAYS.values()]
    return f"{'; '.join(ways)}; {_KEPT}"


def _reach(master: MachineRecord) -> Iterator[Finding]:
    """See that this computer would reach the API server; a refusal says it would."""
    try:
        socket.create_connection(
            (str(master.address), API_PORT), stretched(REACH_S)
        ).close()
    except OSError as error:
        if error.errno != errno.ECONNREFUSED:
            yield Finding(
                master.name,
                f"this computer does not reach {master.address}, port {API_PORT}: "
                f"{error.strerror or 'no answer'}",
                "make a way to it, also where SSH goes through a jump host: kubectl "
                "and chapters speak to the API server directly",
            )
