"""Pin the host key of every host of an inventory: as the file says, or as confirmed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from paramiko import PKey

from k8slab.core.patience import stretched
from k8slab.errors import HostKeyMismatch
from k8slab.folder import LabFolder
from k8slab.lab_record import AGENT, JumpRecord, MachineRecord
from k8slab.ssh.connect import Login
from k8slab.ssh.keys import how_to_compare, known_hosts_line

from .schema import Host, Inventory

CONNECT_S = 10.0
Ask = Callable[[str], bool]
"""Asks the reader, and returns whether the answer was yes."""


def pin(folder: LabFolder, inventory: Inventory, ask: Ask | None) -> None:
    """Write the lab's known_hosts; before a key is pinned, nobody logs in to its host.

    Args:
        folder: The lab's files.
        inventory: The hosts, with fingerprints where the file names them.
        ask: Asks the reader about the others; None where nobody can be asked.

    Raises:
        HostKeyMismatch: A host shows another key than the file names, or one that
            nobody confirmed; says what to write.
        MachineUnreachable: One does not answer.
    """
    unknown: list[tuple[Host, PKey]] = []
    lines = ""
    machines = {machine.name: machine for machine in inventory.machines}
    for host in inventory.hosts:
        login = _login(folder, host, machines.get(host.name), folder.known_hosts)
        key = login.shown_key(stretched(CONNECT_S))
        seen = f"{key.get_name()} {key.fingerprint}"
        if host.host_key and host.host_key != key.fingerprint:
            raise HostKeyMismatch(
                f"{host.name} shows another host key than the inventory names",
                where=f"{host.place.file}: {host.place.path}.host_key",
                wanted=host.host_key,
                seen=seen,
                next="on the machine's own console, compare: "
                + how_to_compare(key.get_name()),
            )
        question = f"{host.name} ({host.address}) shows the host key {seen}. Is it its?"
        if not host.host_key and (ask is None or not ask(question)):
            unknown.append((host, key))
            if any(other.behind == host.name for other in inventory.hosts):
                break  # nothing behind it can be asked
            continue
        public = f"{key.get_name()} {key.get_base64()}"
        lines += known_hosts_line(host.address, public, port=host.port)
        folder.write(folder.known_hosts.name, lines)
    if unknown:
        folder.known_hosts.unlink(missing_ok=True)
        raise _unconfirmed(unknown, asked=ask is not None)


def _unconfirmed(
    unknown: Sequence[tuple[Host, PKey]], *, asked: bool
) -> HostKeyMismatch:
    commands = dict.fromkeys(how_to_compare(key.get_name()) for _, key in unknown)
    names = ", ".join(host.name for host, _ in unknown)
    return HostKeyMismatch(
        f"nobody confirmed the host key of {names}",
        where=str(unknown[0][0].place.file),
        wanted="a host_key for each of them in the inventory"
        + ("" if asked else ", or a terminal to ask on"),
        seen="\n".join(
            f"{host.place.path}: host_key: {key.fingerprint}" for host, key in unknown
        ),
        next="compare each with what its own console says, then write it there: "
        + "; ".join(commands),
    )


def _login(
    folder: LabFolder, host: Host, machine: MachineRecord | None, known_hosts: Path
) -> Login:
    """Return a login of which only the way is used, and that through its jump host."""
    jump = None
    if machine is not None and machine.jump is not None:
        jump = _jump(folder, host.behind, machine.jump, known_hosts)
    return Login(
        folder.name,
        host.name,
        host.address,
        host.port,
        machine.user if machine is not None else "root",
        None,
        known_hosts,
        jump,
        foreign=True,
    )


def _jump(folder: LabFolder, name: str, jump: JumpRecord, known_hosts: Path) -> Login:
    key = None if jump.key == AGENT else Path(jump.key)
    return Login(
        folder.name,
        name,
        jump.address,
        jump.port,
        jump.user,
        key,
        known_hosts,
        foreign=True,
    )
