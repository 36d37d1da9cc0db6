"""What running a chapter needs of a lab, in one place that tests can replace."""

from __future__ import annotations

from contextlib import closing
from importlib.metadata import version
from typing import Any, Protocol


class Door(Protocol):
    """The lab as the runners of chapters see it."""

    def find(self, name: str) -> object | None:
        """Return something when there is a lab of that name, else None."""
        ...

    def up(self, name: str) -> None:
        """Bring a lab up.

        Raises:
            LabError: It could not be brought up; nothing of it is left.
        """
        ...

    def down(self, name: str) -> None:
        """Remove a lab and everything that belongs to it."""
        ...

    def snapshot(self, name: str) -> Any:
        """Return what is in a lab's cluster and on its machines now."""
        ...

    def difference(self, before: Any, after: Any) -> list[str]:
        """Return what differs between two snapshots, one line each."""
        ...

    def versions(self, name: str) -> dict[str, str]:
        """Return the versions that a chapter's outputs depend on."""
        ...


class RealDoor:
    """The labs of this computer."""

    def find(self, name: str) -> object | None:
        """Return the lab of that name, or None."""
        from .. import lab

        return lab.find(name)

    def up(self, name: str) -> None:
        """Bring a lab up, showing its phases."""
        from .. import lab
        from ..progress import reporter_for

        lab.up(name, reporter=reporter_for())

    def down(self, name: str) -> None:
        """Remove a lab."""
        from .. import lab

        lab.down(name)

    def snapshot(self, name: str) -> Any:
        """Return what is in a lab's cluster and on its machines now."""
        from .. import lab
        from ..cluster import snapshot

        with closing(lab.connect(name)) as cluster:
            return snapshot.take(cluster)

    def difference(self, before: Any, after: Any) -> list[str]:
        """Return what differs between two snapshots, one line each."""
        from ..cluster import snapshot

        return [str(line) for line in snapshot.difference(before, after)]

    def versions(self, name: str) -> dict[str, str]:
        """Return the versions of the cluster and of this package."""
        from .. import lab

        with closing(lab.connect(name)) as cluster:
            kubernetes = cluster.version()
        return {"Kubernetes": kubernetes.removeprefix("v"), "k8slab": version("k8slab")}
