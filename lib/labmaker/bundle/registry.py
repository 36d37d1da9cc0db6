"""Fill the storage of the depot's image registry."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml

from k8slab.lab_record import REGISTRY

from .graph import BuildContext
from .servers import answers, free_port, running

STORAGE = Path("docker/registry/v2")
"""Where a registry keeps blobs and tags below its folder.

https://distribution.github.io/distribution/storage-drivers/filesystem/
"""
_COPY_TIMEOUT_S = 600.0


def make_registry(build: BuildContext, names: Sequence[str]) -> None:
    """Fill the folder with a registry's storage that holds these cluster images."""
    port = free_port()
    settings = build.out / ".registry.yml"
    log = build.out / ".registry.log"
    settings.write_text(_settings(build.out, port), "utf-8")
    program = build.needs["go-registry"] / "bin" / "registry"
    command = [str(program), "serve", str(settings)]
    with running(command, log, lambda: answers(port)):
        for name in names:
            _push(build, name, port)
    settings.unlink()
    log.unlink()


def _settings(storage: Path, port: int) -> str:
    return yaml.safe_dump(
        {
            "version": 0.1,
            "log": {"level": "warn"},
            "storage": {"filesystem": {"rootdirectory": str(storage)}},
            "http": {"addr": f"127.0.0.1:{port}"},
        }
    )


def _push(build: BuildContext, name: str, port: int) -> None:
    reference = build.versions.images[name]
    path = reference.removeprefix(f"{REGISTRY}/")
    build.run.run(
        [
            "skopeo",
            "--insecure-policy",  # of this computer, for what was built here
            "copy",
            "--quiet",
            "--dest-tls-verify=false",
            "--format=oci",
            "--dest-compress-format=zstd",
            f"docker-archive:{build.needs[f'image-{name}'] / 'image.tar'}",
            f"docker://127.0.0.1:{port}/{path}",
        ],
        timeout=_COPY_TIMEOUT_S,
    )
