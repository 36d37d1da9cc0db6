"""Say whether this computer can carry a lab, and what to do where it cannot."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from k8slab.core import outside
from k8slab.core.hints import command
from k8slab.errors import CommandFailed, HostProblem, RangeInUse

from .. import computer
from ..apt import installed
from ..computer import ROUTES, Computer, ThisComputer, foreign_routes
from ..plan import SLOTS, AddressPlan
from ..providers import Provider
from . import confines, kernel, mounts, others, rules

GIB = 1024**3
MEMORY_OF_A_MACHINE = 3 * GIB // 4
DISK_TO_BUILD = 15 * GIB
DISK_TO_RUN = 3 * GIB
"""For a lab of `MACHINES`; what others need goes by their number."""
INODES = 15_000
"""Machines' images have 9,300 files and folders, and a lab's machines make 3,000."""
INOTIFY = "fs.inotify.max_user_instances"
INOTIFY_INSTANCES = 1024
INOTIFY_OF_A_MACHINE = 15
"""A lab of four machines holds about 45; without one, containerd has no CRI."""
OPEN_FILES = 8192
"""Of one process; the API server and etcd are far below it."""
PROCESSES_OF_A_MACHINE = 2000
"""Threads count, and those of all machines together."""
PROCESSORS = 2
"""Fewer are an error for ``kubeadm init``."""
MACHINES = 4
"""Of a lab as it is by default: the master, two workers and the depot."""
CAPABILITIES = {
    "CHOWN": 0,
    "DAC_OVERRIDE": 1,
    "KILL": 5,
    "SETGID": 6,
    "SETUID": 7,
    "NET_ADMIN": 12,
    "NET_RAW": 13,
    "SYS_CHROOT": 18,
    "SYS_ADMIN": 21,
    "MKNOD": 27,
}
CONTROLLERS = {
    1: {"cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "pids", "blkio"},
    2: {"cpu", "cpuset", "memory", "pids"},
}
ALL_USERS = ["0", "0", "4294967295"]
"""Every user is the computer's own: what its own user namespace says of them."""
ZFS_CACHE = "/proc/spl/kstat/zfs/arcstats"
KERNEL_LOG = "/dev/kmsg"
"""What each kubelet reads of the kernel; without it, it ends."""
PACKAGES = {
    "ip": "iproute2",
    "iptables": "iptables",
    "iptables-restore": "iptables",
}


@dataclass(frozen=True)
class Finding:
    """One fact about this computer.

    Attributes:
        name: What was looked at.
        ok: Whether it is as a lab needs it.
        seen: What was found.
        wanted: What a lab needs.
        cure: A command line, or a sentence, that mends it; empty when all is well.
        severity: ``error`` stops ``up``; ``warning`` is only printed.
    """

    name: str
    ok: bool
    seen: str
    wanted: str
    cure: str = ""
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        """The finding in short lines; wanted and cure only where it is not well."""
        if self.ok:
            return f"✔ {self.name}: {self.seen}"
        mark = {"error": "✘", "warning": "!"}[self.severity]
        lines = [f"{mark} {self.name}"]
        for label in ("seen", "wanted", "cure"):
            head, *rest = str(getattr(self, label)).splitlines() or [""]
            lines.append(f"  {label + ':':<8}{head}")
            lines += [f"  {'':<8}{line}" for line in rest]
        return "\n".join(lines)


