"""Load what a lab needs of this computer's kernel and a stock kernel has as modules.

A machine has no modules of its own and cannot load these three. All others, such as
the matches of iptables, the kernel loads by itself when a machine first uses them.
"""

from __future__ import annotations

from dataclasses import dataclass

from k8slab.core.phases import Ledger
from k8slab.core.process import Runner
from k8slab.errors import HostProblem, LabError

from ..computer import SYS_ADMIN, Computer, holds

MODPROBE = "/sbin/modprobe"
"""Where the kernel itself looks for it, whatever the PATH."""
PACKAGE = "kmod"
_SYS_MODULE = 16


@dataclass(frozen=True)
class Module:
    """A part of the kernel that may be built in, loaded or still a file.

    Attributes:
        name: Its name for ``modprobe``.
        path: The file that shows that the kernel has it.
        word: What that file has to contain; nothing when it need only be there.
    """

    name: str
    path: str
    word: str = ""


# The file in /proc is the effect, built in or loaded: lsmod and /sys/module do not
# list what is built in. The provider sets the one of nf_conntrack in each machine.
MODULES = (
    Module("br_netfilter", "/proc/sys/net/bridge/bridge-nf-call-iptables"),
    Module("overlay", "/proc/filesystems", "overlay"),
    Module("nf_conntrack", "/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_syn_sent"),
)
_BRIDGES = MODULES[0]
_NOT_THERE = 9
"""What the trial ends with in a new network that lacks a setting."""


def missing(host: Computer) -> list[Module]:
    """Return what the kernel neither has built in nor loaded."""
    return [module for module in MODULES if not _is_there(module, host)]


def look(host: Computer) -> tuple[str, str]:
    """Say what is missing, and how to mend it where it cannot be loaded."""
    lacking = [module.name for module in missing(host)]
    names = ", ".join(lacking)
    if not lacking:
        if _is_only_here(host):
            seen = f"{_BRIDGES.name}, of which machines would see nothing"
            return seen, "boot Linux 5.3 or newer"
        return "all are there", ""
    if not host.has(MODPROBE):
        return f"no {names}, and no {MODPROBE}", f"apt-get install --yes {PACKAGE}"
    if not holds(host, _SYS_MODULE):
        seen = f"no {names}, and not the capability SYS_MODULE to load it"
        return seen, f"{MODPROBE} --all {' '.join(lacking)}  # on the computer itself"
    tried = [(name, host.run([MODPROBE, "--dry-run", name])) for name in lacking]
    if failed := [f"{name}: {run}" for name, run in tried if not run.ok]:
        return "\n".join(failed), (
            "boot a kernel that has them, as Debian's own; "
            "when the kernel was upgraded since the last boot: reboot"
        )
    return f"'up' will load {names}", ""


def packages(host: Computer) -> tuple[str, ...]:
    """Return the Debian packages by which what is missing can be loaded."""
    return (PACKAGE,) if missing(host) and not host.has(MODPROBE) else ()


def load(host: Computer, runner: Runner, ledger: Ledger) -> None:
    """Load what is missing, until the next boot.

    Args:
        host: This computer.
        runner: Runs ``modprobe`` on it.
        ledger: Times and shows the phase.

    Raises:
        HostProblem: The kernel has no such module, or does not let it be loaded.
    """
    with ledger.phase("kernel modules", "this computer") as phase:
        lacking = missing(host)
        if not lacking:
            phase.unchanged("all are there")
            return
        for module in lacking:
            argv = [MODPROBE, module.name]
            loaded = runner.run(argv, check=False)
            if not loaded.ok or not _is_there(module, host):
                raise HostProblem(
                    f"the kernel module {module.name} cannot be loaded",
                    where="this computer",
                    wanted=f"{module.path} {_content(module)}",
                    seen=f"{' '.join(argv)}: {loaded}",
                    next=f"run '{' '.join(argv)}' and mend what it complains about; "
                    "when the kernel was upgraded since the last boot: reboot",
                )
        phase.changed("loaded " + ", ".join(module.name for module in lacking))


def _is_there(module: Module, host: Computer) -> bool:
    try:
        text = host.read_text(module.path)
    except OSError:
        return False
    return not module.word or module.word in text.split()


def _is_only_here(host: Computer) -> bool:
    """Say whether a network of a machine's own lacks what this computer's has."""
    if not (holds(host, SYS_ADMIN) and host.has("unshare")):
        return False
    trial = f"test -e {_BRIDGES.path} || exit {_NOT_THERE}"
    try:
        code = host.run(["unshare", "--net", "sh", "-c", trial]).returncode
    except LabError:
        return False
    return code == _NOT_THERE


def _content(module: Module) -> str:
    return f"with {module.word} in it" if module.word else "to be there"
