"""Make the images of machines and of the cluster's Pods."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..providers import build_image, ensure_image
from . import components
from .components import Component, Image
from .debian import EPOCH, set_modes
from .graph import BuildContext

_MACHINE_PREFIX = "localhost/k8slab"


PRELOADED = tuple(image.name for image in components.images() if image.preloaded)
"""The images that a new machine already has."""


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
    arguments = {}
    if kind != "bare":
        arguments["BARE"] = _base(build, "image-bare", "bare")
    with _staged(build, "machine") as folder:
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


def make_cluster_image(build: BuildContext, component: Component, image: Image) -> None:
    """Make one image of the cluster."""
    arguments, volumes, contexts = {}, {}, {}
    if component.module:
        contexts["programs"] = build.needs[f"go-{component.name}"] / "bin"
    if image.debs:
        arguments["SLIM"] = _base(build, "image-slim", "slim")
        volumes[build.needs["slim"] / "debs" / image.name] = "/debs"
    if image.unpacked:
        contexts[image.unpacked] = _unpacked(build, image.unpacked)
    with _staged(build, f"images/{image.name}") as folder:
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
    if image.unpacked:
        shutil.rmtree(contexts[image.unpacked])


@contextmanager
def _staged(build: BuildContext, source: str) -> Iterator[Path]:
    """Give a copy of a source folder with the modes of an image, whatever a clone's."""
    folder = build.out / ".source"
    shutil.copytree(build.source / source, folder)
    try:
        set_modes(folder)
        yield folder
    finally:
        shutil.rmtree(folder)


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
