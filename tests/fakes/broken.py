"""Workers whose units can be stopped, and other sessions that have noted faults."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

from k8slab.folder import LabFolder
from k8slab.kube.cluster import Cluster

HOLDER = """
import sys
from pathlib import Path
from k8slab.fault import _journal
from k8slab.folder import LabFolder
folder = LabFolder(Path(sys.argv[1]), sys.argv[2])
for line in sys.argv[3:]:
    name, _, where = line.partition("=")
    _journal.write(folder, _journal.Entry(name, where, {}))
print("held", flush=True)
sys.stdin.read()
"""


_KIND = "kind: KubeletConfiguration\n"
WELL, SPOILT = (f"{_KIND}fileCheckFrequency: {each}\n" for each in ("20s", "1sec"))
SMALL = "evictionPressureTransitionPeriod: 5s\n"
NETWORK = "/etc/cni/net.d/10-pods.conflist"
ROUTE = "10.244.3.0/24 via 172.30.1.13 dev eth0\n"
STARTED = datetime(2026, 11, 1, tzinfo=UTC)


class Worker:
    """A worker whose units can be stopped, and whose Node follows them.

    Attributes:
        running: Its units that run.
        config: Its kubelet's configuration, with which that may not start.
        disk: The one below it, while a small file system lies over its folder.
        route: Its way to another machine's Pods; empty where it has none.
        asked: What its units were told.
        noted: How many faults were noted when a unit was stopped.
        deaf: Whether its units do not stop.
        stuck: Whether its units do not start.
        silent: Whether its kubelet tells nothing of its node when it starts.
        started: When its kubelet was started.
        told: When that last told of its node.
    """

    def __init__(self, cluster: Cluster, fake: Any, name: str) -> None:
        self.name = name
        self.fake = fake
        self.journal = cluster.folder.journal
        self.running = {"kubelet", "containerd"}
        self.config, self.route = WELL, ROUTE
        self.disk = ""
        self.asked: list[str] = []
        self.noted: list[int] = []
        self.deaf = self.stuck = self.silent = False
        self.started, self.told = STARTED, ""
        shell: Any = cluster.on(name)
        shell.answer = self.answer
        shell.read = lambda path: self.config
        shell.put = self.put
        self.tell()

    def tell(self) -> None:
        """Give its Node the state of its units."""
        lost = {"kubelet", "containerd"} - self.running
        if not self.silent and "kubelet" in self.running:
            self.told = (self.started + timedelta(seconds=2)).isoformat()
        down = "container runtime is down" if "containerd" in lost else "unknown"
        conditions = [
            {
                "type": "Ready",
                "status": "Unknown" if lost else "True",
                "message": down if lost else "kubelet is posting ready status",
                "lastHeartbeatTime": self.told,
            }
        ]
        node = {"metadata": {"name": self.name}, "status": {"conditions": conditions}}
        self.fake.put("nodes", node)

    def put(self, path: str, data: str) -> bool:
        """Take its kubelet's configuration."""
        before, self.config = self.config, data
        return before != data

    def unmount(self) -> None:
        """Take the small file system away, as a script does, or a restart."""
        self.config, self.disk = self.disk or self.config, ""

    def answer(self, text: str) -> tuple[int, str, str]:
        """Do what systemctl would, and remember it; know ways and mounts."""
        if "mount --bind" in text:
            self.asked.append("shrink")
            self.config, self.disk = self.config + SMALL, self.config
            return 0, "", ""
        if "umount" in text:
            self.asked.append("restore")
            self.unmount()
            return 0, "", ""
        word, _, rest = text.partition(" ")
        if word == "curl":
            return (0 if "kubelet" in self.running else 7), "", ""
        if word == "ip":
            if "get" in rest:
                to, _, way = self.route.partition(" ")
                known = way and to != "blackhole"
                return (0, f"10.244.3.1 {way}", "") if known else (2, "", "")
            if "show" not in rest:
                self.route = "" if "delete" in rest else ROUTE
            return 0, self.route, ""
        if word == "find":
            return 0, f"{NETWORK}\n", ""
        if word != "systemctl":
            return 0, "", ""
        action, unit = rest.split(" ")[0], rest.split(" ")[-1]
        if action == "is-active":
            return (0 if unit in self.running else 3), "", ""
        if action == "show":
            return 0, f"@{self.started.timestamp():.0f}\n", ""
        self.asked.append(f"{action} {unit}")
        if action == "stop":
            self.noted.append(len(list(self.journal.glob("*.json"))))
            if not self.deaf:
                self.running.discard(unit)
        elif unit == "kubelet" and re.search(r"\d ?sec", self.config):
            self.running.discard(unit)
        elif not self.stuck:
            self.running.add(unit)
            if unit == "kubelet":
                self.started += timedelta(minutes=1)
        self.tell()
        return 0, "", ""


def notes(cluster: Cluster) -> list[str]:
    """Return the names of the faults in the journal."""
    paths = sorted(cluster.folder.journal.glob("*.json"))
    return [json.loads(path.read_text())["fault"] for path in paths]


class Sessions:
    """Other sessions that have noted faults; each lives until it is killed."""

    def __init__(self) -> None:
        self._begun: list[subprocess.Popen[str]] = []

    def begin(self, folder: LabFolder, *faults: str) -> subprocess.Popen[str]:
        """Start one that has noted these, each as ``name=where``."""
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(folder.home), folder.name, *faults],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._begun.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        return process

    def end(self) -> None:
        """Kill all of them."""
        for process in self._begun:
            process.kill()
            process.communicate()
