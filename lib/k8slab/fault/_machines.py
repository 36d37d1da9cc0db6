"""Faults of one worker, made and repaired over SSH."""

from __future__ import annotations

from typing import Any, ClassVar

from ..kube.objects import Node
from ._kind import MACHINE, Fault, Place, Seen

CONFIG = "/var/lib/kubelet/config.yaml"


def node(at: Place) -> Node:
    """Return the machine as the cluster sees it."""
    return Node.read(at.cluster.get("nodes", at.name))


def is_active(at: Place, unit: str) -> bool:
    """Say whether a unit runs on the machine."""
    return at.shell.run(["systemctl", "is-active", "--quiet", unit], check=False).ok


class MachineFault(Fault):
    """A fault of a worker that is healthy when its node is Ready."""

    needs = MACHINE
    symptom_s = 120  # a silent node counts as lost after 50 s
    units: ClassVar[tuple[str, ...]] = ("containerd", "kubelet")

    def healthy(self, at: Place) -> Seen:
        """Look whether its units run, and its node is Ready."""
        down = [unit for unit in self.units if not is_active(at, unit)]
        if down:
            return Seen(False, f"{' and '.join(down)} not running")
        seen = node(at)
        return Seen(seen.ready, "Ready" if seen.ready else f"NotReady: {seen.message}")

    def shows(self, at: Place) -> Seen:
        """Look whether its node is not Ready."""
        seen = node(at)
        return Seen(not seen.ready, f"NotReady: {seen.message}")


class KubeletStopped(MachineFault):
    """The kubelet was stopped."""

    name = "kubelet-stopped"
    symptom = "The node is NotReady after 50 s: its kubelet stopped posting its status."
    cause = "The kubelet's unit is stopped on the machine."
    cure = "Start it: systemctl start kubelet."

    def inject(self, at: Place) -> None:
        """Stop the unit."""
        at.shell.run(["systemctl", "stop", "kubelet"])

    def repair(self, at: Place) -> None:
        """Start the unit."""
        at.shell.run(["systemctl", "start", "kubelet"])


class ContainerdStopped(MachineFault):
    """The container runtime was stopped."""

    name = "containerd-stopped"
    symptom = (
        "The node is NotReady: its kubelet says that the container runtime is down."
    )
    cause = "The unit of containerd is stopped on the machine."
    cure = "Start it: systemctl start containerd."

    def inject(self, at: Place) -> None:
        """Stop the unit."""
        at.shell.run(["systemctl", "stop", "containerd"])

    def repair(self, at: Place) -> None:
        """Start the unit."""
        at.shell.run(["systemctl", "start", "containerd"])


class KubeletMisconfigured(MachineFault):
    """The kubelet's configuration cannot be read."""

    name = "kubelet-misconfigured"
    symptom = "The kubelet's unit starts again every second, and ends each time."
    cause = f"A duration in {CONFIG} has a unit that does not exist."
    cure = "Read the file and field in journalctl -u kubelet, and correct the value."
    symptom_s = 30

    def save(self, at: Place) -> dict[str, Any]:
        """Keep the configuration."""
        return {"config": at.shell.read(CONFIG)}

    def inject(self, at: Place) -> None:
        """Spoil one field, and restart the kubelet."""
        lines = at.saved["config"].splitlines()
        key = "fileCheckFrequency"
        kept = [line for line in lines if not line.startswith(f"{key}:")]
        at.shell.put(CONFIG, "\n".join([*kept, f"{key}: 1sec"]) + "\n")
        at.shell.run(["systemctl", "restart", "--no-block", "kubelet"])

    def shows(self, at: Place) -> Seen:
        """Look whether the unit does not stay up, and says why."""
        log = ["journalctl", "-u", "kubelet", "-n", "40", "--no-pager", "-o", "cat"]
        said = "failed to load" in at.shell.run(log).stdout
        active = is_active(at, "kubelet")
        words = "active" if active else "not active"
        return Seen(said and not active, f"kubelet {words}")

    def repair(self, at: Place) -> None:
        """Put the configuration back, and restart the kubelet where it differed."""
        if at.shell.put(CONFIG, at.saved["config"]):
            at.shell.run(["systemctl", "restart", "kubelet"])
