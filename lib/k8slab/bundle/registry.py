"""Fill the storage of the depot's image registry."""

from __future__ import annotations

from pathlib import Path

import yaml

from .graph import Site
from .images import CLUSTER_IMAGES
from .service import answers, free_port, running
from .versions import REGISTRY

_COPY_TIMEOUT_S = 600.0


def make_registry(site: Site) -> None:
    """Fill the site with a registry's storage that holds every image of the cluster."""
    port = free_port()
    settings = site.out / ".registry.yml"
    log = site.out / ".registry.log"
    settings.write_text(_settings(site.out, port), "utf-8")
    program = site.needs["go-registry"] / "bin" / "registry"
    command = [str(program), "serve", str(settings)]
    with running(command, log, lambda: answers(port)):
        for image in CLUSTER_IMAGES:
            _push(site, image.name, port)
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


def _push(site: Site, name: str, port: int) -> None:
    reference = site.versions.images[name]
    path = reference.removeprefix(f"{REGISTRY}/")
    site.run.run(
        [
            "skopeo",
            "copy",
            "--quiet",
            "--dest-tls-verify=false",
            "--format=oci",
            "--dest-compress-format=zstd",
            f"docker-archive:{site.needs[f'image-{name}'] / 'image.tar'}",
            f"docker://127.0.0.1:{port}/{path}",
        ],
        timeout=_COPY_TIMEOUT_S,
    )