def diagnose(
    plan: AddressPlan,
    *,
    bridge: str,
    folders: Sequence[Path],
    has_bundle: bool,
    provider: Provider,
    machines: int = MACHINES,
    packages: Sequence[str] = (),
    host: Computer | None = None,
) -> list[Finding]:
    """Look at everything a lab needs of this computer; change nothing.

    Args:
        plan: The addresses the lab will have.
        bridge: The lab's own bridge, which may hold them already.
        folders: Where the bundle and, last, the labs are kept.
        has_bundle: Whether the bundle is built, so that less disk is needed.
        provider: What will provide the machines.
        machines: How many the lab has, the depot included.
        packages: The Debian packages that ``setup`` installs; none are looked at
            without.
        host: The computer; this one by default.

    Returns:
        One finding for each thing looked at, the good ones too.
    """
    host = host or ThisComputer()
    provides, images = _provider(provider)
    to_run = DISK_TO_RUN * machines // MACHINES
    return [
        _root(host),
        _capabilities(host),
        *_commands(host),
        *_packages(host, packages),
        _kernel_log(host),
        provides,
        _cgroups(host),
        _inotify(host, machines),
        _modules(host),
        _rules(host),
        _limit(host, "open files", "nofile", OPEN_FILES),
        _processes(host, machines * PROCESSES_OF_A_MACHINE),
        _processors(host),
        _memory(host, machines),
        *_disk(host, folders, to_run if has_bundle else DISK_TO_BUILD),
        *_disk(host, images, DISK_TO_RUN, engine=provider.name),  # machines share them
        *_inodes(host, images, provider.name),
        _file_system(host, folders[-1]),
        _addresses(host, plan, bridge),
        _other_firewalls(host, plan),
    ]


def raise_on_errors(findings: Sequence[Finding]) -> None:
    """Stop when a finding makes a lab impossible.

    Raises:
        HostProblem: Names each such finding, with its cure; `RangeInUse` if only the
            addresses are not free.
    """
    bad = [f for f in findings if not f.ok and f.severity == "error"]
    if not bad:
        return
    kind = RangeInUse if [f.name for f in bad] == ["addresses"] else HostProblem
    raise kind(
        "this computer cannot carry a lab: " + ", ".join(f.name for f in bad),
        where="this computer",
        wanted="\n".join(f"{f.name}: {f.wanted}" for f in bad),
        seen="\n".join(f"{f.name}: {f.seen}" for f in bad),
        next="\n".join(f.cure for f in bad),
    )


def _root(host: Computer) -> Finding:
    user = computer.user_id(host)
    if user == "0" and not _has_all_users(host):
        return Finding(
            "user",
            False,
            "root of a user namespace",
            "root of the computer itself",
            "use root of the computer itself, a virtual machine, or a privileged "
            "container",
        )
    ok = user == "0"
    cure = "" if ok else outside.root_shell()
    return Finding("user", ok, f"user id {user}", "user id 0", cure)


def _has_all_users(host: Computer) -> bool:
    try:
        return host.read_text("/proc/self/uid_map").split() == ALL_USERS
    except OSError:
        return True  # a kernel that knows no user namespaces


def _capabilities(host: Computer) -> Finding:
    missing = [
        name for name, bit in CAPABILITIES.items() if not computer.holds(host, bit)
    ]
    return Finding(
        "capabilities",
        not missing,
        "missing: " + ", ".join(missing) if missing else "all that are needed",
        ", ".join(CAPABILITIES),
        "run as root of the computer itself, or in a container with --privileged"
        if missing
        else "",
    )


def _commands(host: Computer) -> Iterator[Finding]:
    for name, package in PACKAGES.items():
        if not host.has(name):
            yield Finding(
                f"command {name}",
                False,
                "not on the PATH",
                f"the command {name}",
                f"apt-get install --yes {package}",
            )


def _packages(host: Computer, names: Sequence[str]) -> Iterator[Finding]:
    """Look for what a build would lack half way; a bundle that is there needs less."""
    if not names or not host.has("dpkg-query"):
        return
    there = installed(host.run, names)
    lacking = [name for name in names if name not in there]
    seen = f"missing: {', '.join(lacking)}" if lacking else "all are installed"
    cure = command("setup") if lacking else ""
    wanted = "what building the bundle and carrying a lab take"
    yield Finding("packages", not lacking, seen, wanted, cure, "warning")


def _kernel_log(host: Computer) -> Finding:
    ok = host.is_there(KERNEL_LOG)
    cure = f"begin this container anew with --device={KERNEL_LOG}, or --privileged"
    seen = KERNEL_LOG if ok else f"no {KERNEL_LOG}"
    return Finding("kernel log", ok, seen, KERNEL_LOG, "" if ok else cure)


