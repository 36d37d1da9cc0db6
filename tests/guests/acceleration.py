"""Find out by what this computer runs a guest: its own processor, or emulation."""

from __future__ import annotations

import fcntl
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from k8slab.core.poll import until
from k8slab.errors import NotReady

from .qemu import Qemu

_DEVICE = Path("/dev/kvm")
_CREATE_VM = 0xAE01
# What Debian's initramfs prints: by then the guest runs programs, and not only code of
# the kernel's that some processors' help stumbles over.
_BOOTED = "Loading, please wait"
_BOOT_S = 60.0


@dataclass(frozen=True)
class Acceleration:
    """One way to run a guest.

    Attributes:
        name: As qemu calls it.
        options: What qemu is told.
        patience: By what every deadline in the guest is multiplied.
    """

    name: str
    options: tuple[str, ...]
    patience: int = 1


KVM = Acceleration("kvm", ("-accel", "kvm", "-cpu", "host"))
TCG = Acceleration("tcg", ("-accel", "tcg,thread=multi,tb-size=512", "-cpu", "max"), 20)


def find(kernel: Path, initrd: Path) -> tuple[Acceleration, str]:
    """Return how guests run here, and why not faster; empty when they do.

    Args:
        kernel: The guest's kernel, which is booted where that may work.
        initrd: Its first file system.
    """
    if refusal := refuses(_DEVICE):
        return TCG, refusal
    if failure := boots(KVM, kernel, initrd):
        return TCG, failure
    return KVM, ""


def refuses(device: Path) -> str:
    """Return why the kernel makes no virtual machine; empty when it does."""
    try:
        opened = os.open(device, os.O_RDWR | os.O_CLOEXEC)
        try:
            os.close(fcntl.ioctl(opened, _CREATE_VM, 0))
        finally:
            os.close(opened)
    except OSError as error:
        return f"{device}: {error.strerror}"
    return ""


def boots(acceleration: Acceleration, kernel: Path, initrd: Path) -> str:
    """Boot a kernel without a disk; return why that fails, or nothing.

    A kernel that says it makes virtual machines may still run none of them, as where it
    is a guest itself.
    """
    with tempfile.TemporaryDirectory() as folder:
        console = Path(folder) / "console"
        options = [*acceleration.options, "-m", "512"]
        options += ["-kernel", str(kernel), "-initrd", str(initrd)]
        options += ["-append", "console=ttyS0 panic=-1", "-nic", "none"]
        process = Qemu([*options, "-serial", f"file:{console}"], Path(folder) / "said")
        try:
            until(
                lambda: console.exists() and _BOOTED in _text(console),
                what=f"a kernel with {acceleration.name}",
                want=f"'{_BOOTED}' on its console",
                timeout=_BOOT_S,
                failed=lambda _: process.ended(),
            )
        except NotReady as error:
            return f"{error.what}: {process.ended() or 'no programs ran'}"
        finally:
            process.end()
    return ""


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace")
