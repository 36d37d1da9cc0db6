"""Go a reader's whole way on a computer, from the clone until nothing is left of it."""

from __future__ import annotations

import json
import re
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from k8slab.core.patience import stretched
from k8slab.core.process import Completed, Runner
from k8slab.errors import LabError
from labmaker.plan import AddressPlan
from labmaker.providers.containers import LABEL

LAB = "hosts"
CHAPTER = "first-steps"
NODES = 3
PASSED = "passed"
_K8SLAB = ".venv/bin/k8slab"
# The reader's are their own, and this process may have others.
_UNSET = ("K8SLAB_PROVIDER", "K8SLAB_HOME", "K8SLAB_CACHE", "PYTHONPATH")
_DOCTOR_S = 60.0
_DOWN_S = 120.0
_TOLD = 40
"""Lines of a failed command that its report repeats."""


class Journey:
    """The steps on one computer; each is timed, logged and bounded.

    Args:
        run: Runs commands on the computer.
        clone: Where the clone of this repository is, or will be.
        log: The file here that keeps what all commands say.
        variables: The environment beside the computer's own.
        also: Another file to read when a step fails, such as a console's log.

    Attributes:
        seconds: What each step took.
        facts: What the computer is made of, once it is prepared.
        result: ``passed``, or the step at which it ends.
    """

    def __init__(
        self,
        run: Runner,
        clone: str,
        log: Path,
        *,
        variables: Mapping[str, str] | None = None,
        also: Path | None = None,
    ) -> None:
        self.run = run
        self.clone = clone
        self.log = log
        self.seconds: dict[str, float] = {}
        self.facts: dict[str, str] = {}
        self.result = ""
        self._also = also
        self._variables = {"K8SLAB_LAB": LAB, "K8SLAB_REQUIRED": "1"} | dict(
            variables or {}
        )

    def get(self, repository: str) -> None:
        """Clone this repository."""
        argv = ["git", "clone", "--quiet", repository, self.clone]
        self._step("clone", argv, limit=120, there=False)

    def install(self) -> None:
        """Make the environment, and install what the computer lacks."""
        self._step("environment", ["make", ".venv/.installed"], limit=900)
        self._step("setup", [_K8SLAB, "setup"], limit=600)
        self.facts = self._facts()

    def take(self, kit: str) -> None:
        """Import a bundle that was exported elsewhere.

        Args:
            kit: Its file on the computer.
        """
        self._step("import", [_K8SLAB, "bundle", "import", kit], limit=600)

    def use(self) -> None:
        """Bring a lab up, use it, stop it, start it, and remove it."""
        self._step("doctor", [_K8SLAB, "doctor"], limit=_DOCTOR_S)
        self._step("up", ["make", "up"], limit=600)
        addresses = self._addresses()
        self._step("kubectl", self._nodes(), limit=60, fits=_all_ready)
        chapter = [".venv/bin/python", "-m", "pytest", "-p", "no:cacheprovider"]
        chapter.append(f"chapters/{CHAPTER}.ipynb")
        self._step("chapter", chapter, limit=600)
        self._step("stop", [_K8SLAB, "stop"], limit=120)
        self._step("start", [_K8SLAB, "start"], limit=300)
        self._step("kubectl again", self._nodes(), limit=60, fits=_all_ready)
        self._step("down", [_K8SLAB, "down"], limit=_DOWN_S)
        self.result = "failed: nothing left"
        assert self._left(addresses) == []
        self.result = PASSED

    def end(self) -> None:
        """Remove a lab that a failed step left, if there is one."""
        if self.result != PASSED and self.seconds.get("up"):
            down = [_K8SLAB, "down"]
            self._in_clone(down, True, _DOWN_S, lambda line: None)

    def _facts(self) -> dict[str, str]:
        """Return what the computer is made of: system, kernel, cgroups and engine."""
        release = self._ask("cat", "/etc/os-release")
        found = re.search(r'^PRETTY_NAME="?([^"\n]*)', release, re.M)
        kind = self._ask("stat", "--file-system", "--format=%T", "/sys/fs/cgroup")
        memory = re.search(r"MemTotal: *(\d+)", self._ask("cat", "/proc/meminfo"))
        assert found is not None
        assert memory is not None
        return {
            "system": found[1],
            "kernel": self._ask("uname", "-r"),
            "cgroup": "2" if kind == "cgroup2fs" else "1",
            "engine": self._engine(),
            "processors": self._ask("nproc"),
            "memory": f"{int(memory[1]) / 2**20:.0f} GiB",
        }

    def _engine(self) -> str:
        """Return what will provide the machines, with its version, or ``none``."""
        said = self._in_clone([_K8SLAB, "doctor"], True, _DOCTOR_S, lambda line: None)
        found = re.search(r"(?m)^✔ provider: (.*)$", said.stdout)
        return found[1] if found else "none"

    def _step(
        self,
        name: str,
        argv: Sequence[str],
        *,
        limit: float,
        there: bool = True,
        fits: Callable[[str], bool] = lambda said: True,
    ) -> None:
        """Run one command, and say what it said when it fails."""
        self.result, began = f"failed: {name}", time.monotonic()
        told = deque[str](maxlen=_TOLD)
        said: list[str] = []
        with self.log.open("a", encoding="utf-8") as log:

            def keep(line: str) -> None:
                told.append(line)
                print(line, file=log, flush=True)

            print(f"$ {' '.join(argv)}", file=log, flush=True)
            try:
                done = self._in_clone(argv, there, limit, keep)
                code = str(done.returncode) if done.returncode else ""
                said = done.stdout.splitlines()
            except LabError as error:
                code = f"{error.what}: {error.seen}"
        self.seconds[name] = round(time.monotonic() - began, 1)
        print(f"  {self.run.where}: {name}: {self.seconds[name]:.1f} s", flush=True)
        if code or not fits("\n".join(said)):
            raise AssertionError(
                f"step '{name}' on {self.run.where} failed: {' '.join(argv)}: "
                f"{code or 'not what was wanted'} (of at most {stretched(limit):g} s)\n"
                + "\n".join(f"  | {line}" for line in told)
                + f"\nall that was said: {self.log}"
                + (f"\nits console: {self._also}" if self._also else "")
            )

    def _in_clone(
        self,
        argv: Sequence[str],
        there: bool,
        limit: float,
        keep: Callable[[str], None],
    ) -> Completed:
        env = ["env", *(f"--unset={name}" for name in _UNSET)]
        env += [f"--chdir={self.clone}"] if there else []
        env += [f"{name}={value}" for name, value in self._variables.items()]
        return self.run.run([*env, *argv], check=False, timeout=limit, on_line=keep)

    def _ask(self, *argv: str) -> str:
        return self.run.run(argv).stdout.strip()

    def _nodes(self) -> list[str]:
        return [_K8SLAB, "kubectl", "get", "nodes", "--no-headers"]

    def _addresses(self) -> AddressPlan:
        """Return the addresses of the lab that is up."""
        maker = json.loads(self._ask("cat", f"{self._home()}/{LAB}/lab.json"))["maker"]
        return AddressPlan(maker["slot"], maker.get("family", 0))

    def _home(self) -> str:
        """Return the folder of all labs on that computer."""
        code = "from k8slab.core.env import Environment as e; print(e.read().home)"
        argv = [".venv/bin/python", "-c", code]
        return self._in_clone(argv, True, 60, lambda line: None).stdout.strip()

    def _left(self, plan: AddressPlan) -> list[str]:
        """Return what is there of the lab that was removed."""
        ours = f"--filter=label={LABEL}={LAB}"
        engine = self.facts["engine"].split()[0]
        found = self._ask(engine, "ps", "--all", "--quiet", ours).split()
        found += self._ask(engine, "network", "ls", "--quiet", ours).split()
        words = [str(network) for network in plan.ranges.all] + [f"K8SLAB-{plan.slot}"]
        lines = self._ask("ip", "-4", "route", "show", "table", "all").splitlines()
        lines += self._ask("ip", "-o", "-4", "address").splitlines()
        lines += self._ask("iptables-save").splitlines()
        found += [line for line in lines if any(word in line for word in words)]
        kept = self._ask("find", self._home(), "-mindepth", "1", "-maxdepth", "1")
        return found + [line for line in kept.splitlines() if line.endswith(f"/{LAB}")]


def _all_ready(said: str) -> bool:
    """Say whether kubectl lists all nodes, and each is ready."""
    rows = [line.split() for line in said.splitlines()]
    return len(rows) == NODES and all(row[1] == "Ready" for row in rows)
