"""Run a guest of qemu for as long as a test needs it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from k8slab.core.poll import until
from k8slab.ssh.client import SSHShell
from k8slab.ssh.keys import known_hosts_line
from labmaker.bundle.servers import free_port

from .acceleration import Acceleration
from .disk import System
from .qemu import Qemu

PROCESSORS = 2
MEMORY_MIB = 6144
_HERE = "127.0.0.1"
_BOOT_S = 120.0
# It asks nobody at its first boot.
_COMMAND_LINE = (
    "root=LABEL=root rw console=ttyS0 net.ifnames=0 panic=-1 systemd.firstboot=off"
)


@contextmanager
def running(
    system: System, acceleration: Acceleration, console: Path
) -> Iterator[SSHShell]:
    """Boot a guest and give a shell on it; at the end it is gone.

    It reaches the outside by qemu's network for users, and is reached by SSH from this
    computer only. It gives way to everything else that runs here.

    Args:
        system: What it boots.
        acceleration: What it runs by.
        console: The file that keeps what its console says.
    """
    port = free_port()
    options = [*acceleration.options, "-smp", str(PROCESSORS), "-m", str(MEMORY_MIB)]
    options += ["-kernel", str(system.kernel), "-initrd", str(system.initrd)]
    options += ["-append", _COMMAND_LINE, "-serial", f"file:{console}"]
    options += ["-drive", f"file={system.disk},format=raw,if=virtio,cache=unsafe"]
    options += ["-netdev", f"user,id=net,hostfwd=tcp:{_HERE}:{port}-:22"]
    options += ["-device", "virtio-net-pci,netdev=net", "-device", "virtio-rng-pci"]
    known_hosts = system.folder / "known_hosts"
    known_hosts.write_text(known_hosts_line(_HERE, system.host_key, port=port), "utf-8")
    process = Qemu(options, system.folder / "qemu.log")
    shell = SSHShell(
        system.name,
        _HERE,
        lab="",
        key=system.key,
        known_hosts=known_hosts,
        port=port,
    )
    try:
        until(
            shell.is_up,
            what=system.name,
            want="an answer on SSH",
            timeout=_BOOT_S,
            failed=lambda _: process.ended(),
            next=f"read its console: {console}",
            every=1.0,
        )
        yield shell
    finally:
        shell.close()
        process.end()
