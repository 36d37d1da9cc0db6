"""Keep a lab's folder: who its machines are, how to reach them, which cluster is meant.

The folder is the contract between whoever makes a lab and whoever uses one. A lab is
there when its folder is, and everything that uses it reads this folder alone: neither
the bundle it was made of, nor the engine that provides its machines.

::

    lab.json           what `LabRecord` holds, as JSON with a ``schema`` number
    kubeconfig         the administrator's way to the cluster
    fingerprint.json   what tells this cluster from all others (`kube.pinning`)
    kubectl            the kubectl that fits the cluster
    id_ed25519         the key that logs in on the machines
    authorized_keys    what the machines let in
    client/            the kubeconfig's certificates and key, as files
    known_hosts        the machines' pinned host keys
    ca.crt             the lab's own authority
    machines/          what the machines keep on this computer, if anything
    journal/           faults that have to be undone (`fault`)
    required.json      add-ons that chapters enabled, and not yet released
    undo/              what was changed on machines that were there, if they were
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from .core import files, outside
from .core.hints import command, down_then_up
from .core.names import lab_name, may_be_lab
from .errors import BadInput, LabError
from .lab_record import ADOPTED, SCHEMA, LabRecord

_PUT_BACK = "put the file back from a backup, or leave the machines as they are now: {}"
_PARTS = (
    *("authorized_keys", "ca.crt", "client", "fingerprint.json", "id_ed25519"),
    *("journal", "known_hosts", "kubeconfig", "kubectl", "machines", "required.json"),
    "undo",
)
"""What a lab's folder holds beside its record."""


