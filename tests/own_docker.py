"""A docker of the tests' own, which can reach nothing outside the computer.

Its daemon lives in a network namespace with no device but the loopback, and so do its
labs' bridges; everything that is to reach those labs has to be run there, too.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from k8slab.core.env import Environment
from k8slab.core.poll import until
from labmaker.computer import SYS_RESOURCE, ThisComputer, holds

_RUNTIME = Path(__file__).parent / "runtimes" / "without_sys_resource"
_FOLDER = "k8slab-docker-"
_START_S = 60.0
_STOP_S = 60.0


@dataclass(frozen=True)
class Daemon:
    """A daemon that runs.

    Attributes:
        pid: Its process.
        socket: Where it listens.
        log: What it says.
    """

    pid: int
    socket: Path
    log: Path

    @property
    def inside(self) -> tuple[str, ...]:
        """The words before a command that has to run in its network namespace."""
        return ("nsenter", f"--net=/proc/{self.pid}/ns/net", "--")

    @property
    def env(self) -> Mapping[str, str]:
        """The variables by which it is found."""
        return {"DOCKER_HOST": f"unix://{self.socket}", "K8SLAB_PROVIDER": "docker"}

    @contextmanager
    def meant(self) -> Iterator[None]:
        """Have this process's own providers mean it: they name their socket."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DOCKER_HOST", self.env["DOCKER_HOST"])
            yield


@contextmanager
def daemon() -> Iterator[Daemon]:
    """Run a daemon that keeps everything in a folder beside the bundle.

    At the end it is stopped, as it also is when this process ends, and what it kept is
    removed; what a killed run of tests left is removed at the beginning.
    """
    beside = Environment.read().cache.parent
    for old in beside.glob(f"{_FOLDER}*"):
        pid = old.name.removeprefix(_FOLDER).partition("-")[0]
        if not Path(f"/proc/{pid}").exists():
            _remove(old)
    folder = Path(tempfile.mkdtemp(prefix=f"{_FOLDER}{os.getpid()}-", dir=beside))
    socket, log = folder / "socket", folder / "log"
    argv = ["setpriv", "--pdeathsig=TERM", "unshare", "--net", "dockerd"]
    argv += [f"--{name}={folder / name}" for name in ("data-root", "exec-root")]
    argv += [f"--pidfile={folder / 'pid'}", f"--host=unix://{socket}", "--bridge=none"]
    if not holds(ThisComputer(), SYS_RESOURCE):
        argv += [f"--add-runtime=less={_RUNTIME}", "--default-runtime=less"]
    with log.open("w") as out:
        process = subprocess.Popen(
            argv, stdout=out, stderr=out, stdin=subprocess.DEVNULL
        )
    made = Daemon(process.pid, socket, log)
    try:
        until(
            lambda: _answers(made, process),
            what="docker's daemon",
            want="an answer",
            timeout=_START_S,
            every=0.2,
        )
        subprocess.run([*made.inside, "ip", "link", "set", "lo", "up"], check=True)
        yield made
    finally:
        process.terminate()
        process.wait(_STOP_S)
        _remove(folder)


def _answers(made: Daemon, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, made.log.read_text()
    argv = ["docker", "version"]
    env = {**os.environ, **made.env}
    return (
        subprocess.run(argv, env=env, capture_output=True, check=False).returncode == 0
    )


def _remove(folder: Path) -> None:
    """Unmount what the daemon left mounted, and remove its files."""
    lines = Path("/proc/self/mounts").read_text().splitlines()
    mounts = [line.split()[1] for line in lines]
    for place in reversed([m for m in mounts if m.startswith(f"{folder}/")]):
        with suppress(subprocess.CalledProcessError):
            subprocess.run(["umount", place], check=True, capture_output=True)
    shutil.rmtree(folder)
