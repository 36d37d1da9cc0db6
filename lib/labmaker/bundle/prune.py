"""Keep the bundle's cache small: drop what no lab and no cheap rebuild needs."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .cache import Artefact, Cache, is_named_here

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
    """Drop old artefacts and unpacked sources; then, for the limit, what Go can remake.

    These are compile results, those used longest ago first, which another build
    compiles again; then archives of modules, the largest first, which it fetches again.

    Args:
        cache: The cache; the caller holds its lock.
        kept: The artefacts that stay.
        limit_bytes: What Go can remake goes until the cache holds no more than this.
    """
    freed: dict[str, int] = {}
    go = cache.root / "go"
    always: dict[str, Iterable[Path]] = {
        "older artefacts": _superseded(cache, kept),
        "unpacked sources": (p for p in _children(go / "mod") if p.name != "cache"),
    }
    for what, paths in always.items():
        freed[what] = sum(map(_remove, paths))
    excess = size_of(cache.root) - limit_bytes
    remade = {
        "compile results": sorted(
            _files(go / "build"), key=lambda path: path.stat().st_mtime
        ),
        "archives of modules": sorted(
            _files(go / "mod" / "cache", "*.zip"), key=_size, reverse=True
        ),
    }
    for what, paths in remade.items():
        freed[what] = 0
        for path in paths:
            if excess <= 0:
                break
            size = _remove(path)
            freed[what] += size
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
    ours = (p for p in _children(cache.artefacts) if is_named_here(p.name))
    return (path for path in ours if path not in stay)


def _children(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _files(folder: Path, pattern: str = "*") -> Iterator[Path]:
    return (path for path in folder.rglob(pattern) if path.is_file())


def _size(path: Path) -> int:
    return size_of(path) if path.is_dir() else path.lstat().st_size


def _remove(path: Path) -> int:
    """Remove a file or a folder, and return the bytes that this freed."""
    size = _size(path)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
    return size
