"""Write a file whole or not at all, and let one process at a time change something."""

from __future__ import annotations

import errno
import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path

from ..errors import InUse, NotReady
from .poll import until

FULL = (errno.ENOSPC, errno.EDQUOT)
"""The numbers of a full disk, and of a user's share of one."""
UMASK = 0o022
"""The umask of all that is made: others may read, unless a mode forbids it."""
_WAIT_S = 300.0
"""Whoever holds a lock that is waited for does so for seconds, unless it is stopped."""


def write(
    path: Path, content: str | bytes, *, mode: int = 0o600, durable: bool = False
) -> None:
    """Write a file so that readers see the old one or the new one, never a part.

    Args:
        path: The file; its folder must be there.
        content: All of it; text is encoded as UTF-8.
        mode: Its permissions, whatever the process's umask is.
        durable: Whether a power cut right afterwards leaves a whole file, too: some
            file systems may have the new name by then, and nothing in it.

    Raises:
        OSError: It cannot be written; the old one is as it was.
    """
    data = content.encode() if isinstance(content, str) else content
    with replacing(path, mode=mode) as draft:
        draft.write_bytes(data)
        if durable:
            with draft.open("rb+") as written:
                os.fsync(written.fileno())


@contextmanager
def replacing(path: Path, *, mode: int = 0o600) -> Iterator[Path]:
    """Give a block an empty file to fill, which then takes another's place.

    For a content that does not fit into memory, or that a command writes; see `write`.
    A link stays, and what it leads to is replaced.

    Args:
        path: The file that is replaced; its folder must be there.
        mode: Its permissions, whatever the process's umask is.

    Raises:
        OSError: It cannot be written; the old one is as it was.
    """
    path = path.resolve()
    if path.exists() and not path.is_file():  # a folder, or a device as /dev/null
        raise OSError(errno.EEXIST, "Something that is no file is there", str(path))
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    try:
        yield Path(name)
        os.chmod(name, mode)
        os.replace(name, path)
    except BaseException as error:
        with suppress(FileNotFoundError):
            os.unlink(name)
        if isinstance(error, OSError) and error.errno in FULL:
            # Who writes gets no name from the system, which a reader has to know.
            error.filename = error.filename or str(path)
        raise


@contextmanager
def although_full() -> Iterator[None]:
    """Let a block fail at a full disk: what it would write is worth less than going on.

    Raises:
        OSError: It fails otherwise.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise


@contextmanager
def usual_modes() -> Iterator[None]:
    """Let new files have the modes that their makers name, whatever the umask is.

    What a lab and its bundle consist of must not depend on the reader's shell: a
    machine's apt cannot read a key that only root may. Secrets name their own mode.
    """
    before = os.umask(UMASK)
    try:
        yield
    finally:
        os.umask(before)


@contextmanager
def locked(
    path: Path, *, wait: bool = True, busy: str = "another process is at work here"
) -> Iterator[None]:
    """Hold a lock for the length of a block; the system gives it back by itself.

    Args:
        path: The file to lock, made when it is not there, or a folder that is. A file
            says which process holds it.
        wait: Wait for whoever holds it; otherwise refuse at once.
        busy: What the refusal says.

    Raises:
        InUse: Another process holds it, with ``wait`` for minutes.
        OSError: The file system has no locks; it is named.
    """
    is_folder = path.is_dir()
    inside: AbstractContextManager[None] = nullcontext()
    flags = os.O_RDONLY if is_folder else os.O_RDWR | os.O_CREAT
    handle = os.open(path, flags | os.O_CLOEXEC, 0o600)
    try:
        try:
            _take(handle, wait=wait)
        except (BlockingIOError, NotReady) as error:
            holder = "" if is_folder else _text(os.pread(handle, 20, 0))
            raise InUse(
                busy,
                where=str(path),
                seen=f"process {holder}" if holder else "",
                next="wait for it to end, then repeat the command"
                + ("; one that Ctrl-Z stopped goes on by 'fg'" if wait else ""),
            ) from error
        except OSError as error:
            # NFS locks only what is open for writing, which a folder never is.
            if not is_folder or error.errno != errno.EBADF:
                error.filename = error.filename or str(path)
                raise
            inside = locked(path / ".lock", wait=wait, busy=busy)
        if not is_folder:
            _sign(handle)
        with inside:
            yield
    finally:
        os.close(handle)


def _take(handle: int, *, wait: bool) -> None:
    """Lock what is open.

    Raises:
        BlockingIOError: Another process holds it, and ``wait`` is false.
        NotReady: Another process holds it for minutes.
    """

    def take() -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not wait:
                raise
            return False
        return True

    until(take, what="it is locked", want="the lock", timeout=_WAIT_S)


def _sign(handle: int) -> None:
    """Write this process's number into a lock; a full disk is no reason to refuse.

    What makes room on it needs locks, too.
    """
    with although_full():
        os.truncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)


def _text(content: bytes) -> str:
    """Return a process's number, as a lock's file should have it, or nothing."""
    text = content.decode("ascii", "replace").strip()
    return text if text.isdecimal() else ""


def hold(path: Path) -> int | None:
    """Lock a file that is there until its handle is closed, or the process ends.

    Returns:
        The handle; None when another process holds the file.

    Raises:
        OSError: There is no such file, or the file system has no locks; it is named.
    """
    handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)  # as NFS wants it for a lock
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        if isinstance(error, BlockingIOError):
            return None
        error.filename = error.filename or str(path)
        raise
    return handle