def _provider(provider: Provider) -> tuple[Finding, list[Path]]:
    """Return whether it works, and the folder in which it keeps images."""
    wanted = f"{provider.name} that works"
    try:
        about = provider.about()
    except HostProblem as error:
        return Finding("provider", False, error.seen, wanted, error.next), []
    seen = f"{provider.name} {about.version}"
    return Finding("provider", True, seen, wanted), [about.images]


def _cgroups(host: Computer) -> Finding:
    mounts = [m.split() for m in host.read_text("/proc/self/mounts").splitlines()]
    held = {o for m in mounts if m[2] == "cgroup" for o in m[3].split(",")}
    version = 1 if "memory" in held else 2
    if version == 2:
        try:
            held = set(host.read_text("/sys/fs/cgroup/cgroup.controllers").split())
        except OSError:
            held = set()
    missing = sorted(CONTROLLERS[version] - held)
    options = ",".join(missing)
    return Finding(
        "cgroups",
        not missing,
        f"version {version}"
        + (f" without {', '.join(missing)}" if missing else ", all controllers"),
        "the controllers " + ", ".join(sorted(CONTROLLERS[version])),
        f"enable the controllers {options} in the kernel's command line"
        if missing
        else "",
    )


def inotify_wanted(host: Computer, machines: int = MACHINES) -> tuple[int, int, int]:
    """Return how many inotify instances are allowed, free, and should be allowed."""
    allowed = int(host.read_text("/proc/sys/" + INOTIFY.replace(".", "/")))
    free = allowed - host.inotify_in_use()
    enough = free >= machines * INOTIFY_OF_A_MACHINE
    least = max(INOTIFY_INSTANCES, 0 if enough else 2 * allowed)
    return allowed, free, max(allowed if enough else 0, least)


def _inotify(host: Computer, machines: int) -> Finding:
    need = machines * INOTIFY_OF_A_MACHINE
    try:
        allowed, free, wanted = inotify_wanted(host, machines)
    except OSError as error:
        return Finding(
            "inotify instances",
            False,
            str(error),
            f"a kernel that allows {INOTIFY_INSTANCES}",
            "use a computer, or a container, whose kernel is Linux itself: a sandbox, "
            "as gVisor, carries no lab",
        )
    ok = allowed >= wanted
    return Finding(
        "inotify instances",
        ok,
        f"{allowed} allowed, {free} of them free",
        f"at least {wanted} allowed, {need} free",
        "" if ok else f"sysctl -w {INOTIFY}={wanted}",
        "error" if free < need else "warning",
    )


def _modules(host: Computer) -> Finding:
    wanted = ", ".join(module.name for module in kernel.MODULES)
    seen, cure = kernel.look(host)
    return Finding("kernel modules", not cure, seen, wanted, cure)


def _rules(host: Computer) -> Finding:
    seen, cure = rules.look(host)
    wanted = "a kernel that takes the rules of a lab and of its Services"
    return Finding("rules of iptables", not cure, seen, wanted, cure)


def _limit(host: Computer, name: str, option: str, least: int) -> Finding:
    """Compare what a lab needs with the limit that its machines can be given."""
    given = computer.highest(host, option)
    cure = "" if given >= least else computer.how_to_raise(option)
    seen, wanted = f"machines are given {given}", f"at least {least}"
    return Finding(f"limit of {name}", not cure, seen, wanted, cure)


def _processes(host: Computer, least: int) -> Finding:
    """Judge what machines can be given, and what a container's limit leaves of that."""
    left = confines.processes(host)
    if left is None or left >= least:
        return _limit(host, "processes", "nproc", least)
    return Finding(
        "limit of processes",
        False,
        f"{left} more in this container",
        f"at least {least}",
        "begin this container anew with --pids-limit=-1",
    )


def _processors(host: Computer) -> Finding:
    seen = host.processors()
    ok = seen >= PROCESSORS
    cure = "" if ok else "give this computer, or the container that it is, another one"
    return Finding("processors", ok, str(seen), f"at least {PROCESSORS}", cure)


