"""Reach a machine over SSH, with its host key pinned."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import paramiko

from ..core.patience import stretched
from ..core.process import DEFAULT_TIMEOUT_S, Completed
from ..errors import (
    BadInput,
    CommandFailed,
    CommandTimeout,
    HostKeyMismatch,
    LabError,
    MachineUnreachable,
)
from . import failing, files
from .command import LOST, RemoteCommand
from .connect import Login, is_refusal

SESSIONS = 8
_AGAIN_S, _TRIES_ALONE = 0.25, 8
"""When a session is asked for again, and how often where no command keeps one."""
SUDO = ("sudo", "-n", "--")
"""What a user who is not root puts before a command; nobody could type a password."""
T = TypeVar("T")
_SCRIPT = '__=$(cat); set {options}; eval "$__"'
_PIPE_CLOSED = 141
"""The exit code of a line in which a program wrote what the next no longer reads."""


class SSHShell:
    """Run commands on a machine over one connection, opened when first needed.

    `Cluster.on` returns one. Safe across threads: every command has its own channel.

    Args:
        machine: The machine's name, shown in messages.
        address: Its address.
        lab: The name of the lab it belongs to, for messages.
        user: Who logs in.
        key: The file of the private key; None for the keys of the reader's agent.
        known_hosts: The file that pins the machine's host key.
        connect_timeout: Seconds until a connection attempt is given up.
        port: The port of its SSH server.
        sudo: Whether the user becomes root by ``sudo``.
        jump: How to log in to the host that the way goes through, if any.
        foreign: Whether machine and key are the reader's, not the lab's maker's.
    """

    def __init__(
        self,
        machine: str,
        address: str,
        *,
        lab: str,
        user: str = "root",
        key: Path | None,
        known_hosts: Path,
        connect_timeout: float = 10,
        port: int = 22,
        sudo: bool = False,
        jump: Login | None = None,
        foreign: bool = False,
    ) -> None:
        self.where = machine
        self.address = address
        self.lab = lab
        self._login = Login(
            lab, machine, address, port, user, key, known_hosts, jump, foreign
        )
        self._root = SUDO if sudo else ()
        self._connect_timeout = stretched(connect_timeout)
        self._over = False
        self._client: paramiko.SSHClient | None = None
        self._sftp: paramiko.SFTPClient | None = None
        self._lock = threading.RLock()
        self._files_lock = threading.Lock()
        self._free = threading.BoundedSemaphore(SESSIONS)
        self._running: set[RemoteCommand] = set()
        self._ended = threading.Condition()

    def __repr__(self) -> str:
        return f"SSHShell({self.where!r}, {self.address!r})"

    def __enter__(self) -> SSHShell:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def run(
        self,
        argv: Sequence[str],
        *,
        input: str | None = None,
        check: bool = True,
        timeout: float = DEFAULT_TIMEOUT_S,
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        """Run a command to its end.

        The exit code is -1 when a signal ended the command: SSH does not say which.
        A process left in the background with its streams open is not awaited.

        Args:
            argv: The command as an argument list; no shell reads it.
            input: What the command reads on its standard input.
            check: Raise when the exit code is not 0.
            timeout: Seconds until the command is ended.
            on_line: Called with each line as it is printed, on either stream.

        Raises:
            CommandFailed: The exit code is not 0 and ``check`` is true.
            CommandTimeout: The deadline passed.
            MachineUnreachable: No connection, or it broke while the command ran.
        """
        return self._run(argv, argv, input, check, timeout, on_line)

    def script(
        self,
        text: str,
        *,
        shell: str = "bash",
        check: bool = True,
        timeout: float = DEFAULT_TIMEOUT_S,
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        """Run a script that stops at its first failing command.

        The script travels as input, so that neither its length nor the machine's
        process list matters; its own commands read an empty standard input.

        Args:
            text: The script.
            shell: ``bash`` or another POSIX shell.
            check: Raise when the exit code is not 0.
            timeout: Seconds until the script is ended.
            on_line: Called with each line as it is printed, on either stream.

        Raises:
            CommandFailed: The exit code is not 0 and ``check`` is true.
            CommandTimeout: The deadline passed.
            MachineUnreachable: No connection, or it broke while the script ran.
        """
        bash = shell == "bash"
        run = _SCRIPT.format(options="-Eeuo pipefail" if bash else "-eu")
        argv = [shell, "-c", (failing.TRAP if bash else "") + run, shell]
        shown = [shell, "-s"]

        def pass_on(line: str) -> None:
            said, mark, _ = line.partition(failing.MARK)
            if on_line is not None and (said or not mark):
                on_line(said)

        try:
            done = self._run(argv, shown, text, False, timeout, pass_on)
        except CommandTimeout as error:
            limit = f"{error.timeout:g} s"
            error.what = f"the script did not end within {limit} and was ended"
            error.where = self.where
            raise
        line = failing.line_of(done, text)
        done = replace(done, stderr=failing.without_marks(done.stderr))
        if done.ok or not check:
            return done
        raise _failed(done, line)

    def put(self, path: str, data: str | bytes, *, mode: int = 0o644) -> bool:
        """Write a file in one step, so that no reader ever sees half of it.

        Missing parent folders are made. A file that is itself a mount point, as
        ``/etc/hosts`` of a container, cannot be replaced and is written in place.

        Args:
            path: The absolute path.
            data: The whole content; text is encoded as UTF-8.
            mode: The file's permissions.

        Returns:
            Whether content or permissions changed.

        Raises:
            LabError: The machine refuses to write there.
            MachineUnreachable: No connection, or it broke.
        """
        content = data.encode() if isinstance(data, str) else data
        return self._on_files(path, lambda sftp: files.put(sftp, path, content, mode))

    def read(self, path: str) -> str:
        """Return a file's content.

        Args:
            path: The absolute path.

        Raises:
            LabError: There is no such file, or it cannot be read.
            MachineUnreachable: No connection, or it broke.
        """
        content = self._on_files(path, lambda sftp: files.read(sftp, path))
        return content.decode("utf-8", "replace")

    def upload(self, source: Path, path: str, *, mode: int = 0o644) -> None:
        """Copy a file of this computer, of any size, in one step.

        Args:
            source: The file here.
            path: The absolute path there.
            mode: The file's permissions there.

        Raises:
            LabError: The machine refuses to write there.
            MachineUnreachable: No connection, or it broke.
        """
        self._on_files(path, lambda sftp: files.upload(sftp, source, path, mode))

    def is_up(self) -> bool:
        """Tell at once whether the machine's SSH server answers.

        A connection that was made is kept for the next command.

        Raises:
            HostKeyMismatch: It answers with another host key than the pinned one.
            MachineUnreachable: It answers and refuses the lab's key.
        """
        try:
            self._connection(connect_timeout=stretched(1.0))
        except MachineUnreachable as error:
            both = (error, error.__cause__)
            if any(isinstance(e, HostKeyMismatch) or is_refusal(e) for e in both):
                raise
            return False
        return True

    def by_hand(self) -> str:
        """Return the command that logs in with the reader's own ssh."""
        return self._login.by_hand()

    def end(self) -> None:
        """End every command that still runs, also on the machine.

        For another thread than theirs; each ends as if its connection had broken.
        """
        for command in list(self._running):
            command.abort()

    def close(self, *, for_good: bool = False) -> None:
        """Close the connection; commands that run on it fail at once.

        Args:
            for_good: Open no new one for a later command either.
        """
        self._over = self._over or for_good
        with self._lock:
            client, self._client, self._sftp = self._client, None, None
        if client is not None:
            client.close()

    def _run(
        self,
        argv: Sequence[str],
        shown: Sequence[str],
        input: str | None,
        check: bool,
        timeout: float,
        on_line: Callable[[str], None] | None,
    ) -> Completed:
        if not argv:
            raise BadInput("there is no command to run", where=self.where)
        with self._free:
            command = RemoteCommand(
                self._channel(stretched(timeout)),
                self._apart,
                shown,
                where=self.where,
                lab=self.lab,
                timeout=stretched(timeout),
                on_line=on_line,
                root=self._root,
            )
            data = None if input is None else input.encode()
            self._running.add(command)
            try:
                completed = command.run(argv, data)
            finally:
                with self._ended:
                    self._running.discard(command)
                    self._ended.notify_all()
        return completed.check() if check else completed

    def _channel(self, timeout: float) -> paramiko.Channel:
        """Open a channel; where the machine allows no more, as soon as it does.

        Args:
            timeout: Seconds until a command must have ended that keeps one.
        """
        last, alone = time.monotonic() + timeout, 0
        while True:
            try:
                return self._open()
            except paramiko.ChannelException as error:
                alone = 0 if self._running else alone + 1
                left = last - time.monotonic()
                if left <= 0 or alone > _TRIES_ALONE:
                    if not self._running:
                        self.close()  # the next one is of a server that was reloaded
                    raise MachineUnreachable(
                        f"{self.where} opens no further session",
                        where=f"{self.where} ({self.address})",
                        wanted=f"{SESSIONS + 1} sessions on one connection",
                        seen=str(error),
                        next="raise MaxSessions in its /etc/ssh/sshd_config, then, on "
                        "it: systemctl reload ssh",
                    ) from error
                self._close_idle_files()
                with self._ended:
                    self._ended.wait(min(left, _AGAIN_S))

    @contextmanager
    def _apart(self) -> Iterator[paramiko.Channel]:
        """Open a channel beside a command's own, to end it by; also when that is all.

        A machine may allow one session on a connection.
        """
        with ExitStack() as opened:
            try:
                channel = self._open()
            except paramiko.ChannelException:
                client = self._login.connect(self._connect_timeout)
                opened.enter_context(client)
                transport = client.get_transport()
                assert transport is not None  # noqa: S101 - connect made it
                channel = transport.open_session(timeout=self._connect_timeout)
            opened.enter_context(channel)
            yield channel

    def _close_idle_files(self) -> None:
        """Give the session back that was kept for files, unless they are at work."""
        if self._files_lock.acquire(blocking=False):
            try:
                idle, self._sftp = self._sftp, None
                if idle is not None:
                    idle.close()
            finally:
                self._files_lock.release()

    def _open(self, *, again: bool = True) -> paramiko.Channel:
        """Open a channel at once, on a new connection when the old one was dropped.

        One that does not answer is left to the commands that run on it, if any do.

        Raises:
            ChannelException: The machine allows no more sessions.
        """
        transport = self._connection()
        try:
            return transport.open_session(timeout=self._connect_timeout)
        except LOST as error:
            told = isinstance(error, paramiko.SSHException)
            if told and "Timeout" not in str(error) and transport.is_active():
                if isinstance(error, paramiko.ChannelException):
                    raise
                # Another thread took the reason: paramiko keeps one for all channels.
                raise paramiko.ChannelException(0, str(error)) from error
            if not again or (transport.is_active() and self._running):
                raise self._login.unreachable(error) from error
        self._drop(transport)
        return self._open(again=False)

    def _drop(self, transport: paramiko.Transport) -> None:
        """Close a connection, unless another thread made a new one meanwhile."""
        with self._lock:
            if self._client and self._client.get_transport() is transport:
                self.close()

    def _on_files(self, path: str, work: Callable[[paramiko.SFTPClient], T]) -> T:
        """Work on whole files; again on a new channel when the old one was dropped.

        Only its first use tells that a channel was dropped, and whole files can be
        written twice.
        """
        with self._files_lock:
            kept = self._sftp is not None
            try:
                return self._try_files(path, work)
            except MachineUnreachable as error:
                if not kept or isinstance(error.__cause__, TimeoutError):
                    raise
            return self._try_files(path, work)

    def _try_files(self, path: str, work: Callable[[paramiko.SFTPClient], T]) -> T:
        """Work on the connection's one file channel; its errors become ours."""
        self._connection()
        sftp = self._sftp  # another thread may close it, and forget it, meanwhile
        try:
            if sftp is None:
                opened = partial(self._channel, stretched(files.FILE_TIMEOUT_S))
                sftp = self._sftp = files.connect(opened, self._root)
            return work(sftp)
        except OSError as error:
            channel = None if sftp is None else sftp.get_channel()
            ended = channel is not None and channel.closed
            if ended or isinstance(error, ConnectionError | TimeoutError):
                self._sftp = None
                raise self._login.unreachable(error) from error
            raise LabError(
                f"{self.where} refuses access to a file",
                where=f"{self.where}: {path}",
                seen=str(error),
            ) from error
        except (paramiko.SSHException, EOFError) as error:
            self._sftp = None
            raise self._login.unreachable(error) from error
        except paramiko.SFTPError as error:
            self._sftp = None
            raise LabError(
                f"{self.where} does not take files by SFTP",
                where=f"{self.where}: {path}",
                wanted="an SFTP server that answers",
                seen=str(error),
                next="on it, as root: apt-get install openssh-sftp-server",
            ) from error
        except BaseException:
            # An interrupted exchange leaves answers that nobody awaits.
            self._sftp = None
            raise

    def _connection(self, connect_timeout: float | None = None) -> paramiko.Transport:
        with self._lock:
            if self._over:
                raise MachineUnreachable(
                    f"the connection to {self.where} was closed for good",
                    where=self.address,
                )
            if self._client is not None:
                transport = self._client.get_transport()
                if transport is not None and transport.is_active():
                    return transport
                self.close()
            self._client = self._login.connect(connect_timeout or self._connect_timeout)
            transport = self._client.get_transport()
            assert transport is not None  # noqa: S101 - connect made it
            return transport


def _failed(done: Completed, line: int) -> CommandFailed:
    """Return the error of a script; its lines may hold secrets and are not told."""
    named = f"line {line} of the script" if line else "the script"
    error = CommandFailed(
        done.argv,
        where=done.where,
        returncode=done.returncode,
        stdout=done.stdout,
        stderr=done.stderr,
        what=f"{named} ended with exit code {done.returncode}",
    )
    error.where, error.line = done.where, line
    if done.returncode == _PIPE_CLOSED:
        error.next = (
            "the last program of that line, such as head, took no more of what the one "
            "before it wrote: write || true behind the line, or let a program read to "
            "the end: sed -n 1,5p"
        )
    return error
