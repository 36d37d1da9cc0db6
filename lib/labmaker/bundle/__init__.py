"""The bundle: binaries, packages and images that a lab is made of."""

from __future__ import annotations

from pathlib import Path

from k8slab.core.env import Environment
from k8slab.errors import BundleError
from k8slab.lab_record import REGISTRY

from .bundle import Bundle
from .cache import Artefact
from .versions import Versions

__all__ = ["REGISTRY", "Artefact", "Bundle", "Versions", "opened", "source"]


def source() -> Path:
    """Return the repository's ``bundle`` folder.

    Raises:
        BundleError: The package is not installed from the repository.
    """
    folder = Path(__file__).resolve().parents[3] / "bundle"
    if not (folder / "versions.yaml").is_file():
        raise BundleError(
            "the bundle's recipes are not beside the package",
            where=str(folder),
            wanted="the repository's bundle/versions.yaml",
            next="install with 'pip install -e .' from the repository",
        )
    return folder


def opened() -> Bundle:
    """Open the bundle that was built.

    Raises:
        BundleError: There is none, or it is not whole.
    """
    return Bundle.open(Environment.read().cache, source())
