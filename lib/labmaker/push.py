"""Push the images of a bundle to a registry that a cluster pulls from."""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from typing import Any

from k8slab.core.process import LocalRunner, Runner
from k8slab.errors import BadInput, CommandFailed
from k8slab.lab_record import REGISTRY

from . import bundle
from .bundle import Bundle, components
from .bundle.registry import STORAGE

_TIMEOUT_S = 600.0
# https://github.com/distribution/reference/blob/main/regexp.go
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]+)?")
_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_PART}(?:/{_PART})*")


def prefix_of(place: str) -> str:
    """Return a registry with its path, without a slash at its end.

    Args:
        place: As the reader gives it: ``registry.example/team/book``.

    Raises:
        BadInput: It can be none, or it has a tag or a scheme.
    """
    prefix = place.removesuffix("/")
    host, _, path = prefix.partition("/")
    if not _HOST.fullmatch(host) or not _PATH.fullmatch(path):
        raise BadInput(
            "that is no place for images",
            where="REGISTRY/PREFIX",
            wanted="a registry with a path, as in registry.example/team/book",
            seen=repr(place),
            next="leave out scheme and tag, and write the path in small letters",
        )
    return prefix


def push(
    place: str,
    *,
    cluster: bool = False,
    plain: bool = False,
    runner: Runner | None = None,
) -> list[str]:
    """Push the bundle's images to a registry with ``skopeo``.

    Whoever pushes logs in first: ``skopeo login REGISTRY``.

    Args:
        place: The registry and path, as a cluster is adopted with.
        cluster: Push all that a cluster is made of, not only what chapters run.
        plain: Whether the registry is reached without TLS.
        runner: Runs commands on this computer.

    Returns:
        The names under which a cluster pulls them.

    Raises:
        BadInput: It is no place for images.
        BundleError: There is no bundle.
        CommandFailed: The registry does not take one.
    """
    prefix = prefix_of(place)
    built = bundle.opened()
    pushed = []
    wanted = components.images() if cluster else components.chapter_images()
    for short in (image.name for image in wanted):
        name = built.image_ref(short).replace(REGISTRY, prefix, 1)
        with tempfile.TemporaryDirectory() as folder:
            _lay_out(built, short, Path(folder))
            # Whatever this computer takes from others, these are our own.
            copy = ["skopeo", "--insecure-policy", "copy", "--quiet"]
            copy += ["--dest-tls-verify=false"] if plain else []
            copy += [f"oci:{folder}", f"docker://{name}"]
            try:
                (runner or LocalRunner()).run(copy, timeout=_TIMEOUT_S)
            except CommandFailed as error:
                error.next = (
                    f"log in first: skopeo login {prefix.partition('/')[0]}; "
                    "a registry without TLS needs --plain-http"
                )
                raise
        pushed.append(name)
    return pushed


def _lay_out(built: Bundle, image: str, folder: Path) -> None:
    """Write an OCI layout of an image, of the storage of the depot's registry.

    A bundle that was imported has this storage and no other form of the image.
    """
    storage = built.path("registry") / STORAGE
    path, _, tag = built.image_ref(image).partition("/")[2].rpartition(":")
    link = storage / "repositories" / path / "_manifests/tags" / tag / "current/link"
    digest = link.read_text("utf-8").strip()
    (folder / "blobs/sha256").mkdir(parents=True)
    text = _blob(storage, digest, folder).read_text("utf-8")
    manifest: dict[str, Any] = json.loads(text)
    for part in (manifest["config"], *manifest["layers"]):
        _blob(storage, part["digest"], folder)
    entry = {
        "mediaType": manifest["mediaType"],
        "digest": digest,
        "size": len(text.encode()),
    }
    index = {"schemaVersion": 2, "manifests": [entry]}
    (folder / "index.json").write_text(json.dumps(index), "utf-8")
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}', "utf-8")


def _blob(storage: Path, digest: str, folder: Path) -> Path:
    """Put a blob of the storage into a layout; return where it lies."""
    kind, _, value = digest.partition(":")
    placed = folder / "blobs" / kind / value
    placed.symlink_to(storage / "blobs" / kind / value[:2] / value / "data")
    return placed
