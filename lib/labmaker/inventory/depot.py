"""Bring the bundle's packages and images to machines that only SSH reaches."""

from __future__ import annotations

import json
import tarfile
import tempfile
from pathlib import Path
from typing import Protocol

import yaml

from k8slab.core.hints import command
from k8slab.core.poll import until
from k8slab.errors import BundleError
from k8slab.ssh.shell import Shell

from ..bundle import REGISTRY, Bundle
from ..pki import Identity

PORT = 5443
"""Where images are served: 443 may be the machine's own."""
FOLDER = "/var/lib/k8slab"
APT = f"{FOLDER}/apt"
_STORE = f"{FOLDER}/registry"
_PROGRAM = "usr/local/bin/registry"
_UNIT = "k8slab-depot.service"
_UNIT_TEXT = f"""\
[Unit]
Description=Images of the lab
After=network.target

[Service]
ExecStart={FOLDER}/registry-program serve {FOLDER}/registry.yaml
Environment=OTEL_TRACES_EXPORTER=none
Restart=always
RestartSec=1
User=www-data
ProtectSystem=strict
ProtectHome=true
NoNewPrivileges=true

[Install]
WantedBy=multi-user.target
"""
_UNPACK_S = 300.0
_START_S = 30.0


class _Shell(Shell, Protocol):
    def upload(self, source: Path, path: str, *, mode: int = 0o644) -> None:
        """Copy a file of this computer."""
        ...


def bring_packages(shell: _Shell, bundle: Bundle) -> None:
    """Copy the bundle's signed repository to a machine, whose apt reads it there."""
    source = bundle.path("apt")
    for file in sorted(path for path in source.rglob("*") if path.is_file()):
        shell.upload(file, f"{APT}/{file.relative_to(source)}")


def serve_images(shell: _Shell, bundle: Bundle, identity: Identity) -> None:
    """Copy the bundle's registry to a machine, and have it serve the images.

    Args:
        shell: The machine.
        bundle: Whose images.
        identity: The certificate of ``registry.lab``.

    Raises:
        NotReady: It does not serve within half a minute.
    """
    with tempfile.TemporaryDirectory(prefix="k8slab-") as beside:
        packed = Path(beside) / "registry.tar"
        with tarfile.open(packed, "w", dereference=True) as tar:
            tar.add(bundle.path("registry"), arcname="registry")
        shell.upload(packed, f"{FOLDER}/registry.tar")
        program = Path(beside) / "registry-program"
        _take_program(bundle.image_tar("depot"), program)
        shell.upload(program, f"{FOLDER}/{program.name}", mode=0o755)
    unpack = ["tar", "--no-same-owner", "-C", FOLDER, "-xf", f"{FOLDER}/registry.tar"]
    shell.run(unpack, timeout=_UNPACK_S)
    shell.run(["chmod", "-R", "a+rX", _STORE])
    shell.run(["rm", f"{FOLDER}/registry.tar"])
    shell.put(f"{FOLDER}/tls.crt", identity.certificate)
    shell.put(f"{FOLDER}/tls.key", identity.key, mode=0o600)
    shell.run(["chown", "www-data", f"{FOLDER}/tls.key"])
    shell.put(f"{FOLDER}/registry.yaml", _settings())
    shell.put(f"/etc/systemd/system/{_UNIT}", _UNIT_TEXT)
    shell.run(["systemctl", "daemon-reload"])
    shell.run(["systemctl", "enable", "--now", _UNIT])
    connect = f"exec 3<>/dev/tcp/127.0.0.1/{PORT}"
    until(
        lambda: shell.run(["bash", "-c", connect], check=False).ok,
        what="the images are not served",
        want=f"a connection to port {PORT}",
        timeout=_START_S,
        where=shell.where,
        next=command("ssh", shell.lab, f"{shell.where} journalctl -u {_UNIT} -n 30"),
    )


def _settings() -> str:
    return yaml.safe_dump(
        {
            "version": 0.1,
            "log": {"level": "warn"},
            "storage": {
                "filesystem": {"rootdirectory": _STORE},
                "maintenance": {"readonly": {"enabled": True}},
            },
            "http": {
                "addr": f":{PORT}",
                "host": f"https://{REGISTRY}:{PORT}",
                "tls": {
                    "certificate": f"{FOLDER}/tls.crt",
                    "key": f"{FOLDER}/tls.key",
                },
            },
        }
    )


def _take_program(image: Path, target: Path) -> None:
    """Take the registry's program out of the depot's image.

    An imported bundle has the program nowhere else.
    """
    with tarfile.open(image) as archive:
        found = archive.extractfile("manifest.json")
        assert found is not None  # noqa: S101 - every image has one
        for layer in reversed(json.load(found)[0]["Layers"]):
            packed = archive.extractfile(layer)
            assert packed is not None  # noqa: S101 - the manifest names it
            with tarfile.open(fileobj=packed) as tar:
                if _PROGRAM in tar.getnames():
                    program = tar.extractfile(_PROGRAM)
                    assert program is not None  # noqa: S101 - it is a file
                    target.write_bytes(program.read())
                    return
    raise BundleError(
        "the depot's image has no registry",
        where=str(image),
        wanted=_PROGRAM,
        next="run 'k8slab bundle build'",
    )
