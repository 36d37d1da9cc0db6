"""Make the images of machines and of the cluster's Pods."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..providers import build_image, ensure_image
from .debian import EPOCH
from .graph import BuildContext

_MACHINE_PREFIX = "localhost/k8slab"


@dataclass(frozen=True)
class ClusterImage:
    """An image that the cluster's Pods use; `bundle/images/NAME/` says how it is built.

    Attributes:
        name: The image's name.
        component: The Go component whose programs go into it, or none.
        debs: The set of Debian packages that goes into it, or none.
    """

    name: str
    component: str = ""
    debs: str = ""


CLUSTER_IMAGES = (
    ClusterImage("kube-apiserver", "kubernetes"),
    ClusterImage("kube-controller-manager", "kubernetes"),
    ClusterImage("kube-scheduler", "kubernetes"),
    ClusterImage("kube-proxy", "kubernetes", "kube-proxy"),
    ClusterImage("etcd", "etcd"),
    ClusterImage("coredns", "coredns"),
    ClusterImage("pause"),
    ClusterImage("echo", debs="echo"),
    ClusterImage("mariadb", debs="mariadb"),
)
# What a new machine already has; the database is pulled when it is wanted.
PRELOADED = tuple(i.name for i in CLUSTER_IMAGES if i.name != "mariadb")


def machine_reference(kind: str, key: str) -> str:
    """Return the name under which a container engine knows a machine image.

    Args:
        kind: ``bare``, ``ready`` or ``depot``.
        key: The artefact's short key.
    """
    return f"{_MACHINE_PREFIX}/{kind}:{key}"


def make_bare(build: BuildContext) -> None:
    """Make the image of a fresh Debian machine."""
    _machine(build, "bare", context=build.needs["rootfs"])


def make_ready(build: BuildContext) -> None:
    """Make the image of a machine with all packages installed."""
    _machine(build, "ready", volumes={build.needs["apt"]: "/depot"})


def make_depot(build: BuildContext) -> None:
    """Make the image of the machine that serves packages and images."""
    _machine(
        build,
        "depot",
        volumes={build.needs["rootfs"] / "debs" / "nginx": "/debs"},
        contexts={"programs": build.needs["go-registry"] / "bin"},
    )


def _machine(
    build: BuildContext,
    kind: str,
    *,
    context: Path | None = None,
    contexts: dict[str, Path] | None = None,
    volumes: dict[Path, str] | None = None,
) -> None:
    folder = build.source / "machine"
    arguments = {}
    if kind != "bare":
        arguments["BARE"] = _base(build, "image-bare", "bare")
    build_image(
        build.run,
        folder / f"{kind}.Containerfile",
        context or folder,
        build.out / "image.tar",
        machine_reference(kind, build.key),
        timestamp=EPOCH,
        contexts={"machine": folder, **(contexts or {})},
        arguments=arguments,
        volumes=volumes,
        keep=True,
    )


def make_slim(build: BuildContext) -> None:
    """Make the image that all images with a Debian in them share."""
    build_image(
        build.run,
        build.source / "images" / "slim" / "Containerfile",
        build.needs["slim"],
        build.out / "image.tar",
        machine_reference("slim", build.key),
        timestamp=EPOCH,
        keep=True,
    )


def make_cluster_image(image: ClusterImage) -> Callable[[BuildContext], None]:
    """Return what builds one image of the cluster."""

    def make(build: BuildContext) -> None:
        folder = build.source / "images" / image.name
        arguments, volumes, contexts = {}, {}, {}
        if image.component:
            contexts["programs"] = build.needs[f"go-{image.component}"] / "bin"
        if image.debs:
            arguments["SLIM"] = _base(build, "image-slim", "slim")
            volumes[build.needs["slim"] / "debs" / image.debs] = "/debs"
        if image.name == "pause":
            contexts["catatonit"] = _unpacked(build, "catatonit")
        build_image(
            build.run,
            folder / "Containerfile",
            folder,
            build.out / "image.tar",
            build.versions.images[image.name],
            timestamp=EPOCH,
            contexts=contexts,
            arguments=arguments,
            volumes=volumes,
        )
        if image.name == "pause":
            shutil.rmtree(contexts["catatonit"])

    return make


def _unpacked(build: BuildContext, debs: str) -> Path:
    """Unpack a set of Debian packages beside the image, without installing it."""
    folder = build.out / ".unpacked"
    for file in sorted((build.needs["rootfs"] / "debs" / debs).glob("*.deb")):
        build.run.run(["dpkg-deb", "--extract", str(file), str(folder)])
    return folder


def _base(build: BuildContext, artefact: str, kind: str) -> str:
    """Return the name of a base image that the builder has for certain."""
    folder = build.needs[artefact]
    reference = machine_reference(kind, folder.name.rpartition("-")[2])
    ensure_image(build.run, folder / "image.tar", reference)
    return reference