def _memory(host: Computer, machines: int) -> Finding:
    text = host.read_text("/proc/meminfo")
    found = re.search(r"^MemAvailable:\s+(\d+) kB", text, re.M)
    seen, of = int(found[1]) * 1024 if found else 0, "this computer"
    seen += _cached_by_zfs(host)
    left = confines.memory(host)
    if left is not None and left < seen:
        seen, of = max(left, 0), "this container"
    need = machines * MEMORY_OF_A_MACHINE
    ok = seen >= need
    cure = "" if ok else f"end other programs, or give {of} more memory"
    return Finding("memory", ok, f"{_gib(seen)} available", _gib(need), cure)


def _cached_by_zfs(host: Computer) -> int:
    """Return the bytes that ZFS gives back when asked, which count as used."""
    try:
        told = host.read_text(ZFS_CACHE)
    except OSError:
        return 0
    sizes = dict(re.findall(r"^(size|c_min)\s+\d+\s+(\d+)$", told, re.M))
    return max(0, int(sizes.get("size", 0)) - int(sizes.get("c_min", 0)))


def _disk(
    host: Computer, folders: Sequence[Path], least: int, *, engine: str = ""
) -> Iterator[Finding]:
    cure = (
        f"make room there, where {engine} keeps images and machines, or move that "
        f"folder in the settings of {engine}"
        if engine
        else "make room, or set K8SLAB_CACHE and K8SLAB_HOME to folders with room"
    )
    for folder in folders:
        seen = host.free_bytes(folder)
        ok = seen >= least
        yield Finding(
            "disk",
            ok,
            f"{_gib(seen)} free at {folder}",
            f"{_gib(least)} free",
            "" if ok else cure,
        )


def _inodes(host: Computer, folders: Sequence[Path], engine: str) -> Iterator[Finding]:
    """Look for room for files: a disk may have none left, and be empty."""
    for folder in folders:
        seen = host.free_inodes(folder)
        if seen is None:
            continue
        ok = seen >= INODES
        yield Finding(
            "inodes",
            ok,
            f"{seen} free at {folder}",
            f"{INODES} free",
            ""
            if ok
            else "remove files there: 'df --inodes' counts them; or move that folder "
            f"in the settings of {engine} to a disk that has more",
        )


def _file_system(host: Computer, home: Path) -> Finding:
    seen, cure = mounts.look(host, home)
    wanted = "one on which overlays can lie, and that lets programs be run"
    return Finding("file system of labs", not cure, seen, wanted, cure)


def _other_firewalls(host: Computer, plan: AddressPlan) -> Finding:
    seen, cure = others.look(host, plan)
    wanted = "none beside the lab's filters that drops its packets"
    seen = seen or "none drops a lab's packets"
    return Finding("other firewalls", not cure, seen, wanted, cure, "warning")


def _gib(size: int) -> str:
    return f"{size / GIB:.1f} GiB"


def _addresses(host: Computer, plan: AddressPlan, bridge: str) -> Finding:
    ranges = ", ".join(str(network) for network in plan.ranges.all)
    wanted = f"nobody else in the new lab's {ranges}"
    try:
        asked = host.run(ROUTES).check()
    except (CommandFailed, HostProblem) as error:
        cure = f"apt-get install --yes {PACKAGES['ip']}"
        return Finding("addresses", False, error.what, wanted, cure)
    taken = foreign_routes(asked.stdout, plan, bridge)
    if not taken:
        return Finding("addresses", True, "free", wanted)
    others = (AddressPlan(slot) for slot in range(SLOTS))
    free = [p.slot for p in others if not foreign_routes(asked.stdout, p, bridge)]
    return Finding(
        "addresses",
        False,
        "\n".join(text for text, _ in taken),
        wanted,
        f"take another slot: --slot {free[0]}"
        if free
        else "remove the routes named above, or use another computer",
        "error" if any(hard for _, hard in taken) else "warning",
    )
