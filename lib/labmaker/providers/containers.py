"""Machines as system containers: what the engines' command lines have in common."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import partial
from ipaddress import IPv4Network
from pathlib import Path
from typing import ClassVar

from k8slab.core.parallel import in_parallel
from k8slab.core.patience import stretched
from k8slab.core.process import Completed, Runner
from k8slab.errors import CommandFailed, HostProblem
from k8slab.lab_record import MachineRecord

from ..computer import ANSWER_TIMEOUT_S, LIMITS, Computer, highest
from ..plan import SLOTS, AddressPlan
from .base import About, Mount
from .client import answered

LABEL = "k8slab.dev/lab"
_LABS = f"--filter=label={LABEL}"
# The engines nest it differently, and one writes it with a small letter.
_SUBNET = re.compile(r'"[Ss]ubnet": *"([0-9.]+/[0-9]+)"')
_STOP_S = 20

PROXIES = tuple(
    name
    for proxy in ("http", "https", "ftp", "all", "no")
    for name in (f"{proxy}_proxy", f"{proxy}_proxy".upper())
)
"""What an engine would write into each machine's settings from the reader's, often with
a password. A machine's way leads to the lab only, so it needs none of them."""

# --privileged: the kubelet and containerd mount, load rules and make cgroups.
# pids-limit: a default of 2048 leaves each unit 307 tasks; containerd then crashes.
# syn_sent: by default a node remembers for 120 s where an attempt to connect went that
# nobody answered, and sends the next one from the same port to the Pod that is gone.
# init, userns, pull: what an engine's settings may say of all containers. systemd is a
# machine's first process, and its image was loaded from no registry.
_MACHINE = (
    "--privileged",
    "--init=false",
    "--userns=host",
    "--pull=never",
    "--sysctl=net.netfilter.nf_conntrack_tcp_timeout_syn_sent=3",
    "--cgroupns=private",
    "--pids-limit=-1",
    "--log-driver=none",
)


