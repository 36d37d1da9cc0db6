"""Write a file whole or not at all, and let one process at a time change something."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import InUse


def write(path: Path, content: str | bytes, *, mode: int = 0o600) -> None:
    """Write a file so that readers see the old one or the new one, never a part.

    Args:
        path: The file; its folder must be there.
        content: All of it; text is encoded as UTF-8.
        mode: Its permissions, whatever the process's umask is.

    Raises:
        OSError: It cannot be written; the old one is as it was.
    """
    data = content.encode() if isinstance(content, str) else content
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(name, mode)
        os.replace(name, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(name)
        raise


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold a lock for the length of a block; the system gives it back by itself.

    Args:
        path: The file to lock, made when it is not there, or a folder that is.
        wait: Wait for whoever holds it; otherwise refuse at once.

    Raises:
        InUse: Another process holds it, and ``wait`` is false.
    """
    flags = os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT
    handle = os.open(path, flags | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError as error:
            raise InUse(
                "another process is at work here",
                where=str(path),
                next="wait for it to end, then repeat the command",
            ) from error
        yield
    finally:
        os.close(handle)
