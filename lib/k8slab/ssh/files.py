"""Write and read whole files over SFTP."""

from __future__ import annotations

import errno
import secrets
import stat
from contextlib import suppress
from pathlib import PurePosixPath

import paramiko

FILE_TIMEOUT_S = 60.0


def connect(channel: paramiko.Channel) -> paramiko.SFTPClient:
    """Return a file client on a new channel; each answer has a deadline."""
    channel.settimeout(FILE_TIMEOUT_S)
    channel.invoke_subsystem("sftp")
    return paramiko.SFTPClient(channel)


def read(sftp: paramiko.SFTPClient, path: str) -> bytes:
    """Return a file's content.

    Raises:
        OSError: There is no such file, or it cannot be read.
    """
    with sftp.open(path, "rb") as file:
        return file.read()


def put(sftp: paramiko.SFTPClient, path: str, data: bytes, mode: int) -> bool:
    """Write a file by a temporary one beside it, unless it is already right.

    Returns:
        Whether content or permissions changed.

    Raises:
        OSError: The machine refuses to write there.
    """
    if _is_same(sftp, path, data, mode):
        return False
    target = PurePosixPath(path)
    temporary = str(target.with_name(f".{target.name}.{secrets.token_hex(6)}"))
    try:
        _write_new(sftp, temporary, data, mode)
        sftp.posix_rename(temporary, path)
    except BaseException as error:
        with suppress(OSError):
            sftp.remove(temporary)
        known = (errno.ENOENT, errno.EACCES)
        if not isinstance(error, OSError) or error.errno in known:
            raise
        _write(sftp, path, data, mode, "r+b")
    return True


def _is_same(sftp: paramiko.SFTPClient, path: str, data: bytes, mode: int) -> bool:
    try:
        found = sftp.stat(path)
    except FileNotFoundError:
        return False
    bits = found.st_mode or 0
    return (
        stat.S_ISREG(bits)
        and stat.S_IMODE(bits) == mode
        and found.st_size == len(data)
        and read(sftp, path) == data
    )


def _write_new(sftp: paramiko.SFTPClient, path: str, data: bytes, mode: int) -> None:
    """Write a new file, and make its folder when there is none."""
    try:
        _write(sftp, path, data, mode, "wx")
    except FileNotFoundError:
        _make_folder(sftp, PurePosixPath(path).parent)
        _write(sftp, path, data, mode, "wx")


def _write(
    sftp: paramiko.SFTPClient, path: str, data: bytes, mode: int, how: str
) -> None:
    """Write a file whose permissions are right before its content is there."""
    with sftp.open(path, how) as file:
        file.chmod(mode)
        file.set_pipelined(True)
        file.write(data)
        if how == "r+b":
            file.truncate(len(data))


def _make_folder(sftp: paramiko.SFTPClient, folder: PurePosixPath) -> None:
    """Make a folder and its parents; another writer may make them too."""
    try:
        sftp.stat(str(folder))
    except FileNotFoundError:
        _make_folder(sftp, folder.parent)
        with suppress(OSError):
            sftp.mkdir(str(folder), 0o755)