class Containers(ABC):
    """The machines of one lab, as containers of one engine.

    Args:
        lab: The lab's name; part of every container's and network's name.
        runner: Runs the engine's command.
        host: The computer whose limits the machines get.

    Attributes:
        name: The provider's name.
        commands: What this computer must have, and the Debian package of each.
        engine: The one of them that does the work.
        asks_first: See `Provider`.
    """

    name: str
    commands: ClassVar[Mapping[str, str]]
    engine: ClassVar[str]
    asks_first: tuple[str, ...] = ()

    _machine: tuple[str, ...]
    """Options of a new machine beside those that all engines take."""
    _init: tuple[str, ...] = ("/sbin/init",)
    """The command that a machine begins with."""
    _bridge: str
    """The template by which a network tells its bridge's name."""
    _load: tuple[str, ...] = ()
    """Options that load an image whoever made it."""
    _remove: tuple[str, ...]
    """Options that remove a machine at once, running or not."""
    _remove_network: tuple[str, ...] = ()
    """Options that remove a network."""
    _start: str = ""
    """How to start what answers its commands; the beginning of a cure."""

    def __init__(self, lab: str, runner: Runner, host: Computer) -> None:
        self._lab = lab
        self._runner = runner
        self._host = host

    @classmethod
    def lacking(cls, host: Computer) -> list[str]:
        """Return which of the engine's commands a computer does not have."""
        return [command for command in cls.commands if not host.has(command)]

    @property
    def network(self) -> str:
        """The name of the lab's network."""
        return f"k8slab-{self._lab}"

    def container(self, machine: str) -> str:
        """Return the name of a machine's container."""
        return f"k8slab-{self._lab}-{machine}"

    def is_gone(self) -> bool:
        """Say whether this computer does not have the engine, or no longer."""
        return not self._host.has(self.engine)

    def about(self) -> About:
        """Return what the engine says of itself, or raise `HostProblem`."""
        if lacking := self.lacking(self._host):
            packages = sorted({self.commands[command] for command in lacking})
            raise self._unusable(
                "there is no " + " and no ".join(lacking),
                "apt-get install --yes " + " ".join(packages),
            )
        return self._look()

    def create_network(self, plan: AddressPlan) -> None:
        """Make the lab's network; it leads nowhere but to the lab."""
        self._run(
            "network",
            "create",
            "--internal",
            *self._network(plan),
            f"--subnet={plan.network}",
            f"--gateway={plan.gateway}",
            f"--label={LABEL}={self._lab}",
            self.network,
        )

    def bridge(self) -> str:
        """Return the name of the network's bridge; it need not be there yet."""
        return self._inspected().check().stdout.strip()

    def bridge_if_any(self) -> str | None:
        """Return the name of the network's bridge, or None without a network."""
        told = self._inspected()
        return told.stdout.strip() if told.ok else None

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
            *_MACHINE,
            f"--env=container={self.name}",
            *(f"--ulimit={limit}={n}:{n}" for limit, n in self._limits()),
            *self._machine,
            *(
                f"--volume={m.source}:{m.target}{':ro' if m.read_only else ''}"
                for m in mounts
            ),
            image,
            *self._init,
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
        # Some say "Up 3 minutes" where others say "running".
        states = {row[0].removeprefix(prefix): row[1].lower() for row in rows if row}
        return {name: "running" if s == "up" else s for name, s in states.items()}

    def start(self, names: Sequence[str]) -> None:
        """Start machines that are stopped, or that somebody paused."""
        self._each("start", (), names)

    def stop(self, names: Sequence[str]) -> None:
        """Shut machines down as their own ``poweroff`` would."""
        self._each("stop", ("-t", f"{stretched(_STOP_S):.0f}"), names)

    def power(self, machine: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the commands that cut a machine's power and give it back."""
        container = self.container(machine)
        off, on = self._argv("kill", container), self._argv("start", container)
        return tuple(off), tuple(on)

    def remove_machines(self, *names: str) -> None:
        """Remove machines, running or not; all there are when none is named."""
        there = [name for name in self.states() if name in names or not names]
        self._each("rm", (*self._remove, "--volumes"), there)

    def remove_network(self) -> None:
        """Remove the network, and so give its range and its bridge's name back."""
        filter = f"--filter=label={LABEL}={self._lab}"
        for network in self._run("network", "ls", "--quiet", filter).split():
            self._run("network", "rm", *self._remove_network, network)

    def has_image(self, image: str) -> bool:
        """Say whether the engine has an image of that name."""
        return self._done("image", "inspect", image).ok

    def load_image(self, archive: Path) -> None:
        """Load an image from its archive."""
        self._run("load", *self._load, f"--input={archive}", timeout=300)

    def labs(self) -> frozenset[str]:
        """Return the names of all labs that have a container or a network here."""
        return frozenset(
            name
            for listing in (("ps", "--all"), ("network", "ls"))
            for name in self._labelled(*listing, _LABS)
        )

    def slots(self, *, own: bool = False) -> frozenset[int]:
        """Return the slots whose machines' range belongs to the network of a lab.

        Args:
            own: Look at this lab's network only, not at those of all labs.
        """
        ranges = self._ranges(f"--filter=label={LABEL}={self._lab}" if own else _LABS)
        plans = (plan for slot in range(SLOTS) for plan in AddressPlan.every(slot))
        return frozenset(plan.slot for plan in plans if plan.network in ranges)

    def networks(self) -> frozenset[IPv4Network]:
        """Return the ranges of all the engine's networks, of labs and others.

        Also of those that have no bridge, and so no route, until a machine starts.
        """
        return self._ranges()

    @property
    @abstractmethod
    def _client(self) -> tuple[str, ...]:
        """The command with the options that stand before every subcommand.

        It is this computer's own engine that they call: here are a lab's bridge, its
        filters and its files.
        """

    @abstractmethod
    def packages(self) -> tuple[str, ...]:
        """Return the Debian packages that this computer must have for it."""

    @abstractmethod
    def _look(self) -> About:
        """Return what the engine says, whose commands are there; see `about`."""

    @abstractmethod
    def _network(self, plan: AddressPlan) -> tuple[str, ...]:
        """Return options of a new network beside those that all engines take."""

    @abstractmethod
    def _labelled(self, *listing: str) -> Sequence[str]:
        """Return the values of our label in what a listing prints."""

    def _ranges(self, *filters: str) -> frozenset[IPv4Network]:
        found = self._run("network", "ls", "--quiet", *filters).split()
        # Not checked: one of them may have been removed since.
        told = self._done("network", "inspect", *found).stdout if found else ""
        # Docker takes a network by the address of its gateway, too.
        return frozenset(IPv4Network(n, strict=False) for n in _SUBNET.findall(told))

    def _limits(self) -> list[tuple[str, int]]:
        """Return limits that root may set here; the engines' defaults may exceed it."""
        return [(limit, highest(self._host, limit)) for limit in LIMITS]

    def _inspected(self) -> Completed:
        template = f"--format={self._bridge}"
        return self._done("network", "inspect", template, self.network)

    def _argv(self, *words: str) -> list[str]:
        return [*self._client, *words]

    def _done(self, *words: str, timeout: float = 60) -> Completed:
        """Return how a call ended, whatever its exit code."""
        argv = self._argv(*words)
        return answered(self._runner.run(argv, check=False, timeout=timeout), self.name)

    def _run(self, *words: str, timeout: float = 60) -> str:
        return self._done(*words, timeout=timeout).check().stdout

    def _ask(self, *words: str) -> str:
        """Return what the engine prints, or say that it does not work."""
        try:
            return self._run(*words, timeout=ANSWER_TIMEOUT_S)
        except CommandFailed as error:
            said = f"run '{' '.join(self._argv(*words))}'"
            cure = f"{self._start}{said} and mend what it complains about"
            raise self._unusable(f"{error.what}; {error.seen}", cure) from error

    def _unusable(self, seen: str, cure: str) -> HostProblem:
        return HostProblem(
            f"{self.name} does not work",
            where="this computer",
            wanted=f"{self.name} that answers within {stretched(ANSWER_TIMEOUT_S):g} s",
            seen=seen,
            next=cure,
        )

    def _each(self, verb: str, options: Sequence[str], names: Sequence[str]) -> None:
        """Run a verb on several containers side by side; the engine takes turns."""
        in_parallel([partial(self._one, verb, options, name) for name in names])

    def _one(self, verb: str, options: Sequence[str], name: str) -> None:
        """Run a verb on a container, which goes on first where somebody paused it."""
        call = (verb, *options, self.container(name))
        try:
            self._run(*call)
        except CommandFailed:
            if self.states().get(name) != "paused":
                raise
            self._run("unpause", self.container(name))
            if verb != "start":
                self._run(*call)
