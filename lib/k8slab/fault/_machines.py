"""Faults of one worker, made and repaired over SSH."""

from __future__ import annotations

from datetime import datetime
from ipaddress import ip_network
from typing import Any, ClassVar

from ..errors import BadInput, LabError, MachineUnreachable
from ..kube.objects import Node, Object
from ._kind import MACHINE, Fault, Place, Seen

CONFIG = "/var/lib/kubelet/config.yaml"
FIELD = "fileCheckFrequency:"
SPOILT = f"{FIELD} 1sec"
_KIND = "kind: KubeletConfiguration"
HEALTHZ = "http://127.0.0.1:10248/healthz"
CNI = "/etc/cni/net.d"


def node(at: Place) -> Node:
    """Return the machine as the cluster sees it."""
    return Node.read(at.cluster.get("nodes", at.name))


def is_active(at: Place, unit: str) -> bool:
    """Say whether a unit runs on the machine."""
    return at.shell.run(["systemctl", "is-active", "--quiet", unit], check=False).ok


def _answers(at: Place) -> bool:
    """Say whether the machine's kubelet answers."""
    # Not the unit's state: a kubelet that ends at once is active in between.
    return at.shell.run(["curl", "-fsS", "-m", "2", HEALTHZ], check=False).ok


def _started_at(at: Place) -> float:
    """Return when the machine's kubelet was started, in seconds since 1970."""
    ask = ["systemctl", "show", "kubelet", "-P", "ActiveEnterTimestamp"]
    told = at.shell.run([*ask, "--timestamp=unix"]).stdout.strip()
    return float(told.removeprefix("@") or 0)


def _told_at(node: Object) -> float:
    """Return when a kubelet last told of its node, by its own clock; 0 for never."""
    status = node.get("status") or {}
    beats = [
        condition["lastHeartbeatTime"]
        for condition in status.get("conditions") or []
        if condition["type"] == "Ready"
    ]
    return datetime.fromisoformat(beats[0]).timestamp() if beats else 0.0


class MachineFault(Fault):
    """A fault of a worker that is healthy when its node is Ready."""

    needs = MACHINE
    symptom_s = 120  # a silent node counts as lost after 50 s
    says: ClassVar[str] = ""
    """What the node says of itself then; empty where it says nothing any more."""

    def healthy(self, at: Place) -> Seen:
        """Look whether its units work, and its node is Ready."""
        if not is_active(at, "containerd"):
            return Seen(False, "containerd does not run")
        if not _answers(at):
            return Seen(False, "the kubelet does not answer")
        found = at.cluster.get("nodes", at.name)
        if _told_at(found) <= _started_at(at):
            return Seen(False, "the kubelet has told nothing since it was started")
        seen = Node.read(found)
        return Seen(seen.ready, "Ready" if seen.ready else f"NotReady: {seen.message}")

    def shows(self, at: Place) -> Seen:
        """Look whether its node is not Ready, for the reason that is meant."""
        seen = node(at)
        meant = not seen.ready and self.says in seen.message
        return Seen(meant, f"NotReady: {seen.message}")


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
    says = "container runtime is down"
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
    symptom = "The kubelet's unit starts again and again, and ends each time."
    cause = f"A duration in {CONFIG} has a unit that does not exist."
    cure = "Read the file and value in journalctl -u kubelet, and correct the value."
    symptom_s = 30

    def save(self, at: Place) -> dict[str, Any]:
        """Keep the configuration."""
        return {"config": at.shell.read(CONFIG)}

    def inject(self, at: Place) -> None:
        """Spoil one field, and restart the kubelet."""
        at.shell.put(CONFIG, _with_field(at.saved["config"], [SPOILT]))
        at.shell.run(["systemctl", "restart", "--no-block", "kubelet"])

    def shows(self, at: Place) -> Seen:
        """Look whether the unit does not stay up, and says why."""
        log = ["journalctl", "-u", "kubelet", "-n", "40", "--no-pager", "-o", "cat"]
        said = "failed to load" in at.shell.run(log).stdout
        active = is_active(at, "kubelet")
        words = "active" if active else "not active"
        return Seen(said and not active, f"kubelet {words}")

    def repair(self, at: Place) -> None:
        """Put the field back, unless it has another value that works."""
        if SPOILT in _field(_text(at)) or not _answers(at):
            self.undo(at)

    def undo(self, at: Place) -> None:
        """Put the field back, and restart the kubelet where it differed.

        Only that: the file may be another one by now, as without `disk-pressure`. All
        of it where that is no configuration, or the kubelet does not run with it.
        """
        saved, now = at.saved["config"], _text(at)
        whole = _with_field(now, _field(saved)) if _KIND in now else saved
        if at.shell.put(CONFIG, whole) or (
            not _answers(at) and at.shell.put(CONFIG, saved)
        ):
            at.shell.run(["systemctl", "restart", "kubelet"])


def _text(at: Place) -> str:
    """Return the kubelet's configuration; nothing where the reader took it away."""
    try:
        return at.shell.read(CONFIG)
    except MachineUnreachable:
        raise
    except LabError:
        return ""