class LabFolder:
    """One lab's folder below the folder of all labs.

    Args:
        home: The folder of all labs.
        name: The lab's name.

    Raises:
        BadInput: The name cannot be a lab's.
    """

    def __init__(self, home: Path, name: str) -> None:
        self.name = lab_name(name)
        self.home = home
        self.root = home / name
        self.key = self.root / "id_ed25519"
        self.known_hosts = self.root / "known_hosts"
        self.ca = self.root / "ca.crt"
        self.kubeconfig = self.root / "kubeconfig"
        self.kubectl = self.root / "kubectl"
        self.fingerprint = self.root / "fingerprint.json"
        self.record_file = self.root / "lab.json"
        self.client = self.root / "client"
        self.journal = self.root / "journal"
        self.undo = self.root / "undo"
        self._required = self.root / "required.json"

    def machine(self, name: str) -> Path:
        """Return the folder of a machine's data."""
        return self.root / "machines" / name

    def record(self) -> LabRecord | None:
        """Return the lab's facts, or None when there is no such lab.

        Raises:
            LabError: The file is there and cannot be read, is of another version, or
                came here with a copy of another lab's folder.
        """
        try:
            text = self.record_file.read_text(encoding="utf-8")
            record = LabRecord.from_json(text)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise outside.ours(error) from error
        except ValueError as error:
            raise LabError(
                "the lab was made by another version, or its record is damaged",
                where=str(self.record_file),
                wanted=f"schema {SCHEMA}",
                seen=str(error),
                next=_PUT_BACK.format(command("down", self.name, "--forget"))
                if self.notes
                else f"begin anew: {self._remade()}",
            ) from error
        if record.name != self.name:
            # Its machines are the other lab's, which nothing here may touch.
            raise LabError(
                "the folder is a copy of another lab's, and no lab",
                where=str(self.root),
                wanted=f"the lab {self.name!r}",
                seen=f"the lab {record.name!r}",
                next="remove the copy alone: "
                + (
                    command("down", self.name, "--forget")
                    if self.notes
                    else command("down", self.name)
                ),
            )
        return record

    def readable(self) -> LabRecord | None:
        """Return the lab's facts; None also where they cannot be read."""
        try:
            return self.record()
        except LabError:
            return None

    def how_to_restore(self) -> str:
        """Return the next step by which a lab gets back what its folder lost."""
        return self._readable_or_usual().how_to_restore

    def anew(self) -> str:
        """Return the commands by which the lab is begun anew."""
        return self._readable_or_usual().anew

    @property
    def is_adopted(self) -> bool:
        """Whether the lab is somebody's cluster, also by another version's record."""
        try:
            told = json.loads(self.record_file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return isinstance(told, dict) and told.get("provider") == ADOPTED

    def _remade(self) -> str:
        """Return the commands that make a lab anew whose record cannot be read."""
        if self.is_adopted:
            return LabRecord(self.name, ADOPTED, "", (), None).anew
        return down_then_up(self.name)

    def _readable_or_usual(self) -> LabRecord:
        """Return the lab's facts; where nothing tells them, those of a usual lab."""
        return self.readable() or LabRecord(self.name, "", "", (), None)

    @property
    def notes(self) -> list[str]:
        """The notes by which machines of an inventory become what they were before."""
        return sorted(path.name for path in self.undo.glob("*"))

    def refuse_lost_notes(self) -> None:
        """Refuse to go on where machines wait to be undone, and who they are is lost.

        Raises:
            LabError: The record is damaged or gone, and there are notes.
        """
        if self.notes and self.record() is None:
            raise LabError(
                "the record of a lab on machines that were there is gone",
                where=str(self.record_file),
                wanted="the machines of " + ", ".join(self.notes),
                seen="no such file",
                next=_PUT_BACK.format(command("down", self.name, "--forget")),
            )

    def refuse_foreign(self) -> None:
        """Refuse a folder that is no lab's, nor what is left of one.

        Raises:
            BadInput: It holds something else than a lab.
        """
        if self.record_file.exists() or not self.root.exists():
            return
        names = (
            [path.name for path in self.root.iterdir()] if self.root.is_dir() else [""]
        )
        foreign = sorted(n for n in names if n not in _PARTS and n[:1] != ".")
        if foreign:
            raise BadInput(
                "there is something else in the place of the lab's folder",
                where=str(self.root),
                wanted="a lab, or nothing",
                seen=", ".join(foreign[:5]) or "a file",
                next="choose another --name, or another folder: K8SLAB_HOME",
            )

    def save(self, record: LabRecord) -> None:
        """Write the lab's facts, all or nothing.

        Raises:
            BadInput: The folder is there and is no lab's.
        """
        self.refuse_foreign()
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        files.write(self.record_file, record.to_json(), durable=True)

    def required(self) -> dict[str, str]:
        """Return the add-ons that chapters had enabled, each with what was required.

        In the order in which they were enabled, with those that a required one needs.
        Each is noted before, so one that failed or was ended may not be enabled.
        A damaged file names none: they stay until they are disabled.
        """
        try:
            return dict(json.loads(self._required.read_text("utf-8")))
        except (FileNotFoundError, ValueError, TypeError):
            return {}

    def require(self, addons: Mapping[str, str]) -> None:
        """Keep what `required` returns; whoever changes it holds the lab."""
        self.write(self._required.name, json.dumps(dict(addons)))

    def write(self, name: str, text: str) -> Path:
        """Write one of the lab's files, all or nothing, for its owner only."""
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        target = self.root / name
        files.write(target, text)
        return target

    def left(self) -> list[str]:
        """Return the names of what is left of a lab that has no record any more.

        Raises:
            BadInput: There is something else than a lab.
            LabError: It has the notes by which machines are undone.
        """
        self.refuse_foreign()
        self.refuse_lost_notes()
        if self.record_file.exists() or not self.root.exists():
            return []
        return sorted(p.name for p in self.root.iterdir() if p.name in _PARTS)

    def clear(self) -> None:
        """Remove what is left of a lab that has no record any more; see `left`."""
        for name in self.left():
            _erase(self.root / name)

    def remove(self) -> None:
        """Remove the folder with all that is in it, its record last.

        So what an ended command leaves of it is still a lab, and can be removed.

        Raises:
            BadInput: It is no lab's.
        """
        self.refuse_foreign()
        there = self.root.resolve()
        is_link = self.root.is_symlink()  # to another disk, where there was more room
        if is_link and not self._is_own(there):
            self.root.unlink()
            return
        is_there = there.exists()
        if is_there:
            for path in sorted(there.iterdir(), key=self._is_record):
                _erase(path)
        if is_link:
            self.root.unlink()
        if is_there:
            there.rmdir()

    def _is_record(self, path: Path) -> bool:
        return path.name == self.record_file.name

    def _is_own(self, there: Path) -> bool:
        """Say whether what a link leads to is this lab's, and no other one's."""
        try:
            record = LabRecord.from_json(self.record_file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return there.parent != self.home.resolve()
        return record.name == self.name

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lab for oneself, so that two commands do not change it at once.

        Raises:
            InUse: Another command holds it.
        """
        self.home.mkdir(parents=True, exist_ok=True)
        busy = f"another command is at work on the lab {self.name!r}"
        with files.locked(self.home / f".{self.name}.lock", wait=False, busy=busy):
            yield


def _erase(path: Path) -> None:
    """Remove a file, a link, or a folder with all that is in it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def records(home: Path) -> list[LabRecord]:
    """Return the facts of every lab in a folder of labs, by name.

    What is no lab's folder, cannot be read, or is a copy of one, concerns no other lab.
    """
    found = (LabFolder(home, name).readable() for name in names(home))
    return [record for record in found if record is not None]


def names(home: Path) -> list[str]:
    """Return the names of all labs in a folder of labs, readable or not.

    Raises:
        OSError: The folder is there and cannot be read, or lies below a file.
    """
    try:
        there = [path.name for path in home.iterdir() if may_be_lab(path.name)]
    except FileNotFoundError:
        return []
    return sorted(name for name in there if _is_lab(home / name))


def _is_lab(folder: Path) -> bool:
    """Say whether a folder is a lab's; one that only another user may enter counts."""
    try:
        (folder / "lab.json").stat()
    except PermissionError:
        return True
    except OSError:
        return False
    return True
