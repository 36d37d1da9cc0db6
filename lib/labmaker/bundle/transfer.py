"""Carry a bundle from one computer to another in one file."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from k8slab.core import outside
from k8slab.core.files import replacing, write
from k8slab.core.hints import command
from k8slab.core.process import Runner
from k8slab.errors import BundleError, CommandFailed

from .cache import MANIFEST, READABLE, Artefact, Cache, compare, sha256

_TIMEOUT_S = 1800.0
# Owners, device nodes and extended attributes matter in an unpacked image.
# A colon in a name is a part of it, and no other computer.
_TAR = ("tar", "--force-local", "--numeric-owner", "--xattrs", "--xattrs-include=*")
# Machines' images begin with the same files: a window that spans them halves the file.
_PACK = ("-I", "zstd -T0 -3 --long=30")
_UNPACK = ("-I", "zstd -d --long=30")
_NEXT = "export the bundle again, and compare the sizes of both files"
_PLACE = "name a file in a folder that is there, and that can be written"


def manifest(artefacts: Sequence[Artefact]) -> str:
    """Return the list of artefacts with their checksums, as JSON."""
    entries = [asdict(artefact) for artefact in artefacts]
    return json.dumps({"artefacts": entries}, indent=1) + "\n"


def refuse_place(file: Path) -> None:
    """Refuse a file that cannot be written, before the minutes that its content takes.

    Raises:
        BundleError: It is a folder, or its own folder is not there or not to write in.
    """
    if file.is_dir():
        seen = "a folder of that name"
    elif not file.parent.is_dir():
        seen = f"no folder {file.parent}"
    elif not os.access(file.parent, os.W_OK):
        seen = f"a folder {file.parent} that cannot be written"
    else:
        return
    raise BundleError(
        "the bundle cannot be exported", where=str(file), seen=seen, next=_PLACE
    )


def export(
    cache: Cache, artefacts: Sequence[Artefact], file: Path, run: Runner
) -> None:
    """Write artefacts and their checksums into one tar.

    Args:
        cache: Where the artefacts are.
        artefacts: What to write.
        file: The file to write; it appears when it is complete.
        run: Runs commands on this computer.

    Raises:
        BundleError: It cannot be written.
    """
    names: list[str] = []
    for artefact in artefacts:
        paths = (
            cache.list_file(artefact),
            cache.folder(artefact.name, artefact.key),
        )
        names += [str(path.relative_to(cache.root)) for path in paths]
    try:
        # Not in the cache, whose own manifest may name more.
        with TemporaryDirectory() as there, replacing(file, mode=READABLE) as draft:
            write(Path(there) / MANIFEST, manifest(artefacts), mode=READABLE)
            command = [*_TAR, *_PACK, "--sort=name", "-cf", str(draft)]
            command += ["-C", there, MANIFEST, "-C", str(cache.root.absolute())]
            run.run([*command, *names], timeout=_TIMEOUT_S)
    except CommandFailed as error:
        raise BundleError(
            "the bundle cannot be exported",
            where=str(file),
            seen=error.seen,
            next=_mended(error.seen, str(file.parent)) or "mend that, then repeat it",
        ) from error
    except OSError as error:
        problem = outside.ours(error)
        raise BundleError(
            "the bundle cannot be exported",
            where=str(file),
            seen=problem.what,
            next=_PLACE,
        ) from error


def import_(
    cache: Cache,
    file: Path,
    keys: Mapping[str, str],
    required: Collection[str],
    run: Runner,
) -> list[Artefact]:
    """Put the artefacts of an exported file into the cache, once all are checked.

    Args:
        cache: Where to put them.
        file: The exported file.
        keys: The artefacts that this source knows, and their keys.
        required: Those that must be in the file, by name.
        run: Runs commands on this computer.

    Raises:
        BundleError: The file is broken or holds something else; nothing of it stays.
    """
    if not file.is_file():
        raise BundleError(
            "there is no such file",
            where=str(file),
            wanted="a file that 'k8slab bundle export FILE' wrote",
            seen="a folder" if file.is_dir() else "nothing of that name",
            next="name the file, with the whole path of it",
        )
    part = cache.artefacts / f".tmp-import-{os.getpid()}"
    part.mkdir(parents=True)
    try:
        _unpack(file, part, run)
        arrived = Cache(part)
        artefacts = _read(part, file)
        _compare_keys(artefacts, keys, required, file)
        checked = []
        for artefact in artefacts:
            list_file = arrived.list_file(artefact)
            if not list_file.is_file() or sha256(list_file) != artefact.sha256:
                raise _broken(file, f"{artefact.name}: its list of files is broken")
            files = arrived.files(artefact)
            compare(arrived.folder(artefact.name, artefact.key), files, hashes=True)
            checked.append((artefact, files))
        for artefact, files in checked:
            if not cache.has(artefact.name, artefact.key):
                folder = arrived.folder(artefact.name, artefact.key)
                cache.adopt(folder, artefact.name, artefact.key, files)
        return [cache.artefact(a.name, a.key) for a in artefacts]
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _unpack(file: Path, into: Path, run: Runner) -> None:
    try:
        run.run(
            [*_TAR, *_UNPACK, "-p", "-C", str(into), "-xf", str(file)],
            timeout=_TIMEOUT_S,
        )
    except CommandFailed as error:
        raise _broken(file, error.seen, _mended(error.seen, str(into))) from error


def _read(part: Path, file: Path) -> list[Artefact]:
    try:
        entries = json.loads((part / MANIFEST).read_text("utf-8"))["artefacts"]
        return [Artefact(**entry) for entry in entries]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _broken(file, f"its manifest: {error}") from error


def _compare_keys(
    artefacts: Sequence[Artefact],
    keys: Mapping[str, str],
    required: Collection[str],
    file: Path,
) -> None:
    seen = {artefact.name: artefact.key for artefact in artefacts}
    differ = sorted(n for n in {*required, *seen} if seen.get(n) != keys.get(n))
    if differ:
        raise BundleError(
            "the file holds a bundle of another version",
            where=str(file),
            wanted="the artefacts that this source asks for",
            seen="these differ: " + ", ".join(differ),
            next="export it from the same version of this repository",
        )


def _mended(seen: str, folder: str) -> str:
    """Return the next step where not the file is at fault, or nothing."""
    if "Cannot exec" in seen or "zstd: not found" in seen:
        return f"install zstd, as this does: {command('setup')}"
    if os.strerror(errno.ENOSPC) in seen or "Wrote only" in seen:
        return f"make room on the disk of {folder}, then repeat the command"
    return ""


def _broken(file: Path, seen: str, next: str = "") -> BundleError:
    return BundleError(
        "the file cannot be unpacked here"
        if next
        else "the file is broken, or no exported bundle",
        where=str(file),
        wanted="a file that 'k8slab bundle export FILE' wrote",
        seen=seen,
        next=next or _NEXT,
    )
