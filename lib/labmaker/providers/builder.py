"""Build images for machines and Pods, whoever provides the machines.

Only podman's builder writes an image that is the same each time, without a daemon and
without asking a registry; so the bundle is built with it on every computer.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from k8slab.core.process import DEFAULT_TIMEOUT_S, Completed, Runner

from .client import answered
from .podman import CLIENT, POLICY

PACKAGES = ("podman", "runc", "skopeo")
"""The Debian packages that this module needs."""
_BUILD_TIMEOUT_S = 1200.0
_COPY_TIMEOUT_S = 600.0


def build_image(
    run: Runner,
    containerfile: Path,
    context: Path,
    tar: Path,
    reference: str,
    *,
    timestamp: int,
    contexts: Mapping[str, Path] | None = None,
    arguments: Mapping[str, str] | None = None,
    volumes: Mapping[Path, str] | None = None,
    keep: bool = False,
) -> None:
    """Build an image and save it as a tar that every provider and containerd can load.

    Args:
        run: Runs commands on this computer.
        containerfile: How to build it.
        context: The folder that `COPY` and `ADD` read from.
        tar: The file to write.
        reference: The image's name and tag.
        timestamp: The time of all its files, in seconds since 1970.
        contexts: Further folders for `COPY --from`, by name.
        arguments: Values of the Containerfile's `ARG`.
        volumes: Folders that `RUN` sees, read-only, and where.
        keep: Leave the image in the builder's store, where others start from it.
    """
    options: list[str] = []
    for name, folder in (contexts or {}).items():
        options.append(f"--build-context={name}={folder}")
    for name, value in (arguments or {}).items():
        options.append(f"--build-arg={name}={value}")
    for folder, place in (volumes or {}).items():
        options.append(f"--volume={folder}:{place}:ro")
    # Until it is saved, the image has a name that no other build uses.
    building = reference if keep else f"localhost/k8slab/building:{tar.parent.name}"
    building = building.replace(".tmp-", "")
    _podman(
        run,
        "build",
        "--quiet",
        "--isolation=chroot",
        "--http-proxy=false",
        "--network=host",
        "--pull=never",
        "--layers=false",
        f"--timestamp={timestamp}",
        f"--tag={building}",
        f"--file={containerfile}",
        *options,
        str(context),
        timeout=_BUILD_TIMEOUT_S,
    ).check()
    try:
        _save(run, building, tar, reference)
    finally:
        if not keep:
            _podman(run, "rmi", "--force", building)


def _save(run: Runner, image: str, tar: Path, reference: str) -> None:
    """Save an image from the builder's store under a name.

    Args:
        run: Runs commands on this computer.
        image: Its name in the builder's store.
        tar: The file to write.
        reference: The name that the tar gives it.
    """
    run.run(
        [
            "skopeo",
            "--insecure-policy",  # of this computer, for what was built here
            "copy",
            "--quiet",
            f"containers-storage:{image}",
            f"docker-archive:{tar}:{reference}",
        ],
        timeout=_COPY_TIMEOUT_S,
    )


def ensure_image(run: Runner, tar: Path, reference: str) -> None:
    """Load an image into the builder's store if it is not there.

    Args:
        run: Runs commands on this computer.
        tar: The file that `build_image` wrote.
        reference: The image's name and tag.
    """
    if not _podman(run, "image", "exists", reference).ok:
        archive = f"--input={tar}"
        _podman(run, "load", POLICY, archive, timeout=_COPY_TIMEOUT_S).check()


def _podman(run: Runner, *words: str, timeout: float = DEFAULT_TIMEOUT_S) -> Completed:
    """Return how a command of the builder ended, whatever its exit code."""
    done = run.run([*CLIENT, *words], check=False, timeout=timeout)
    return answered(done, "podman")
