"""A computer that exists only in a test, as the doctor and the kernel see one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from k8slab.core.process import Completed
from k8slab.errors import CommandTimeout, HostProblem
from labmaker.host.doctor import DISK_TO_BUILD, DISK_TO_RUN, INODES

CACHE, STATE, IMAGES = Path("/cache"), Path("/state"), Path("/images")
V1 = ["cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "pids", "blkio"]
ALL_CAPABILITIES = (1 << 41) - 1
NO_SYS_RESOURCE = ALL_CAPABILITIES & ~(1 << 24)
MODPROBE = "/sbin/modprobe"
SHOWN_BY = {
    "br_netfilter": "/proc/sys/net/bridge/bridge-nf-call-iptables",
    "nf_conntrack": "/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_syn_sent",
}


def docker_info(version: str = "23.0.1", runtime: str = "runc", **more: object) -> str:
    """Return what ``docker info`` says in JSON.

    Args:
        version: The daemon's version.
        runtime: What begins its machines by default.
        more: Further facts, by docker's own names.
    """
    facts = {"ServerVersion": version, "DefaultRuntime": runtime}
    return json.dumps({**facts, "DockerRootDir": str(IMAGES), **more})


class FakeHost:
    """A computer that can carry a lab, until a test takes something away.

    Attributes:
        kernel: What its kernel has built in or loaded.
        modules: What can be loaded besides.
        loads: What ``modprobe`` says when it is to load something; nothing is well.
        engine_says: What a provider's command says of itself.
        says: What other commands print, by the whole line, or by the first word.
        files: What further files say, by their paths.
        packages: The Debian packages that are installed.
        absent: Files that are not there, by their paths.
        devices: Those that it has, by their paths.
    """

    where = "this computer"

    def __init__(self) -> None:
        self.uid = 0
        self.capabilities = NO_SYS_RESOURCE
        self.controllers: list[str] = list(V1)
        self.unified = ""
        self.inotify = 1024
        self.inotify_used = 10
        self.open_files = "20000"
        self.processes = "unlimited"
        self.kernel = {"br_netfilter", "overlay", "nf_conntrack"}
        self.modules: set[str] = set()
        self.loads = ""
        self.cpus = 2
        self.memory_kb = 8 * 1024 * 1024
        self.free = {
            CACHE: DISK_TO_BUILD,
            STATE: DISK_TO_BUILD,
            IMAGES: DISK_TO_RUN,
        }
        self.inodes: int | None = INODES
        self.commands = {"ip", "iptables", "iptables-restore", "podman", "runc"}
        self.commands |= {"dpkg-query"}
        self.routes: list[dict[str, object]] = [
            {"dst": "default", "gateway": "192.0.2.1", "dev": "eth0"},
            {"dst": "192.0.2.0/24", "dev": "eth0", "scope": "link"},
        ]
        self.engine_code = 0
        self.engine_says = {"podman": "4.3.1", "docker": docker_info()}
        self.engine_hangs = False
        self.says: dict[str, str] = {}
        self.files: dict[str, str] = {}
        self.packages: set[str] = set()
        self.absent: set[str] = set()
        self.devices = {"/dev/kmsg"}
        self.asked: list[tuple[str, ...]] = []

    def inotify_in_use(self) -> int:
        """Return what was set."""
        return self.inotify_used

    def read_text(self, path: str) -> str:
        """Return what the file would say on such a computer."""
        files = {
            "/proc/self/status": f"Name:\tx\nUid:\t{self.uid}\t{self.uid}\t0\t0\n"
            f"CapInh:\t0000000000000000\nCapEff:\t{self.capabilities:016x}\n",
            "/proc/self/uid_map": "         0          0 4294967295\n",
            "/proc/self/mounts": "proc /proc proc rw 0 0\n"
            + "".join(
                f"cgroup /sys/fs/cgroup/{c} cgroup rw,relatime,{c} 0 0\n"
                for c in self.controllers
            ),
            "/proc/sys/fs/inotify/max_user_instances": f"{self.inotify}\n",
            "/proc/self/limits": "Limit        Soft Limit   Hard Limit   Units\n"
            f"Max processes             96365   {self.processes}  processes\n"
            f"Max open files            1024    {self.open_files}      files\n",
            "/proc/meminfo": "MemTotal: 99 kB\nMemFree: 1 kB\n"
            f"MemAvailable:   {self.memory_kb} kB\n",
        }
        files |= {path: "3\n" for name, path in SHOWN_BY.items() if name in self.kernel}
        shown = "\toverlay\n" if "overlay" in self.kernel else ""
        files["/proc/filesystems"] = f"nodev\tproc\n\text4\nnodev{shown}"
        if self.unified:
            files["/sys/fs/cgroup/cgroup.controllers"] = self.unified
        files["/etc/containers/storage.conf"] = f"[storage]\ngraphroot='{IMAGES}'\n"
        files |= self.files
        if path not in files or path in self.absent:
            raise FileNotFoundError(path)
        return files[path]

    def has(self, command: str) -> bool:
        """Say whether the command is there."""
        return command in self.commands

    def is_there(self, path: str) -> bool:
        """Say whether the device is there."""
        return path in self.devices

    def run(self, argv: Sequence[str], **_: object) -> Completed:
        """Answer as the command would; it serves as a runner, too."""
        self.asked.append(tuple(argv))
        if argv[0] == "env" and "--unset" in argv[1]:
            return self._engine(tuple(argv))
        if argv[0] == "env" and "install" in argv:
            self.commands |= {MODPROBE} if "kmod" in argv else set()
        if argv[0] == "dpkg-query":
            there = sorted(self.packages & set(argv))
            shown = "".join(f"{name} 1 install ok installed\n" for name in there)
            return Completed(tuple(argv), self.where, 0, shown, "", 0.0)
        if argv[0] in ("env", "sysctl"):
            said = f"{self.inotify}\n" if argv[0] == "sysctl" else ""
            return Completed(tuple(argv), self.where, 0, said, "", 0.0)
        if argv[0] not in self.commands:
            raise HostProblem(f"the command {argv[0]!r} is not on this machine")
        if (line := " ".join(argv)) in self.says:
            return Completed(tuple(argv), "x", 0, self.says[line], "", 0.0)
        if argv[0] == "ip" and "address" not in argv:
            return Completed(tuple(argv), "x", 0, json.dumps(self.routes), "", 0.0)
        if argv[0] == MODPROBE:
            return self._modprobe(tuple(argv))
        return Completed(tuple(argv), "x", 0, self.says.get(argv[0], ""), "", 0.0)

    def _engine(self, argv: tuple[str, ...]) -> Completed:
        name = next(word for word in argv[1:] if not word.startswith("--unset"))
        if name not in self.commands:
            said = f"env: '{name}': No such file or directory\n"
            return Completed(argv, self.where, 127, "", said, 0.0)
        if self.engine_hangs:
            raise CommandTimeout(argv, where="x", timeout=5)
        code = self.engine_code
        complaint = "cannot connect to the storage" if code else ""
        return Completed(argv, "x", code, f"{self.engine_says[name]}\n", complaint, 0.0)

    def _modprobe(self, argv: tuple[str, ...]) -> Completed:
        name = argv[-1]
        if name not in self.modules | self.kernel:
            said = f"modprobe: FATAL: Module {name} not found in directory /lib/modules"
            return Completed(argv, self.where, 1, "", said, 0.0)
        if "--dry-run" not in argv:
            if self.loads:
                return Completed(argv, self.where, 1, "", self.loads, 0.0)
            self.kernel.add(name)
        return Completed(argv, self.where, 0, "", "", 0.0)

    def processors(self) -> int:
        """Return what was set."""
        return self.cpus

    def free_bytes(self, folder: Path) -> int:
        """Return the free bytes at a folder."""
        return self.free[folder]

    def free_inodes(self, folder: Path) -> int | None:
        """Return what was set."""
        return self.inodes
