"""Write and read whole files over SFTP."""

from __future__ import annotations

import errno
import secrets
import shlex
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

import paramiko

from ..core.patience import stretched
from .command import LOST, OpenChannel

FILE_TIMEOUT_S = 60.0


_SERVER = "/usr/lib/openssh/sftp-server"
"""Debian's; root's is begun by its path, for the subsystem is of who logs in."""
_MARK = "k8slab-files"


def connect(opened: OpenChannel, root: Sequence[str] = ()) -> paramiko.SFTPClient:
    """Return a file client on a new channel; each answer has a deadline.

    Where the subsystem is missing, or a login file prints into what it says, the
    server is begun as a command, and what is said before its mark is dropped.

    Args:
        opened: Opens a new channel.
        root: What makes a command root's; empty where root logs in.

    Raises:
        SFTPError: The machine has no server that answers.
    """
    if not root:
        channel = _channel(opened)
        try:
            channel.invoke_subsystem("sftp")
            return paramiko.SFTPClient(channel)
        except (*LOST, paramiko.SFTPError) as error:
            channel.close()
            connected = channel.get_transport().is_active()
            if isinstance(error, TimeoutError) or not connected:
                raise
    channel = _channel(opened)
    server = f"echo {_MARK}; exec {shlex.join([*root, _SERVER])}"
    try:
        channel.exec_command(shlex.join(["exec", "sh", "-c", server]))
        said = b""
        while not said.endswith(f"{_MARK}\n".encode()):
            if not (more := channel.recv(1)):
                raise EOFError
            said += more
        return paramiko.SFTPClient(channel)
    except (*LOST, paramiko.SFTPError) as error:
        channel.close()
        connected = channel.get_transport().is_active()
        if isinstance(error, TimeoutError) or not connected:
            raise
        raise paramiko.SFTPError(f"{_SERVER} ended before it answered") from error


def _channel(opened: OpenChannel) -> paramiko.Channel:
    channel = opened()
    channel.settimeout(stretched(FILE_TIMEOUT_S))
    return channel


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
    try:
        with _beside(sftp, path) as temporary:
            _write_new(sftp, temporary, data, mode)
    except _NotReplaced:  # it is mounted, as /etc/hosts is in a container
        _write(sftp, path, data, mode, "r+b")
    return True


def upload(sftp: paramiko.SFTPClient, source: Path, path: str, mode: int) -> None:
    """Copy a file of this computer by a temporary one beside it.

    Raises:
        OSError: The machine refuses to write there, or the file here cannot be read.
    """
    _make_folder(sftp, PurePosixPath(path).parent)
    with _beside(sftp, path) as temporary:
        with source.open("rb") as data:
            sftp.putfo(data, temporary, confirm=True)
        sftp.chmod(temporary, mode)


class _NotReplaced(OSError):
    """A file beside another one was written, and cannot take its place."""


@contextmanager
def _beside(sftp: paramiko.SFTPClient, path: str) -> Iterator[str]:
    """Name a file to be written beside another, which then takes its place or goes."""
    target = PurePosixPath(path)
    temporary = str(target.with_name(f".{target.name}.{secrets.token_hex(6)}"))
    try:
        yield temporary
        try:
            sftp.posix_rename(temporary, path)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.EACCES):
                raise
            raise _NotReplaced(*error.args) from error
    except BaseException:
        with suppress(OSError):
            sftp.remove(temporary)
        raise


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
        file.write(data)  # not pipelined, or paramiko drops "no space left"
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
            # Of which the umask of who logs in may have taken something away.
            sftp.chmod(str(folder), 0o755)
