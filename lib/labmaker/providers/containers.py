"""Provide machines as system containers of podman or docker."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from k8slab.core.hints import command
from k8slab.core.process import Runner
from k8slab.errors import BadInput, CommandFailed, HostProblem
from k8slab.folder import MachineRecord

from ..host.computer import LIMITS, Host, ThisComputer, highest
from ..plan import SLOTS, AddressPlan
from .base import Mount

LABEL = "k8slab.dev/lab"
_STOP_S = 20

# --privileged: the kubelet and containerd mount, load rules and make cgroups.
# pids-limit: podman's 2048 leaves each unit 307 tasks; containerd then crashes.
# syn_sent: by default a node remembers for 120 s where an attempt to connect went that
# nobody answered, and sends the next one from the same port to the Pod that is gone.
_RUN = (
    "--privileged",
    "--sysctl=net.netfilter.nf_conntrack_tcp_timeout_syn_sent=3",
    "--cgroupns=private",
    "--pids-limit=-1",
    "--env=container=podman",
    "--tmpfs=/tmp",
    "--tmpfs=/run",
    "--tmpfs=/run/lock",
)


@dataclass(frozen=True)
class Client:
    """How one engine's command line differs from the other's.

    Attributes:
        binary: The command.
        options: Options before every subcommand.
        run: Options of ``run`` beside the common ones.
        network: Options of ``network create``; ``{slot}`` stands for the lab's slot.
        bridge: The template by which ``network inspect`` tells the bridge's name.
    """

    binary: str
    options: tuple[str, ...]
    run: tuple[str, ...]
    network: tuple[str, ...]
    bridge: str


CLIENTS: Mapping[str, Client] = {
    "podman": Client(
        "podman",
        ("--runtime", "runc"),
        # systemd=false: on cgroup v1, podman would mount the host's own systemd
        # hierarchy into every machine, and stopping one would end the others'.
        ("--systemd=false", "--dns=none", "--no-hosts", "--log-driver=none"),
        ("--internal", "--disable-dns"),
        "{{.NetworkInterface}}",
    ),
    "docker": Client(
        "docker",
        (),
        ("--log-driver=none",),
        ("--internal", "--opt=com.docker.network.bridge.name=k8slab-{slot}"),
        '{{index .Options "com.docker.network.bridge.name"}}',
    ),
}


class Engine:
    """The machines of one lab, as containers.

    Args:
        name: ``podman`` or ``docker``.
        lab: The lab's name; part of every container's and network's name.
        runner: Runs the engine's command.
        host: The computer whose limits the machines get; this one by default.

    Raises:
        BadInput: There is no such engine.
    """

    def __init__(
        self, name: str, lab: str, runner: Runner, *, host: Host | None = None
    ) -> None:
        if name not in CLIENTS:
            raise BadInput(
                f"there is no provider named {name!r}",
                where="K8SLAB_PROVIDER",
                wanted="one of " + ", ".join(CLIENTS),
                seen=name,
                next="unset K8SLAB_PROVIDER",
            )
        self.name = name
        self._client = CLIENTS[name]
        self._lab = lab
        self._runner = runner
        self._host = host or ThisComputer()

    @property
    def network(self) -> str:
        """The name of the lab's network."""
        return f"k8slab-{self._lab}"

    def container(self, machine: str) -> str:
        """Return the name of a machine's container."""
        return f"k8slab-{self._lab}-{machine}"

    def version(self) -> str:
        """Return the engine's version, or raise `HostProblem` saying why not."""
        try:
            return self._run("version", "--format={{.Client.Version}}").strip()
        except CommandFailed as error:
            raise HostProblem(
                f"{self.name} does not work",
                wanted=f"'{self.name} version' to answer",
                seen=error.seen,
                next=f"see what this computer lacks: {command('doctor')}",
            ) from error

    def create_network(self, plan: AddressPlan) -> None:
        """Make the lab's network; it leads nowhere but to the lab."""
        self._run(
            "network",
            "create",
            *(option.format(slot=plan.slot) for option in self._client.network),
            f"--subnet={plan.network}",
            f"--gateway={plan.gateway}",
            f"--label={LABEL}={self._lab}",
            self.network,
        )

    def bridge(self) -> str:
        """Return the name of the network's bridge; it need not be there yet."""
        template = f"--format={self._client.bridge}"
        return self._run("network", "inspect", template, self.network).strip()

    def bridge_if_any(self) -> str | None:
        """Return the name of the network's bridge, or None without a network."""
        argv = self._argv("network", "inspect", self.network)
        return self.bridge() if self._runner.run(argv, check=False).ok else None

    def create(
        self, machine: MachineRecord, image: str, mounts: Sequence[Mount]
    ) -> None:
        """Create and start a machine from an image that the engine has."""
        self._run(
            "run",
            "--detach",
            f"--name={self.container(machine.name)}",
            f"--hostname={machine.name}",
            f"--network={self.network}",
            f"--ip={machine.address}",
            f"--label={LABEL}={self._lab}",
            *_RUN,
            *(f"--ulimit={limit}={n}:{n}" for limit, n in self._limits()),
            *self._client.run,
            *(
                f"--volume={m.source}:{m.target}{':ro' if m.read_only else ''}"
                for m in mounts
            ),
            image,
            "/sbin/init",
        )

    def states(self) -> Mapping[str, str]:
        """Return each machine's state by name: ``running``, ``exited``, ..."""
        out = self._run(
            "ps",
            "--all",
            f"--filter=label={LABEL}={self._lab}",
            "--format={{.Names}} {{.State}}",
        )
        rows = (line.split() for line in out.splitlines())
        prefix = self.container("")
        # podman says "Up 3 minutes" where docker says "running".
        states = {row[0].removeprefix(prefix): row[1].lower() for row in rows if row}
        return {name: "running" if s == "up" else s for name, s in states.items()}

    def start(self, names: Sequence[str]) -> None:
        """Start machines that are stopped."""
        self._each("start", (), names)

    def stop(self, names: Sequence[str]) -> None:
        """Shut machines down as their own ``poweroff`` would."""
        self._each("stop", (f"--time={_STOP_S}",), names)

    def power(self, machine: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the commands that cut a machine's power and give it back."""
        container = self.container(machine)
        off, on = self._argv("kill", container), self._argv("start", container)
        return tuple(off), tuple(on)

    def remove_machines(self) -> None:
        """Remove all machines, running or not."""
        self._each("rm", ("--force", "--time=0", "--volumes"), list(self.states()))

    def remove_network(self) -> None:
        """Remove the network, and so give its range and its bridge's name back."""
        filter = f"--filter=label={LABEL}={self._lab}"
        for network in self._run("network", "ls", "--quiet", filter).split():
            self._run("network", "rm", "--force", network)

    def has_image(self, image: str) -> bool:
        """Say whether the engine has an image of that name."""
        argv = self._argv("image", "inspect", image)
        return self._runner.run(argv, check=False).ok

    def load_image(self, archive: Path) -> None:
        """Load an image from its archive."""
        self._run("load", f"--input={archive}", timeout=300)

    def labs(self) -> frozenset[str]:
        """Return the names of all labs that have a container or a network here."""
        found: set[str] = set()
        for listing in (["ps", "--all"], ["network", "ls"]):
            out = self._run(*listing, f"--filter=label={LABEL}", "--format=json")
            for row in json.loads(out or "[]"):
                labels = row.get("Labels") or row.get("labels") or {}
                found.add(labels[LABEL])
        return frozenset(found)

    def slots(self, *, own: bool = False) -> frozenset[int]:
        """Return the slots whose machines' range belongs to the network of a lab.

        Args:
            own: Look at this lab's network only, not at those of all labs.
        """
        label = f"{LABEL}={self._lab}" if own else LABEL
        found = self._run("network", "ls", "--quiet", f"--filter=label={label}").split()
        # Not checked: one of them may have been removed since.
        inspect = self._argv("network", "inspect", *found)
        told = self._runner.run(inspect, check=False).stdout if found else ""
        plans = (AddressPlan(slot) for slot in range(SLOTS))
        return frozenset(p.slot for p in plans if f'"{p.network}"' in told)

    def _limits(self) -> list[tuple[str, int]]:
        """Return limits that root may set here; the engines' defaults may exceed it."""
        return [(limit, highest(self._host, limit)) for limit in LIMITS]

    def _argv(self, *words: str) -> list[str]:
        return [self._client.binary, *self._client.options, *words]

    def _run(self, *words: str, timeout: float = 60) -> str:
        return self._runner.run(self._argv(*words), timeout=timeout).stdout

    def _each(self, verb: str, options: Sequence[str], names: Sequence[str]) -> None:
        """Run a verb on several containers side by side; the engine takes turns."""
        if not names:
            return
        with ThreadPoolExecutor(len(names)) as pool:
            list(
                pool.map(
                    lambda name: self._run(verb, *options, self.container(name)), names
                )
            )
