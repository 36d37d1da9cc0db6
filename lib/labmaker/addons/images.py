"""Put an add-on's images into a lab's depot, and take them away again everywhere."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from k8slab.core.parallel import in_parallel
from k8slab.core.process import Runner
from k8slab.kube.cluster import Cluster

from ..bundle import REGISTRY
from ..bundle.registry import STORAGE
from ..clone import clone

_PART = ".part"


def offer(registry: Path, depot: Path, runner: Runner) -> bool:
    """Put a registry's files beside those that the depot serves.

    Blobs come first, so what an ended process left is no broken image.

    Args:
        registry: The folder of the registry to add.
        depot: The folder of the depot's.
        runner: Runs ``cp`` on this computer.

    Returns:
        Whether any file was missing.
    """
    added = False
    for file in sorted(path for path in registry.rglob("*") if path.is_file()):
        target = depot / file.relative_to(registry)
        if target.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(target.name + _PART)
        part.unlink(missing_ok=True)
        clone(file, part, runner)
        part.rename(target)
        added = True
    return added


def withdraw(depot: Path, names: Sequence[str]) -> None:
    """Take images out of the depot's registry, with the blobs that no other one has.

    Args:
        depot: The folder of the depot's registry.
        names: The images' names.
    """
    repositories = depot / STORAGE / "repositories"
    for name in names:
        shutil.rmtree(repositories / name, ignore_errors=True)
    wanted = {link.parent.name for link in repositories.rglob("link")}
    for blob in (depot / STORAGE / "blobs" / "sha256").glob("*/*"):
        if blob.name not in wanted:
            shutil.rmtree(blob)
            if not any(blob.parent.iterdir()):
                blob.parent.rmdir()


def forget(cluster: Cluster, names: Sequence[str]) -> None:
    """Remove images, in every version, from the nodes that pulled them.

    Args:
        cluster: The cluster, none of whose Pods uses them any more.
        names: The images' names.
    """
    starts = "|".join(f"^{REGISTRY}/{name}:" for name in names)
    script = (
        "ctr --namespace k8s.io images list --quiet | "
        f"{{ grep -E '{starts}' || true; }} | xargs -r crictl rmi"
    )
    in_parallel([partial(cluster.on(name).script, script) for name in cluster.machines])