def _field(config: str) -> list[str]:
    """Return the lines of a configuration that set `FIELD`: one, or none."""
    return [line for line in config.splitlines() if line.startswith(FIELD)]


def _with_field(config: str, lines: list[str]) -> str:
    """Return a configuration that has these lines in the place of those of `FIELD`."""
    every = config.splitlines()
    rest = [line for line in every if not line.startswith(FIELD)]
    place = every.index(_field(config)[0]) if _field(config) else len(every)
    return "\n".join([*rest[:place], *lines, *rest[place:]]) + "\n"


class ConflistAway(MachineFault):
    """The Pod network's configuration is not where containerd looks for it."""

    name = "pod-network-away"
    says = "cni plugin not initialized"
    symptom = f"The node is NotReady: {says}."
    cause = f"The network's configuration file is not in {CNI} any more."
    cure = "Copy the file back; containerd does not notice one that is moved in."

    def check(self, at: Place) -> None:
        """Refuse a machine without such a file."""
        super().check(at)
        if not self._files(at):
            raise BadInput(
                "the machine has no network configuration that could be taken away",
                where=at.name,
                wanted=f"a .conflist file in {CNI}",
                seen="none",
            )

    def save(self, at: Place) -> dict[str, Any]:
        """Keep the file."""
        path = self._files(at)[0]
        return {"path": path, "content": at.shell.read(path)}

    def inject(self, at: Place) -> None:
        """Move the file one folder up."""
        at.shell.run(["mv", at.saved["path"], "/etc/cni/"])

    def repair(self, at: Place) -> None:
        """Write the file anew, so that containerd notices one that was moved back."""
        path = at.saved["path"]
        at.shell.run(["rm", "-f", path, path.replace(CNI, "/etc/cni")])
        at.shell.put(path, at.saved["content"])

    @staticmethod
    def _files(at: Place) -> list[str]:
        find = ["find", CNI, "-name", "*.conflist"]
        return sorted(at.shell.run(find, check=False).stdout.split())


class RouteAway(MachineFault):
    """The route to another machine's Pods is missing."""

    name = "pod-route-away"
    symptom = "Pods on this machine do not reach the Pods of one other machine."
    cause = "The route to that machine's Pod range is missing on this one."
    cure = "Restore the route: here, systemctl restart pod-routes."

    def check(self, at: Place) -> None:
        """Refuse a machine without such a route."""
        super().check(at)
        if not self.save(at)["route"]:
            raise BadInput(
                "the machine has no route to another machine's Pods",
                where=at.name,
                wanted="Pod ranges that the machines route by themselves",
                seen="none",
            )

    def save(self, at: Place) -> dict[str, Any]:
        """Keep the route to the first other machine that is a node."""
        others = [n for n in at.cluster.record.nodes[::-1] if n.name != at.name]
        to = str(others[0].pods)
        found = at.shell.run(["ip", "route", "show", to], check=False)
        return {"to": to, "route": found.stdout.split()}

    def inject(self, at: Place) -> None:
        """Delete the route."""
        at.shell.run(["ip", "route", "delete", at.saved["to"]])

    def shows(self, at: Place) -> Seen:
        """Look whether the machine knows no way there."""
        known = bool(self._known(at))
        return Seen(not known, "the route is there" if known else "no route")

    def repair(self, at: Place) -> None:
        """Put the route back."""
        at.shell.run(["ip", "route", "replace", *at.saved["route"]])

    def healthy(self, at: Place) -> Seen:
        """Look whether the route is there and leads there, and the node is Ready."""
        found = self._known(at)
        if not found:
            return Seen(False, "no route")
        route = at.saved["route"]
        if "via" in route:
            gateway = route[route.index("via") + 1]
            address = str(next(ip_network(at.saved["to"]).hosts()))
            way = at.shell.run(["ip", "route", "get", address], check=False)
            if f" via {gateway} " not in way.stdout:
                return Seen(False, f"the route leads another way: {found}")
        return super().healthy(at)

    @staticmethod
    def _known(at: Place) -> str:
        """Return the route that the machine has there, or nothing."""
        show = ["ip", "route", "show", at.saved["to"]]
        return " ".join(at.shell.run(show).stdout.split())


class PoweredOff(MachineFault):
    """The machine's power was cut."""

    name = "powered-off"
    symptom = "The node is NotReady after 50 s, and nothing on the machine answers."
    cause = "The machine has no power."
    cure = "Give it power; its units start by themselves."
    health_s = 150

    def check(self, at: Place) -> None:
        """Refuse a machine whose power this computer cannot switch."""
        super().check(at)
        if not at.cluster.machine(at.name).has_power:
            raise BadInput(
                f"nothing on this computer can switch the power of {at.name}",
                where=at.name,
                wanted="power_off and power_on in the lab's lab.json",
                seen="none",
            )

    def inject(self, at: Place) -> None:
        """Cut its power."""
        at.cluster.machine(at.name).power_off()

    def repair(self, at: Place) -> None:
        """Give it power, where it has none."""
        machine = at.cluster.machine(at.name)
        if not machine.is_on():
            machine.power_on()
