"""Labs of the tests' own, and a look for what is left of them on this computer."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from paths import K8SLAB

from k8slab import lab, probe
from k8slab.core.env import Environment
from k8slab.core.poll import until
from k8slab.folder import LabFolder
from k8slab.kube.cluster import Cluster
from k8slab.kube.objects import Pod
from k8slab.lab_record import LabRecord
from k8slab.ssh.client import SSHShell
from labmaker.plan import SLOTS, AddressPlan
from labmaker.providers.containers import LABEL
from labmaker.settings import Settings

_FOLDER = "k8slab-tests-"
# Addresses that nobody has; they are documentation's own. Asked of machines only.
OUTSIDE = ("198.51.100.7", "203.0.113.9")
_WORK = 1_600_000
"""Rounds of about a quarter second on the computer of ``bench/RESULTS.md``, when idle.

There a lab is up after 14 s; where that took 21 s, these took 0.38 s.
"""
AT_ONCE_S = 3.0
"""Seconds for a refusal: a second more where one is lost, and less than a time-out."""


@dataclass(frozen=True)
class Said:
    """What a command said, and how long it took in seconds."""

    returncode: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def text(self) -> str:
        """Both streams."""
        return self.stdout + self.stderr


class Home:
    """A folder of labs, used by way of the command ``k8slab``.

    Attributes:
        prefix: How the names of its labs begin.
        before: The traces of labs on this computer before the first of these.
        said: Everything that was said so far, to be searched for secrets.
        times: What was measured, by name, in seconds.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # Part of every lab's name, so that two runs of the tests may share a computer.
        self.prefix = f"t-{hashlib.sha256(folder.name.encode()).hexdigest()[:4]}-"
        self.before: set[str] = set()
        self.said: list[str] = []
        self.times: dict[str, list[float]] = {}

    def run(
        self,
        *words: str,
        env: Mapping[str, str] | None = None,
        timeout: float = 300,
        measure: str = "",
        driver: Sequence[str] = (),
    ) -> Said:
        """Run ``k8slab`` to its end, whatever its exit code.

        Args:
            words: Its arguments.
            env: Variables beside this process's own.
            timeout: Seconds until it is ended.
            measure: The name under which its time is kept.
            driver: A command in place of ``k8slab``.
        """
        started = time.monotonic()
        done = subprocess.run(
            [*(driver or [str(K8SLAB)]), *words],
            env={**os.environ, "K8SLAB_HOME": str(self.folder), **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        said = Said(
            done.returncode, done.stdout, done.stderr, time.monotonic() - started
        )
        self.said.append(said.text)
        if measure:
            self.times.setdefault(measure, []).append(said.seconds)
        return said

    def lab(self, name: str) -> Lab:
        """Return a lab, whether it is there or not, by its name without the prefix."""
        return Lab(self, self.prefix + name)

    def up(self, name: str, *words: str, measure: str = "") -> Lab:
        """Bring a lab up and keep its ledger."""
        made = self.lab(name)
        said = made.run("up", "--timings", "json", *words, measure=measure)
        assert said.returncode == 0, said.text
        made.ledger = json.loads(said.stdout)
        return made

    def labs(self) -> list[str]:
        """Return the names of the labs that have a folder here."""
        return sorted(p.name for p in self.folder.iterdir() if p.is_dir())

    def remove(self) -> None:
        """Remove all labs of this home."""
        rows = podman("ps", "--all", "--format={{.Names}}").split()
        starts = re.compile(rf"k8slab-({re.escape(self.prefix)}.*)-[a-z]+\d*")
        known = {match[1] for row in rows if (match := starts.fullmatch(row))}
        for name in sorted(known | set(self.labs())):
            self.run("down", "--name", name)


class Lab:
    """One lab of the tests.

    Attributes:
        ledger: What its ``up`` told as JSON.
    """

    def __init__(self, home: Home, name: str) -> None:
        self.home = home
        self.name = name
        self.folder = LabFolder(home.folder, name)
        self.ledger: dict[str, Any] = {}

    def run(self, word: str, *words: str, measure: str = "") -> Said:
        """Run ``k8slab WORD --name LAB WORDS``."""
        return self.home.run(word, "--name", self.name, *words, measure=measure)

    def kubectl(self, *words: str) -> Said:
        """Run ``k8slab kubectl`` on this lab."""
        return self.home.run("kubectl", *words, env={"K8SLAB_LAB": self.name})

    def outcomes(self, name: str) -> dict[str, str]:
        """Return what became of a phase of its ``up``, by machine."""
        found = self.ledger["phases"]
        return {p["where"]: p["outcome"] for p in found if p["name"] == name}

    @property
    def record(self) -> LabRecord:
        """What its folder says of it."""
        record = self.folder.record()
        assert record is not None
        return record

    @property
    def plan(self) -> AddressPlan:
        """Its addresses."""
        return Settings.of(self.record).plan

    @property
    def secrets(self) -> tuple[str, ...]:
        """Its own secrets, in pieces that no other text holds."""
        files = [self.folder.key, *self.folder.root.glob("machines/*/ssh_host_*_key")]
        lines = [line for file in files for line in file.read_text().splitlines()]
        keys = [
            line.split()[-1][-60:]
            for line in self.folder.kubeconfig.read_text().splitlines()
            if "client-key-data" in line
        ]
        kept = [line for line in lines if "--" not in line]
        return tuple(line for line in [*kept, *keys] if len(line) > 20)

    def container(self, machine: str) -> str:
        """Return the name of a machine's container."""
        return f"k8slab-{self.name}-{machine}"

    @contextmanager
    def cluster(self) -> Iterator[Cluster]:
        """Connect to its cluster for a while."""
        cluster = lab.connect(self.name)
        try:
            yield cluster
        finally:
            cluster.close()

    @contextmanager
    def shell(self, machine: str) -> Iterator[SSHShell]:
        """Reach any of its machines, the depot too."""
        address = next(m.address for m in self.record.machines if m.name == machine)
        with SSHShell(
            machine,
            str(address),
            lab=self.name,
            key=self.folder.key,
            known_hosts=self.folder.known_hosts,
        ) as shell:
            yield shell

    def states(self) -> dict[str, str]:
        """Return each machine's state, as the engine has it."""
        return engine_states(self.name)


def podman(*words: str) -> str:
    """Run podman and return what it printed."""
    argv = ["podman", "--runtime", "runc", *words]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def engine_states(name: str) -> dict[str, str]:
    """Return the states of a lab's machines."""
    argv = ["ps", "--all", f"--filter=label={LABEL}={name}", "--format=json"]
    prefix = f"k8slab-{name}-"
    return {
        row["Names"][0].removeprefix(prefix): row["State"]
        for row in json.loads(podman(*argv))
    }


def route(address: object, where: SSHShell | None = None) -> str:
    """Return the device that a packet would leave by, or ``refused``; sends none.

    Args:
        address: Where it would go.
        where: The machine that would send it; None is this computer.
    """
    argv = ["ip", "-json", "route", "get", str(address)]
    if where is not None:
        asked = where.run(argv, check=False)
        code, out = asked.returncode, asked.stdout
    else:
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        code, out = done.returncode, done.stdout
    if code != 0:
        return "refused"
    found = json.loads(out)[0]
    bad = found.get("type") in ("unreachable", "prohibit", "blackhole")
    return "refused" if bad else str(found["dev"])


def wait_for_names(from_: str | Pod) -> None:
    """Wait until the cluster's name service answers; one question could get lost."""
    until(
        lambda: probe.dns("kubernetes.default", from_=from_, strict=False).addresses,
        what="the name service",
        want="an address",
        timeout=30,
    )


def traces(prefix: str, folder: Path) -> set[str]:
    """Return what the tests' labs have on this computer outside their folder.

    Ranges that a lab of somebody else has are left out, so that others may work here.

    Args:
        prefix: How the tests' labs are called.
        folder: Where their files are.
    """
    found: set[str] = set()
    others: set[int] = set()
    listings = {"container": ["ps", "--all"], "network": ["network", "ls"]}
    for kind, listing in listings.items():
        rows = podman(*listing, f"--filter=label={LABEL}", "--format=json")
        for row in json.loads(rows or "[]"):
            name = (row.get("Labels") or row.get("labels"))[LABEL]
            if name.startswith(prefix):
                found.add(f"{kind} of {name}: {row.get('Names') or row.get('name')}")
            elif kind == "network":
                subnet = row["subnets"][0]["subnet"]
                others |= {
                    n for n in range(SLOTS) if str(AddressPlan(n).network) == subnet
                }
    lines = [
        *_lines("route", "ip", "-4", "route", "show", "table", "all"),
        *_lines("address", "ip", "-o", "-4", "address"),
        *_lines("rule", "iptables-save"),
    ]
    for slot in set(range(SLOTS)) - others:
        starts = [_start(network) for network in AddressPlan(slot).ranges.all]
        words = "|".join([*starts, rf"K8SLAB-{slot}\b"])
        found |= {line for line in lines if re.search(rf"(?<![\d.])(?:{words})", line)}
    mounts = _lines("mount", "cat", "/proc/self/mounts")
    found |= {line for line in mounts if f"{folder.name}/" in line}
    found |= {f"volume {name}" for name in podman("volume", "ls", "--quiet").split()}
    for place in (Path.home() / ".kube", Path.home() / ".ssh", Path("/etc/hosts")):
        if place.exists():
            found.add(f"file {place} of {place.stat().st_mtime}")
    for place in (Path("/etc/cni/net.d"), Path("/etc/containers/networks")):
        found |= {f"file {p}" for p in place.glob(f"*{prefix}*")}
    return found


def _start(network: IPv4Network) -> str:
    """Return the part that all addresses of a network share, for a search."""
    kept = network.prefixlen // 8
    return re.escape(".".join(str(network.network_address).split(".")[:kept]) + ".")


def _lines(kind: str, *argv: str) -> list[str]:
    out = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    counters = re.compile(r"\[\d+:\d+\]|valid_lft.*")
    return [f"{kind} {counters.sub('', line)}" for line in out.splitlines()]


def left(home: Home, *, timeout: float = 20) -> list[str]:
    """Return what is there and was not before, once others have had time to finish."""
    deadline = time.monotonic() + timeout
    seen: list[str] = []

    def look() -> bool:
        seen[:] = sorted(traces(home.prefix, home.folder) - home.before)
        return not seen or time.monotonic() > deadline

    until(look, what="traces", want="none", timeout=timeout + 60, every=0.5)
    return seen


@contextmanager
def own_home() -> Iterator[Home]:
    """Give a folder of labs that are removed at the end, and prove that they are.

    It lies beside the bundle, on the same disk, so that machines can share files.
    """
    beside = Environment.read().cache.parent
    beside.mkdir(parents=True, exist_ok=True)
    remove_stale_labs()
    folder = Path(tempfile.mkdtemp(prefix=f"{_FOLDER}{os.getpid()}-", dir=beside))
    home = Home(folder)
    home.before = traces(home.prefix, folder)
    before = os.environ.get("K8SLAB_HOME")
    os.environ["K8SLAB_HOME"] = str(folder)
    try:
        yield home
    finally:
        home.remove()
        os.environ.pop("K8SLAB_HOME")
        if before is not None:
            os.environ["K8SLAB_HOME"] = before
    assert left(home) == []
    assert [p.name for p in folder.iterdir() if not p.name.endswith(".lock")] == []
    shutil.rmtree(folder)


def remove_stale_labs() -> None:
    """Remove what a run of tests left that was killed."""
    for folder in Environment.read().cache.parent.glob(f"{_FOLDER}*"):
        pid = folder.name.removeprefix(_FOLDER).partition("-")[0]
        if Path(f"/proc/{pid}").exists():
            continue
        with suppress(FileNotFoundError):  # another worker was quicker
            Home(folder).remove()
            shutil.rmtree(folder)


def speed() -> float:
    """Return how fast work is done here now; 1 on the computer that limits are for.

    A little work on every core: slower ones, and others' work, make it take longer.
    """
    code = f"x = 0\nfor i in range({_WORK}): x += i * i"
    cores = os.cpu_count() or 1
    started = time.monotonic()
    # S: without site packages, so that nearly all the time is the work's.
    busy = [subprocess.Popen([sys.executable, "-S", "-c", code]) for _ in range(cores)]
    for process in busy:
        process.wait()
    return min(1.0, 0.3 / (time.monotonic() - started))


class Allowance:
    """How much longer a command may take than on the computer that limits are for.

    Attributes:
        factor: 1 on that computer, when it has nothing else to do.
    """

    def __init__(self) -> None:
        self.factor = _busy()

    def seconds(self, limit: float) -> float:
        """Return a limit in seconds, for this computer as fast as it was and is now."""
        self.factor = max(self.factor, _busy())
        return limit * self.factor


def _busy() -> float:
    got = speed()
    load = os.getloadavg()[0] / (2 * (os.cpu_count() or 1))
    return max(1.0 if got >= 1.0 else 1.5 / got, load)


if __name__ == "__main__":  # as 'make test' does
    remove_stale_labs()
