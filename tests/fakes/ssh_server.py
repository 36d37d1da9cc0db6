"""An SSH server in this process, which really runs what it is told to."""

from __future__ import annotations

import errno
import os
import shlex
import signal
import socket
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import paramiko
from paramiko.common import (
    AUTH_FAILED,
    AUTH_SUCCESSFUL,
    OPEN_FAILED_CONNECT_FAILED,
    OPEN_SUCCEEDED,
)
from paramiko.sftp import SFTP_OK

from k8slab.ssh.client import SSHShell
from k8slab.ssh.keys import generate_key, known_hosts_line

LOST = (paramiko.SSHException, EOFError, OSError)
SFTP_SERVER = "/usr/lib/openssh/sftp-server"


class _Files(paramiko.SFTPServerInterface):
    """Serve a folder as if it were the root of a machine."""

    def __init__(self, server: _Login, root: Path, log: list[str]) -> None:
        super().__init__(server)
        self._root = root
        self._log = log

    def _real(self, path: str) -> Path:
        return self._root / path.lstrip("/")

    def _try(self, name: str, path: str, work: Callable[[], Any]) -> Any:
        self._log.append(f"{name} {path}")
        try:
            answer = work()
            return SFTP_OK if answer is None else answer
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno or 0)

    def stat(self, path: str) -> Any:
        real = self._real(path)
        return self._try(
            "stat", path, lambda: paramiko.SFTPAttributes.from_stat(real.stat())
        )

    lstat = stat

    def mkdir(self, path: str, attr: Any) -> Any:
        return self._try("mkdir", path, self._real(path).mkdir)

    def chattr(self, path: str, attr: Any) -> Any:
        mode = attr.st_mode & 0o7777
        return self._try("chmod", path, lambda: self._real(path).chmod(mode))

    def remove(self, path: str) -> Any:
        return self._try("remove", path, self._real(path).unlink)

    def posix_rename(self, oldpath: str, newpath: str) -> Any:
        def rename() -> None:
            if self._real(newpath).name == "mountpoint":
                raise OSError(16, "Device or resource busy")
            os.replace(self._real(oldpath), self._real(newpath))

        return self._try("rename", newpath, rename)

    def open(self, path: str, flags: int, attr: Any) -> Any:
        def opened() -> paramiko.SFTPHandle:
            if self._real(path).name.startswith(".full."):
                raise OSError(28, "No space left on device")
            fd = os.open(self._real(path), flags, 0o666)
            fills = self._real(path).name.startswith(".nearly-full.")
            handle = _FullHandle(flags) if fills else _Handle(flags)
            handle.readfile = handle.writefile = os.fdopen(
                fd,
                "wb" if flags & os.O_WRONLY else "r+b" if flags & os.O_RDWR else "rb",
            )
            return handle

        return self._try("write" if flags & 3 else "read", path, opened)


class _Handle(paramiko.SFTPHandle):
    """An open file whose permissions and length can be set."""

    readfile: IO[bytes]
    writefile: IO[bytes]

    def chattr(self, attr: Any) -> int:
        if attr.st_mode is not None:
            os.fchmod(self.writefile.fileno(), attr.st_mode & 0o7777)
        if attr.st_size is not None:
            self.writefile.flush()
            os.ftruncate(self.writefile.fileno(), attr.st_size)
        return SFTP_OK

    def stat(self) -> Any:
        return paramiko.SFTPAttributes.from_stat(os.fstat(self.readfile.fileno()))


class _FullHandle(_Handle):
    """A file on a disk that has room for its name, and for nothing in it."""

    def write(self, offset: int, data: Any) -> int:
        return paramiko.SFTPServer.convert_errno(errno.ENOSPC)


class _Login(paramiko.ServerInterface):
    """Let one key in and run each command as a process of its own."""

    def __init__(self, machine: FakeMachine) -> None:
        self._machine = machine

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        allowed = f"{key.get_name()} {key.get_base64()}" == self._machine.authorized
        self._machine.logins += allowed
        return AUTH_SUCCESSFUL if allowed else AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        full = self._machine.sessions() >= self._machine.session_limit
        return OPEN_FAILED_CONNECT_FAILED if full else OPEN_SUCCEEDED

    def check_channel_subsystem_request(
        self, channel: paramiko.Channel, name: str
    ) -> bool:
        if not self._machine.has_subsystem:
            return False
        channel.sendall(self._machine.greeting.encode())
        self._machine.file_channel = channel
        return super().check_channel_subsystem_request(channel, name)

    def check_channel_direct_tcpip_request(
        self, chanid: int, origin: tuple[str, int], destination: tuple[str, int]
    ) -> int:
        self._machine.passes_on(chanid, destination)
        return OPEN_SUCCEEDED

    def check_channel_exec_request(
        self, channel: paramiko.Channel, command: bytes
    ) -> bool:
        threading.Thread(
            target=self._machine.execute, args=(channel, command.decode()), daemon=True
        ).start()
        return True


