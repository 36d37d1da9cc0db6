"""What running a chapter needs of a lab, in one place that tests can replace."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Protocol

from k8slab.core.env import Environment

if TYPE_CHECKING:  # these take a second to import
    from k8slab.kube.snapshot import Snapshot

# What the lab that chapters share offers; a chapter that needs "machines" makes a lab
# of its own beside it.
CLUSTER = frozenset({"cluster"})
SHARED = CLUSTER | {"hosts"}
OWN = frozenset({"machines"})
NEEDS = SHARED | OWN
"""All that a chapter's ``needs`` may name."""


class Gateway(Protocol):
    """The lab as the runners of chapters see it."""

    def find(self, name: str) -> object | None:
        """Return something when there is a lab of that name, else None."""
        ...

    def offers(self, name: str) -> frozenset[str]:
        """Return which needs of chapters and cells the lab of that name can meet."""
        ...

    def up(self, name: str) -> None:
        """Bring a lab up; see that an adopted cluster answers.

        Raises:
            LabError: It could not be brought up; nothing of it is left.
        """
        ...

    def down(self, name: str) -> None:
        """Remove a lab and everything that belongs to it."""
        ...

    def carries(self) -> None:
        """See that this computer can carry a lab that a chapter makes.

        Raises:
            BundleError: There is no whole bundle.
            HostProblem: No provider of machines works.
        """
        ...

    def snapshot(self, name: str, needs: Collection[str]) -> Any:
        """Return what is there now of all that a chapter with these needs can change.

        Args:
            name: The lab it acts on.
            needs: What it needs; without a need of the lab, that is not looked at.
        """
        ...

    def difference(self, before: Any, after: Any) -> list[str]:
        """Return what differs between two snapshots, one line each."""
        ...

    def versions(self, name: str, needs: Collection[str]) -> dict[str, str]:
        """Return the versions that a chapter's outputs depend on."""
        ...

    def look(self, name: str) -> str:
        """Return what its cluster holds and what happened there, or why it cannot tell.

        It explains why a cell failed.
        """
        ...


@dataclass(frozen=True)
class Seen:
    """What was there at one moment.

    Attributes:
        own: Traces on this computer of the labs that chapters make for themselves.
        shared: What was in the lab that chapters share; None when none needs it.
    """

    own: frozenset[str]
    shared: Snapshot | None


class LabGateway:
    """The labs of this computer."""

    def find(self, name: str) -> object | None:
        """Return the lab of that name, or None."""
        from k8slab import lab

        return lab.find(name)

    def offers(self, name: str) -> frozenset[str]:
        """Return which needs the lab can meet: an adopted cluster has no machines."""
        from labmaker import adopted

        return CLUSTER if adopted.find(name) else NEEDS

    def up(self, name: str) -> None:
        """Bring a lab up, showing its phases; see that an adopted cluster answers."""
        from k8slab import lab
        from k8slab.core.phases import reporter_for
        from labmaker import adopted, lifecycle

        if adopted.find(name):
            lab.connect(name).close()
            return
        lifecycle.up(name, reporter=reporter_for())

    def down(self, name: str) -> None:
        """Remove a lab, and what a chapter that was killed made beside it."""
        from labmaker import bare, lifecycle

        lifecycle.down(name)
        if bare.is_there(name):
            bare.remove(name)

    def carries(self) -> None:
        """See that there is a bundle, and a provider that works."""
        from labmaker.bundle import opened
        from labmaker.providers import provider_of

        opened()
        env = Environment.read()
        provider_of(env.provider, env.lab).about()

    def snapshot(self, name: str, needs: Collection[str]) -> Any:
        """Return what is there of all that a chapter with these needs can change."""
        from k8slab import lab
        from k8slab.core.process import LocalRunner
        from k8slab.kube import snapshot
        from labmaker import adopted, leftovers
        from labmaker.companions import companions
        from labmaker.providers import NAMES, provider_of, working

        def own() -> frozenset[str]:
            home, known = Environment.read().home, list(working())
            return leftovers.of_labs(home, companions(name), known, LocalRunner())

        foreign = adopted.find(name)  # used on a computer that may carry no lab
        if not foreign and not SHARED & set(needs):
            return Seen(own(), None)
        with closing(lab.connect(name)) as cluster:  # before an engine is asked for it
            if foreign:
                return Seen(frozenset(), snapshot.take(cluster))
            record = cluster.record
            seen = own()
            if record.provider in NAMES:  # who else made it knows its machines
                provider = provider_of(record.provider, record.name)
                seen |= leftovers.strangers(record, provider)
            return Seen(seen, snapshot.take(cluster))

    def difference(self, before: Any, after: Any) -> list[str]:
        """Return what differs between two snapshots, one line each."""
        from k8slab.kube import snapshot

        lines = [f"added: {line}" for line in sorted(after.own - before.own)]
        if before.shared is not None and after.shared is not None:
            lines += map(str, snapshot.difference(before.shared, after.shared))
        return lines

    def versions(self, name: str, needs: Collection[str]) -> dict[str, str]:
        """Return the versions of the cluster and of this package."""
        from k8slab import lab

        if SHARED & set(needs):
            with closing(lab.connect(name)) as cluster:
                kubernetes = cluster.version()
        else:
            from labmaker.bundle import opened

            kubernetes = opened().versions.kubernetes
        return {"Kubernetes": kubernetes.removeprefix("v"), "k8slab": version("k8slab")}

    def look(self, name: str) -> str:
        """Return nodes, Pods and Events as kubectl tells them, or why it cannot."""
        from k8slab import lab
        from k8slab.errors import LabError

        wide = ("--all-namespaces", "--output=wide")
        try:
            with closing(lab.connect(name, heals=False)) as cluster:
                told = [
                    cluster.kubectl(["get", kinds, *wide]).stdout
                    for kinds in ("nodes,pods", "events")
                ]
        except LabError as error:
            return str(error)
        return "\n".join(told)
