"""Prepare the image store that every new machine starts with a copy of."""

from __future__ import annotations

import json
import shutil
import tarfile
import tempfile
from pathlib import Path

from .graph import BuildContext
from .images import PRELOADED
from .servers import running

_NAMESPACE = "k8s.io"
_IMPORT_TIMEOUT_S = 300.0
# What the runtime's Kubernetes side writes on images that are its own.
_MANAGED = "io.cri-containerd.image=managed"
_PINNED = "io.cri-containerd.pinned=pinned"


def make_store(build: BuildContext) -> None:
    """Fill the folder with a `/var/lib/containerd` that holds the preloaded images.

    The built containerd unpacks them here, on this computer, with folders and a
    socket of its own.
    """
    programs = build.needs["go-containerd"] / "bin"
    # A short path: the name of a socket has a limit.
    with tempfile.TemporaryDirectory(prefix="k8slab-") as name:
        place = Path(name)
        settings = place / "config.toml"
        settings.write_text(_settings(build.out, place), "utf-8")
        server = [str(programs / "containerd"), "--config", str(settings)]
        ctr = [
            str(programs / "ctr"),
            f"--address={place / 'containerd.sock'}",
            f"--namespace={_NAMESPACE}",
        ]

        def answers() -> bool:
            return build.run.run([*ctr, "version"], check=False, timeout=10).ok

        with running(server, place / "log", answers):
            for image in PRELOADED:
                _import(build, ctr, image)
            # Layers that are unpacked are not needed packed: have them collected now,
            # or each machine would do it at its first start.
            build.run.run([*ctr, "leases", "create", "--id=collected"])
            build.run.run([*ctr, "leases", "delete", "--sync", "collected"])
    # Each machine makes its own id.
    for one in ("io.containerd.grpc.v1.introspection", "tmpmounts"):
        shutil.rmtree(build.out / one, ignore_errors=True)


def _settings(root: Path, place: Path) -> str:
    lines = [
        "version = 3",
        f"root = {json.dumps(str(root))}",
        f"state = {json.dumps(str(place / 'state'))}",
        'disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.nri.v1.nri",'
        ' "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime",'
        ' "io.containerd.internal.v1.opt"]',
        "[grpc]",
        f"address = {json.dumps(str(place / 'containerd.sock'))}",
    ]
    return "\n".join(lines) + "\n"


def _import(build: BuildContext, ctr: list[str], image: str) -> None:
    tar = build.needs[f"image-{image}"] / "image.tar"
    reference = build.versions.images[image]
    build.run.run(
        [
            *ctr,
            "images",
            "import",
            "--local",
            "--discard-unpacked-layers",
            "--snapshotter=overlayfs",
            str(tar),
        ],
        timeout=_IMPORT_TIMEOUT_S,
    )
    # The runtime knows an image by its id, too: the digest of its configuration.
    known_as = f"sha256:{_image_id(tar)}"
    build.run.run([*ctr, "images", "tag", "--force", "--local", reference, known_as])
    labels = [_MANAGED, _PINNED] if image == "pause" else [_MANAGED]
    for name in (reference, known_as):
        build.run.run([*ctr, "images", "label", name, *labels])


def _image_id(tar: Path) -> str:
    with tarfile.open(tar) as archive:
        manifest = archive.extractfile("manifest.json")
        assert manifest is not None  # noqa: S101 - every image's archive has one
        (entry,) = json.load(manifest)
    return str(entry["Config"]).removesuffix(".json")