class FakeMachine:
    """One machine: an SSH server on a free loopback port.

    Attributes:
        root: The folder that its file service shows.
        log: What the file service was asked to do.
        commands: The command lines it was asked to run.
        logins: How often it let somebody in.
        passed_on: Where connections went that came through it.
        greeting: What a login file prints before each command.
        refusal: What the shell of who logs in says, which runs no command.
        has_subsystem: Whether it serves files as the subsystem.
        has_server: Whether it has a program that serves files.
        session_limit: How many sessions a connection may have at once.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "root"
        self.root.mkdir()
        self.log: list[str] = []
        self.commands: list[str] = []
        self.logins = 0
        self.passed_on: list[tuple[str, int]] = []
        self.greeting = self.refusal = ""
        self.has_subsystem = self.has_server = True
        self.session_limit = 10
        self.file_channel: paramiko.Channel | None = None
        self.private, public = generate_key()
        self.authorized = " ".join(public.split()[:2])
        self.key = folder / "id_ed25519"
        self.key.write_text(self.private)
        self.key.chmod(0o600)
        host_private, self.host_public = generate_key()
        host_file = folder / "host_key"
        host_file.write_text(host_private)
        self._host_key = paramiko.Ed25519Key.from_private_key_file(str(host_file))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.known_hosts = folder / "known_hosts"
        self.pin(self.host_public)
        self._transports: list[paramiko.Transport] = []
        self._processes: list[subprocess.Popen[bytes]] = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def pin(self, public: str) -> None:
        """Write the known_hosts file with that host key."""
        line = known_hosts_line("127.0.0.1", public, port=self.port)
        self.known_hosts.write_text(line)

    def runner(self, **other: Any) -> SSHShell:
        """Return a runner that reaches this machine."""
        settings = {
            "key": self.key,
            "known_hosts": self.known_hosts,
            "connect_timeout": 5,
            "port": self.port,
        }
        return SSHShell("node1", "127.0.0.1", lab="default", **{**settings, **other})

    def drop(self) -> None:
        """Break all connections, as a machine that restarts does."""
        while self._transports:
            transport = self._transports.pop()
            transport.close()
            transport.join(5)

    def sessions(self) -> int:
        """Return how many sessions the last connection has."""
        return len(vars(self._transports[-1])["_channels"].values())

    def serve_files(self, channel: paramiko.Channel, command: str) -> None:
        """Run a command that becomes a server of files."""
        said = subprocess.run(
            ["/bin/sh", "-c", command.replace(SFTP_SERVER, "true")],
            capture_output=True,
            check=True,
        )
        channel.sendall(said.stdout)
        files = (_Files, self.root, self.log)
        paramiko.SFTPServer(channel, "sftp", _Login(self), *files).start()

    def execute(self, channel: paramiko.Channel, command: str) -> None:
        """Run a command as sshd does: both streams, the input, the exit code."""
        self.commands.append(command)
        if self.refusal:
            command = f"echo {shlex.quote(self.refusal)}; exit 1"
        command = f"printf %s {shlex.quote(self.greeting)}; {command}"
        if SFTP_SERVER in command and self.has_server:
            return self.serve_files(channel, command)
        process = subprocess.Popen(
            ["/bin/sh", "-c", command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._processes.append(process)
        pumps = [
            threading.Thread(target=pump, args=args, daemon=True)
            for pump, args in (
                (_pump_out, (process.stdout, channel.sendall)),
                (_pump_out, (process.stderr, channel.sendall_stderr)),
                (_pump_in, (channel, process.stdin)),
            )
        ]
        for pump in pumps:
            pump.start()
        code = process.wait()
        with suppress(*LOST):
            if code >= 0:
                channel.send_exit_status(code)
            for pump in pumps[:2]:
                pump.join()
            channel.shutdown_write()
            channel.close()

    def passes_on(self, chanid: int, destination: tuple[str, int]) -> None:
        """Connect a new channel to an address, as a jump host does."""
        self.passed_on.append(destination)
        transport = self._transports[-1]

        def carry() -> None:
            channel = transport.accept(5)
            while channel is not None and channel.get_id() != chanid:
                channel = transport.accept(5)
            if channel is None:
                return
            with suppress(*LOST), socket.create_connection(destination) as plug:
                back = plug.makefile("rb", buffering=0)
                pump = threading.Thread(
                    target=_pump_out, args=(_Raw(back), channel.sendall), daemon=True
                )
                pump.start()
                while data := channel.recv(65536):
                    plug.sendall(data)

        threading.Thread(target=carry, daemon=True).start()

    def close(self) -> None:
        """End connections and processes; a second time does nothing."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join(5)
        self.drop()
        for process in self._processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _accept(self) -> None:
        while True:
            try:
                plug, _ = self._listener.accept()
            except OSError:
                return
            plug.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            transport = paramiko.Transport(plug)
            transport.set_log_channel("k8slab.test")
            transport.add_server_key(self._host_key)
            transport.set_subsystem_handler(
                "sftp", paramiko.SFTPServer, _Files, self.root, self.log
            )
            # Before it serves: a client may ask for more before 'start_server' returns.
            self._transports.append(transport)
            with suppress(*LOST):
                transport.start_server(server=_Login(self))


class _Raw:
    """A socket's bytes, read as a pipe's are."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def __enter__(self) -> _Raw:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read1(self, size: int) -> bytes:
        return bytes(self._file.read(size) or b"")


def _pump_out(source: Any, send: Callable[[bytes], None]) -> None:
    with source, suppress(*LOST):
        while data := source.read1(65536):
            send(data)


def _pump_in(channel: paramiko.Channel, sink: Any) -> None:
    with suppress(*LOST), sink:
        while data := channel.recv(65536):
            sink.write(data)
            sink.flush()
