"""Keep finished artefacts under names that follow from what they were made of."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from k8slab.core.files import locked, write
from k8slab.errors import BundleError

SHORT_KEY = 12
MANIFEST = "manifest.json"
READABLE = 0o644
_LISTED = ".files.json"
_NAMED = re.compile(rf".+-[0-9a-f]{{{SHORT_KEY}}}({re.escape(_LISTED)})?")


@dataclass(frozen=True)
class Artefact:
    """One finished part of the bundle.

    Attributes:
        name: Its name, such as ``image-ready``.
        key: The hash of everything it was made of.
        size_bytes: The bytes of its files.
        sha256: The hash of the list of its files and their hashes.
    """

    name: str
    key: str
    size_bytes: int
    sha256: str


class Cache:
    """The folder of the artefacts; an artefact is complete as soon as it is there.

    Args:
        root: The cache's folder, made when the first artefact is.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.artefacts = root / "artefacts"

    def folder(self, name: str, key: str) -> Path:
        """Return the folder of an artefact, whether it exists or not."""
        return self.artefacts / f"{name}-{key[:SHORT_KEY]}"

    def has(self, name: str, key: str) -> bool:
        """Return whether an artefact is finished."""
        return self.folder(name, key).is_dir() and self._list(name, key).is_file()

    @contextmanager
    def making(self, name: str, key: str) -> Iterator[Path]:
        """Give a folder to fill; it becomes the artefact when the block ends well.

        Args:
            name: The artefact's name.
            key: The hash of what it is made of.
        """
        self.artefacts.mkdir(parents=True, exist_ok=True)
        unfinished = self.artefacts / f".tmp-{name}-{os.getpid()}"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        try:
            yield unfinished
            self.adopt(unfinished, name, key, describe(unfinished))
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)

    def adopt(
        self, folder: Path, name: str, key: str, files: Mapping[str, dict[str, Any]]
    ) -> None:
        """Make a filled folder the artefact, in one step.

        Args:
            folder: A folder in the cache; it is moved.
            name: The artefact's name.
            key: The hash of what it was made of.
            files: What `describe` said of the folder.
        """
        text = json.dumps({"name": name, "key": key, "files": files}, indent=0)
        write(self._list(name, key), text, mode=READABLE)
        shutil.rmtree(self.folder(name, key), ignore_errors=True)
        folder.chmod(0o755)
        folder.rename(self.folder(name, key))

    def artefact(self, name: str, key: str) -> Artefact:
        """Return what is known of a finished artefact."""
        text = self._list(name, key).read_text("utf-8")
        sizes = (entry.get("size", 0) for entry in json.loads(text)["files"].values())
        digest = hashlib.sha256(text.encode()).hexdigest()
        return Artefact(name, key, sum(sizes), digest)

    def files(self, artefact: Artefact) -> dict[str, dict[str, Any]]:
        """Return an artefact's files: paths and their sizes, modes and hashes.

        Raises:
            BundleError: The list is not the one that the manifest names.
        """
        file = self._list(artefact.name, artefact.key)
        if not file.is_file():
            raise broken(file, "the list of its files", "no file")
        seen = sha256(file)
        if seen != artefact.sha256:
            raise broken(file, artefact.sha256, seen)
        files: dict[str, dict[str, Any]] = json.loads(file.read_text("utf-8"))["files"]
        return files

    def list_file(self, artefact: Artefact) -> Path:
        """Return the file that lists an artefact's files."""
        return self._list(artefact.name, artefact.key)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other builds out, and sweep away what an ended one left.

        Raises:
            InUse: Another build is running.
        """
        self.artefacts.mkdir(parents=True, exist_ok=True)
        lock = self.root / "build.lock"
        busy = "another build of the bundle is running"
        with locked(lock, wait=False, busy=busy):
            for left in self.artefacts.glob(".tmp-*"):
                shutil.rmtree(left, ignore_errors=True)
            yield

    def _list(self, name: str, key: str) -> Path:
        return self.folder(name, key).with_suffix(_LISTED)


def is_named_here(name: str) -> bool:
    """Say whether something in the folder of artefacts has a name that they get.

    The reader may have more in a folder of that name, as where the cache is one of
    several things on a disk.
    """
    return _NAMED.fullmatch(name) is not None


def describe(folder: Path) -> dict[str, dict[str, Any]]:
    """Return every path below a folder: its mode, and its size and hash or target."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        entry: dict[str, Any] = {"mode": oct(status.st_mode)}
        if stat.S_ISLNK(status.st_mode):
            entry["target"] = os.readlink(path)
        elif stat.S_ISREG(status.st_mode):
            entry |= {"size": status.st_size, "sha256": sha256(path)}
        found[str(path.relative_to(folder))] = entry
    return found


def compare(folder: Path, files: Mapping[str, dict[str, Any]], *, hashes: bool) -> None:
    """Compare a folder with what `describe` once said of it.

    Args:
        folder: The artefact's folder.
        files: What `describe` said.
        hashes: Read the files, too; otherwise only sizes are compared.

    Raises:
        BundleError: A file is missing or is another one.
        PermissionError: A file is to be read, and only its owner may look at it.
    """
    for name, entry in files.items():
        path = folder / name
        try:
            status = path.lstat()
        except FileNotFoundError as error:
            raise broken(path, "the file", "no file") from error
        except PermissionError:
            # Of a bundle that root shares: who may not look at a file needs none of it.
            if hashes:
                raise
            continue
        if "size" in entry and status.st_size != entry["size"]:
            raise broken(path, f"{entry['size']} bytes", f"{status.st_size} bytes")
        if not hashes:
            continue
        if oct(status.st_mode) != entry["mode"]:
            raise broken(path, f"mode {entry['mode']}", f"mode {oct(status.st_mode)}")
        if "target" in entry and os.readlink(path) != entry["target"]:
            raise broken(path, f"a link to {entry['target']}", os.readlink(path))
        if "sha256" in entry and (seen := sha256(path)) != entry["sha256"]:
            raise broken(path, entry["sha256"], seen)


def broken(path: Path, wanted: str, seen: str) -> BundleError:
    """Return the error that says how a file of the bundle differs."""
    return BundleError(
        "a file of the bundle is broken",
        where=str(path),
        wanted=wanted,
        seen=seen,
        next="remove the file's artefact folder, then run 'k8slab bundle build'",
    )


def sha256(file: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
