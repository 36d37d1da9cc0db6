"""Pack compiled programs as Debian packages with their official names and places."""

from __future__ import annotations

import shutil
from pathlib import Path

from .components import Package
from .debian import EPOCH, set_modes
from .graph import BuildContext

_TIMEOUT_S = 300.0


def pack(build: BuildContext, component: str, package: Package, into: Path) -> Path:
    """Build one package.

    Args:
        build: Where and what with.
        component: The component whose programs and version it has.
        package: What to pack.
        into: The folder for the package's file.

    Returns:
        The package's file.
    """
    tree = build.out / f".tree-{package.name}"
    shutil.copytree(build.source / "packages" / package.name, tree)
    programs = build.needs[f"go-{component}"] / "bin"
    folder = tree / package.folder
    folder.mkdir(parents=True, exist_ok=True)
    for program in package.programs:
        shutil.copy(programs / program, folder / program)
    version = build.versions.package(component)
    control = tree / "DEBIAN" / "control"
    control.write_text(
        control.read_text("utf-8")
        .replace("@VERSION@", version)
        .replace("@ARCHITECTURE@", build.architecture)
        .replace("@SIZE@", str(_kilobytes(tree)))
        .replace("@PAUSE@", build.versions.images["pause"]),
        "utf-8",
    )
    _fill(tree / "etc" / "containerd" / "config.toml", build)
    set_modes(tree)
    file = into / f"{package.name}_{version}_{build.architecture}.deb"
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
