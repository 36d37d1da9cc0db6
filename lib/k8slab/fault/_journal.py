"""Keep what has to be undone in the lab's folder, before it is done."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..core import files
from ..core.hints import command
from ..errors import LabError

SCHEMA = 1
_mine: dict[Path, int] = {}  # the lock of each entry that this process holds


@dataclass(frozen=True)
class Entry:
    """One fault that has to be undone.

    Attributes:
        fault: The fault's name.
        where: The namespace's or the machine's name; or empty.
        saved: What was read before the change.
    """

    fault: str
    where: str
    saved: Mapping[str, Any]


@dataclass(frozen=True)
class Note:
    """An entry in the journal, held by this process.

    Attributes:
        path: Its file.
        entry: What it says.
    """

    path: Path
    entry: Entry

    def erase(self) -> None:
        """Remove it: it is undone. Doing it twice is no mistake."""
        self.path.unlink(missing_ok=True)
        handle = _mine.pop(self.path, None)
        if handle is not None:
            os.close(handle)


def write(folder: Path, entry: Entry) -> Note:
    """Write an entry that this process holds until it ends or erases it.

    The system gives the lock back when the process is killed; that is how others
    know that nobody else will undo it.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with files.locked(folder):
        path = folder / f"{time.time_ns():020d}.json"
        content = {"schema": SCHEMA, **asdict(entry)}
        files.write(path, json.dumps(content, indent=1) + "\n")
        _hold(path)
    return Note(path, entry)


def left(folder: Path) -> list[Note]:
    """Return the entries that no other living process holds, the newest first.

    They are held by this process from now on.

    Raises:
        LabError: One of them cannot be read.
    """
    if not folder.is_dir():
        return []
    with files.locked(folder):
        # What else lies there, as a copy, is not ours to undo.
        found = (path for path in folder.glob("*.json") if path.stem.isdigit())
        paths = sorted(found, reverse=True)
        return [Note(path, _read(path)) for path in paths if _hold(path)]


def mine(folder: Path) -> list[Note]:
    """Return the entries that this process holds already, the newest first.

    Raises:
        LabError: One of them cannot be read.
    """
    notes = []
    for path in sorted(_mine, reverse=True):
        if path.parent == folder:
            with suppress(FileNotFoundError):  # undone by another thread meanwhile
                notes.append(Note(path, _read(path)))
    return notes


def _hold(path: Path) -> bool:
    """Lock an entry for this process; say whether it has it."""
    if path in _mine:
        return True
    handle = files.hold(path)
    if handle is None:
        return False
    _mine[path] = handle
    return True


def _read(path: Path) -> Entry:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        if told.pop("schema") != SCHEMA:
            raise ValueError("another schema")
        return Entry(**told)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LabError(
            "an entry of the lab's journal cannot be read",
            where=str(path),
            wanted=f"schema {SCHEMA}",
            seen=str(error),
            next=f"begin anew: {command('reset', path.parent.parent.name)}",
        ) from error
