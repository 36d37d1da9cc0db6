"""Keep what has to be undone in the lab's folder, before it is done."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..core import files
from ..errors import LabError
from ..folder import LabFolder

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
        self.release()

    def release(self) -> None:
        """Give it back: whoever comes next may undo it. Twice is no mistake."""
        _release(self.path)

    def hold(self) -> bool:
        """Hold it, where it was given back; say whether this process is to undo it.

        It is not where somebody else undid it, or another process holds it now.
        """
        folder = self.path.parent
        with suppress(FileNotFoundError):  # undone meanwhile
            if folder.is_dir():
                with files.locked(folder):
                    if _hold(self.path) and self.path.exists():
                        return True
        self.release()
        return False


def write(
    folder: LabFolder,
    entry: Entry,
    *,
    admit: Callable[[list[Path]], None] = lambda held: None,
) -> Note:
    """Write an entry that this process holds until it ends or erases it.

    The system gives the lock back when the process is killed; that is how others
    know that nobody else will undo it.

    Args:
        folder: The lab's files.
        entry: What is noted.
        admit: Is given the entries that other living processes hold, while nobody can
            write another; nothing is written where it raises.
    """
    journal = folder.journal
    journal.mkdir(mode=0o700, parents=True, exist_ok=True)
    with files.locked(journal):
        admit(_others(folder)[0])
        path = journal / f"{time.time_ns():020d}.json"
        content = {"schema": SCHEMA, **asdict(entry)}
        # What it is about to break outlasts a power cut, too.
        files.write(path, json.dumps(content, indent=1) + "\n", durable=True)
        _hold(path)
    return Note(path, entry)


def entries(folder: LabFolder) -> list[Path]:
    """Return the files of all entries, whoever holds them, the newest first."""
    # What else lies there, as a copy, is not ours to undo.
    found = (path for path in folder.journal.glob("*.json") if path.stem.isdigit())
    return sorted(found, reverse=True)


def left(
    folder: LabFolder, is_wanted: Callable[[Entry], bool] = lambda entry: True
) -> list[Note]:
    """Return the entries that no other living process holds, the newest first.

    They are held by this process from now on.

    Args:
        folder: The lab's files.
        is_wanted: Says which of them are meant; the others stay as they are.

    Raises:
        LabError: One of them cannot be read; none is held that was not before.
    """
    notes: list[Note] = []
    if not folder.journal.is_dir():
        return notes
    with files.locked(folder.journal):
        before = [*_mine]
        try:
            for path in entries(folder):
                with suppress(FileNotFoundError):  # undone meanwhile
                    notes += _take(folder, path, is_wanted)
        except BaseException:
            for note in notes:
                if note.path not in before:
                    note.release()
            raise
    return notes


def others(folder: LabFolder) -> tuple[list[Path], list[Path]]:
    """Return the entries that other living processes hold, and those nobody holds."""
    if not folder.journal.is_dir():
        return [], []
    with files.locked(folder.journal):
        return _others(folder)


def noted(folder: LabFolder, where: str) -> set[str]:
    """Return the names of the faults that were noted for a place, whoever holds them.

    Raises:
        LabError: One of the entries cannot be read.
    """
    names = set()
    for path in entries(folder):
        with suppress(FileNotFoundError):  # undone meanwhile
            entry = read(folder, path)
            if entry.where == where:
                names.add(entry.fault)
    return names


def mine(folder: LabFolder) -> list[Note]:
    """Return the entries that this process holds already, the newest first.

    Raises:
        LabError: One of them cannot be read.
    """
    notes = []
    for path in sorted(_mine, reverse=True):
        if path.parent == folder.journal:
            with suppress(FileNotFoundError):  # undone by another thread meanwhile
                notes.append(Note(path, read(folder, path)))
    return notes


def _others(folder: LabFolder) -> tuple[list[Path], list[Path]]:
    """Do what `others` does in a journal that is locked."""
    held: list[Path] = []
    free: list[Path] = []
    for path in entries(folder):
        with suppress(FileNotFoundError):  # undone meanwhile
            if path not in _mine:
                handle = files.hold(path)
                (held if handle is None else free).append(path)
                if handle is not None:
                    os.close(handle)
    return held, free


def _hold(path: Path) -> bool:
    """Lock an entry for this process; say whether it has it."""
    if path in _mine:
        return True
    handle = files.hold(path)
    if handle is None:
        return False
    _mine[path] = handle
    return True


def _release(path: Path) -> None:
    handle = _mine.pop(path, None)
    if handle is not None:
        os.close(handle)


def _take(
    folder: LabFolder, path: Path, is_wanted: Callable[[Entry], bool]
) -> list[Note]:
    """Hold an entry that is wanted and that nobody else holds; return it, if so."""
    before = path in _mine
    if not _hold(path):
        return []
    taken: list[Note] = []
    try:
        if is_wanted(entry := read(folder, path)):
            taken.append(Note(path, entry))
    finally:
        if not taken and not before:
            _release(path)
    return taken


def read(folder: LabFolder, path: Path) -> Entry:
    """Return what an entry of a lab's journal says, whoever holds it.

    Raises:
        LabError: It cannot be read.
        FileNotFoundError: It was undone meanwhile.
    """
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
            next=f"begin anew: {folder.anew()}",
        ) from error
