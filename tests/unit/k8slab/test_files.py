"""Files are written whole or not at all, and one process at a time changes them."""

from __future__ import annotations

import ast
import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from paths import ROOT

from k8slab.core import files, outside
from k8slab.errors import HostProblem, InUse


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_a_written_file_has_the_mode_it_is_given(tmp_path: Path, mode: int) -> None:
    """The process's umask has no say in it."""
    before = os.umask(0o077)
    try:
        files.write(tmp_path / "a", "text", mode=mode)
    finally:
        os.umask(before)

    assert (tmp_path / "a").read_text() == "text"
    assert (tmp_path / "a").stat().st_mode & 0o777 == mode


def test_a_link_stays_and_a_device_is_refused(tmp_path: Path) -> None:
    """What a link leads to is replaced; /dev/null would be lost to all programs."""
    (tmp_path / "link").symlink_to(tmp_path / "file")
    os.mkfifo(tmp_path / "pipe")
    files.write(tmp_path / "link", "text")
    with pytest.raises(FileExistsError):
        files.write(tmp_path / "pipe", "text")

    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text() == "text"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "link", "pipe"]


def test_a_lock_with_odd_content_is_a_lock(tmp_path: Path) -> None:
    """Who holds it is not known then."""
    file = tmp_path / "lock"
    with files.locked(file):
        file.write_bytes(b"\xff\xfe")
        with pytest.raises(InUse) as caught, files.locked(file, wait=False):
            pass

    assert caught.value.seen == ""


def test_a_write_that_fails_leaves_the_old_file_alone(tmp_path: Path) -> None:
    """Neither a part of the new one nor a draft stays."""
    files.write(tmp_path / "a", "old")

    def fail() -> None:
        with files.replacing(tmp_path / "a") as draft:
            draft.write_text("ne")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()

    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_text() == "old"


def full(*_: object) -> int:
    """Fail as a write to a full disk does, which names no file."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_is_named_by_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the one that was to be written, not by the draft beside it."""
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(HostProblem) as caught, outside.told():
        files.write(tmp_path / "a", "text")

    assert caught.value.where == str(tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def test_a_lock_needs_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What makes room holds a lock, too; who holds it is not known then."""
    monkeypatch.setattr(os, "pwrite", full)
    with (
        files.locked(tmp_path / "lock"),
        pytest.raises(InUse) as caught,
        files.locked(tmp_path / "lock", wait=False),
    ):
        pass

    assert caught.value.seen == ""


def test_a_reader_sees_the_old_file_until_the_new_one_is_whole(tmp_path: Path) -> None:
    """While the block runs, the old content is there."""
    files.write(tmp_path / "a", "old")
    with files.replacing(tmp_path / "a") as draft:
        draft.write_text("new")
        meanwhile = (tmp_path / "a").read_text()

    assert (meanwhile, (tmp_path / "a").read_text()) == ("old", "new")


@pytest.mark.parametrize("folder", [False, True])
def test_a_lock_that_is_held_is_refused(tmp_path: Path, folder: bool) -> None:
    """The refusal says what is busy, and which process holds a file."""
    place = tmp_path if folder else tmp_path / "lock"
    hold = (
        "import sys; from pathlib import Path; from k8slab.core import files\n"
        "with files.locked(Path(sys.argv[1])):\n"
        "    print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(place)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with (
            pytest.raises(InUse, match="the oven is busy") as caught,
            files.locked(place, wait=False, busy="the oven is busy"),
        ):
            pass
        holder.communicate("")
    with files.locked(place, wait=False):
        pass  # its holder is gone, and so is the lock

    assert caught.value.seen == ("" if folder else f"process {holder.pid}")


@pytest.mark.parametrize("folder", [False, True])
def test_nobody_waits_for_a_stopped_process_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: bool
) -> None:
    """As one that Ctrl-Z stopped while it held the lock."""
    monkeypatch.setattr(files, "_WAIT_S", 0.3)
    place = tmp_path if folder else tmp_path / "lock"
    with (
        files.locked(place),
        pytest.raises(InUse, match="at work here") as caught,
        files.locked(place),
    ):
        pass

    assert "fg" in caught.value.next


def test_a_file_system_without_locks_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As NFS whose server has none; the next step is another folder."""

    def none(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", none)
    with (
        pytest.raises(HostProblem) as caught,
        outside.told(),
        files.locked(tmp_path / "lock"),
    ):
        pass

    assert caught.value.where == str(tmp_path / "lock")
    assert "K8SLAB_HOME" in caught.value.next
    there = len(os.listdir("/proc/self/fd"))
    with pytest.raises(HostProblem) as held, outside.told():
        files.hold(tmp_path / "lock")
    assert held.value.where == str(tmp_path / "lock")
    assert len(os.listdir("/proc/self/fd")) == there


def test_locks_are_taken_over_nfs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It locks what is open for writing; for a folder that is a file in it."""
    flock = fcntl.flock

    def nfs(handle: int, how: int) -> None:
        if fcntl.fcntl(handle, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        flock(handle, how)

    monkeypatch.setattr(fcntl, "flock", nfs)
    folder, file = tmp_path / "journal", tmp_path / "entry"
    folder.mkdir()
    file.touch()
    handle = files.hold(file)
    assert handle is not None
    assert files.hold(file) is None
    os.close(handle)
    with (
        files.locked(folder),
        pytest.raises(InUse, match="the oven"),
        files.locked(folder, wait=False, busy="the oven is busy"),
    ):
        pass
    with files.locked(folder, wait=False):
        pass  # given back

    assert [path.name for path in folder.iterdir()] == [".lock"]


@pytest.mark.slow
def test_nobody_else_locks_or_replaces_files() -> None:
    """One module knows how; a second way would have other bugs."""
    ways = {"os.replace", "tempfile.mkstemp", "fcntl.flock", "fcntl.lockf"}
    found = {
        path.relative_to(ROOT).as_posix()
        for folder in ("lib", "bench")
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ways
    }

    assert found == {"lib/k8slab/core/files.py"}


def test_what_is_to_last_is_on_the_disk_before_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a power cut some file systems have the new name with nothing in it."""
    order = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)

        def noted(*given: Any, name: str = name, real: Any = real) -> Any:
            order.append(name)
            return real(*given)

        monkeypatch.setattr(os, name, noted)
    files.write(tmp_path / "lab.json", "{}", durable=True)

    assert order == ["fsync", "replace"]
    assert (tmp_path / "lab.json").read_text() == "{}"
