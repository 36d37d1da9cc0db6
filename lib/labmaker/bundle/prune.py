"""Keep the bundle's cache small: drop what no lab and no cheap rebuild needs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .cache import Artefact, Cache

LIMIT_BYTES = 6_000_000_000
"""What the cache may hold after a build."""


@dataclass(frozen=True)
class Pruned:
    """What was dropped.

    Attributes:
        freed: Bytes by what they were, such as ``unpacked sources``.
        left_bytes: What the cache holds now.
    """

    freed: dict[str, int]
    left_bytes: int

    @property
    def text(self) -> str:
        """One line, in MB."""
        went = ", ".join(
            f"{size / 1e6:.0f} MB of {what}" for what, size in self.freed.items()
        )
        return f"{self.left_bytes / 1e6:.0f} MB kept; {went or 'nothing'} dropped"


def prune(
    cache: Cache, kept: Sequence[Artefact], limit_bytes: int = LIMIT_BYTES
) -> Pruned:
    """Drop old artefacts, sources that can be unpacked again, then old compile results.

    Another build needs no network for what it dropped: Go's archives stay. It compiles
    the packages again whose results went, those used longest ago first.

    Args:
        cache: The cache; the caller holds its lock.
        kept: The artefacts that stay.
        limit_bytes: Compile results go until the cache holds no more than this.
    """
    freed: dict[str, int] = {}

    def drop(what: str, paths: Iterator[Path]) -> None:
        for path in paths:
            freed[what] = freed.get(what, 0) + _remove(path)

    drop("older artefacts", _superseded(cache, kept))
    go = cache.root / "go"
    drop("unpacked sources", (p for p in _children(go / "mod") if p.name != "cache"))
    excess = size_of(cache.root) - limit_bytes
    results = sorted(
        (path for path in (go / "build").rglob("*") if path.is_file()),
        key=lambda path: path.stat().st_mtime,
    )
    for path in results:
        if excess <= 0:
            break
        size = _remove(path)
        freed["compile results"] = freed.get("compile results", 0) + size
        excess -= size
    return Pruned({k: v for k, v in freed.items() if v}, size_of(cache.root))


def size_of(folder: Path) -> int:
    """Return the bytes of all files below a folder; one with two names counts once."""
    found = {}
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            status = path.lstat()
            found[status.st_ino] = status.st_size
    return sum(found.values())


def _superseded(cache: Cache, kept: Sequence[Artefact]) -> Iterator[Path]:
    stay = {cache.folder(a.name, a.key) for a in kept} | {
        cache.list_file(a) for a in kept
    }
    return (path for path in _children(cache.artefacts) if path not in stay)


def _children(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _remove(path: Path) -> int:
    """Remove a file or a folder, and return the bytes that this freed."""
    size = size_of(path) if path.is_dir() else path.lstat().st_size
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
    return size
