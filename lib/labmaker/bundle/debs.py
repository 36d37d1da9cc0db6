"""Pack compiled programs as Debian packages with their official names and places."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .debian import EPOCH
from .graph import BuildContext

_TIMEOUT_S = 300.0


@dataclass(frozen=True)
class Package:
    """One Debian package.

    Its files and its control file lie in `bundle/packages/NAME/`, as they lie in
    the package.

    Attributes:
        name: The package's name.
        component: The Go component whose version it has.
        programs: Where each compiled program goes.
    """

    name: str
    component: str
    programs: Mapping[str, str]


PACKAGES = (
    Package("kubelet", "kubernetes", {"kubelet": "usr/bin"}),
    Package("kubeadm", "kubernetes", {"kubeadm": "usr/bin"}),
    Package("kubectl", "kubernetes", {"kubectl": "usr/bin"}),
    Package(
        "containerd",
        "containerd",
        {
            "containerd": "usr/bin",
            "containerd-shim-runc-v2": "usr/bin",
            "ctr": "usr/bin",
        },
    ),
    Package(
        "kubernetes-cni",
        "cni",
        {
            "bridge": "opt/cni/bin",
            "host-local": "opt/cni/bin",
            "loopback": "opt/cni/bin",
            "portmap": "opt/cni/bin",
        },
    ),
)


def pack(build: BuildContext, package: Package, into: Path) -> Path:
    """Build one package.

    Args:
        build: Where and what with.
        package: What to pack.
        into: The folder for the package's file.

    Returns:
        The package's file.
    """
    tree = build.out / f".tree-{package.name}"
    shutil.copytree(build.source / "packages" / package.name, tree)
    programs = build.needs[f"go-{package.component}"] / "bin"
    for program, folder in package.programs.items():
        (tree / folder).mkdir(parents=True, exist_ok=True)
        shutil.copy(programs / program, tree / folder / program)
    version = build.versions.package(package.component)
    control = tree / "DEBIAN" / "control"
    control.write_text(
        control.read_text("utf-8")
        .replace("@VERSION@", version)
        .replace("@SIZE@", str(_kilobytes(tree)))
        .replace("@PAUSE@", build.versions.images["pause"]),
        "utf-8",
    )
    _fill(tree / "etc" / "containerd" / "config.toml", build)
    _set_modes(tree)
    file = into / f"{package.name}_{version}_amd64.deb"
    build.run.run(
        [
            "env",
            f"SOURCE_DATE_EPOCH={EPOCH}",
            "dpkg-deb",
            "--root-owner-group",
            "-Zzstd",
            "-z6",
            "--build",
            str(tree),
            str(file),
        ],
        timeout=_TIMEOUT_S,
    )
    shutil.rmtree(tree)
    return file


def _fill(file: Path, build: BuildContext) -> None:
    """Write the name of the pause image into containerd's settings."""
    if file.is_file():
        text = file.read_text("utf-8")
        file.write_text(
            text.replace("@PAUSE@", build.versions.images["pause"]), "utf-8"
        )


def _kilobytes(tree: Path) -> int:
    return sum(p.stat().st_size for p in tree.rglob("*") if p.is_file()) // 1024


def _set_modes(tree: Path) -> None:
    """Give every file the mode that Debian wants, whatever a checkout gave it."""
    tree.chmod(0o755)
    scripts = {"postinst", "prerm", "postrm"}
    for path in tree.rglob("*"):
        program = path.parent.name == "bin" or path.name in scripts
        path.chmod(0o755 if path.is_dir() or program else 0o644)
