"""Open an SSH connection: the host key is pinned, only the right key is offered."""

from __future__ import annotations

import logging
import shlex
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import paramiko

from ..core.hints import anew, command
from ..core.patience import stretched
from ..errors import HostKeyMismatch, LabError, MachineUnreachable
from .keys import how_to_compare, read_key

KEEPALIVE_S = 15
ANSWER_TIMEOUT_S = 15.0
"""Seconds an SSH server that accepted the connection has for each answer."""
SILENCE_MS = 30_000
"""Milliseconds after which a peer that acknowledges nothing is given up."""
_LOG = "k8slab.paramiko"
_NO_KEY = "no authentication methods"
"""What paramiko says where it has no key to offer."""
_REFUSALS = (
    *(_NO_KEY, "authentication fail", "too many authentication failures"),
    *("cannot be used for signing", "no existing session"),
)
"""What it says of a refused login; the last of keys that a machine heard no more of."""


@dataclass(frozen=True)
class Login:
    """How to log in to one machine.

    Attributes:
        lab: The lab's name, shown in messages.
        machine: The machine's name, shown in messages.
        address: Its address.
        port: The port of its SSH server.
        user: Who logs in.
        key: The file of the private key; None for the keys of the reader's agent.
        known_hosts: The file that pins the machine's host key.
        jump: How to log in to the host that the way goes through, if any.
        foreign: Whether machine and key are the reader's, not the lab's maker's.
    """

    lab: str
    machine: str
    address: str
    port: int
    user: str
    key: Path | None
    known_hosts: Path
    jump: Login | None = None
    foreign: bool = False

    def connect(self, timeout: float) -> paramiko.SSHClient:
        """Connect, verify the host key, log in and keep the connection alive.

        Args:
            timeout: Seconds until the machine must have accepted the connection.

        Raises:
            HostKeyMismatch: The host key is unknown, or not the pinned one; or the
                pinned ones cannot be read.
            MachineUnreachable: There is no answer, or the lab's key is refused.
            LabError: The lab's private key cannot be read.
        """
        client = _Client()
        client.set_log_channel(_quiet_log())
        client.set_missing_host_key_policy(_Reject(self))
        key = self._private_key()
        if self.jump is not None:
            client.behind = self.jump.connect(timeout)
        try:
            if self.known_hosts.exists():
                client.load_host_keys(str(self.known_hosts))
            plug = self._plug(client.behind, timeout)
            try:
                client.connect(
                    self.address,
                    self.port,
                    sock=plug,
                    username=self.user,
                    pkey=key,
                    look_for_keys=False,
                    allow_agent=key is None,
                    timeout=stretched(ANSWER_TIMEOUT_S),
                    banner_timeout=stretched(ANSWER_TIMEOUT_S),
                    auth_timeout=stretched(ANSWER_TIMEOUT_S),
                )
            except BaseException:
                client.close()
                plug.close()
                raise
        except paramiko.BadHostKeyException as error:
            client.close()
            raise HostKeyMismatch(
                f"{self.machine} shows another host key than the pinned one",
                where=f"{self.machine} ({self.address})",
                wanted=f"{error.expected_key.get_name()} "
                f"{error.expected_key.fingerprint}",
                seen=f"{error.key.get_name()} {error.key.fingerprint}",
                next=self.replaced(error.key.get_name()),
            ) from None
        except (paramiko.hostkeys.InvalidHostKey, UnicodeDecodeError) as error:
            client.close()
            raise HostKeyMismatch(
                "the pinned host keys cannot be read",
                where=str(self.known_hosts),
                wanted="known_hosts as the lab's maker wrote it",
                seen=str(error),
                next=self._pinned_anew(),
            ) from error
        except (paramiko.SSHException, EOFError, OSError) as error:
            client.close()
            raise self.unreachable(error) from error
        transport = client.get_transport()
        assert transport is not None  # noqa: S101 - connect made it
        transport.set_keepalive(KEEPALIVE_S)
        return client

    def shown_key(self, timeout: float) -> paramiko.PKey:
        """Return the host key that the machine shows; nobody logs in to it.

        Args:
            timeout: Seconds until the machine must have accepted the connection.

        Raises:
            MachineUnreachable: There is no answer.
        """
        behind = self.jump.connect(timeout) if self.jump is not None else None
        try:
            transport = paramiko.Transport(self._plug(behind, timeout))
            transport.set_log_channel(_quiet_log())
            try:
                transport.start_client(timeout=stretched(ANSWER_TIMEOUT_S))
                return transport.get_remote_server_key()
            finally:
                transport.close()
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise self.unreachable(error) from error
        finally:
            if behind is not None:
                behind.close()

    def unreachable(self, error: Exception) -> MachineUnreachable:
        """Say in our words why there is no connection."""
        refused = is_refusal(error)
        whose = "the keys offered" if self.foreign else "the lab's key"
        step = f"see what is stopped: {command('status', self.lab)}; "
        step += f"{command('start', self.lab)} starts a stopped lab"
        if self.foreign:
            step = f"try it by hand: {self.by_hand()}"
            if self.key is None and refused:
                agent = "see which keys your agent has: ssh-add -l; "
                agent += (
                    "add one: ssh-add FILE"
                    if _NO_KEY in str(error).lower()
                    else "take out those that are not for it, or cannot sign: "
                    "ssh-add -d FILE; or name the right one in the inventory: key: FILE"
                )
                step = f"{agent}; {step}"
        return MachineUnreachable(
            f"{self.machine} refuses {whose}"
            if refused
            else f"{self.machine} does not answer on SSH",
            where=f"{self.machine} ({self.address}, port {self.port})",
            wanted=f"a login as {self.user}",
            seen=str(error) or type(error).__name__,
            next=step,
        )

    def by_hand(self) -> str:
        """Return the command that logs in with the reader's own ssh."""
        words = ["ssh", "-p", str(self.port), f"{self.user}@{self.address}"]
        jump = self.jump
        if jump is not None and jump.key is not None:
            # Of -i a host that the way goes through hears nothing.
            way = ["ssh", "-i", str(jump.key), "-p", str(jump.port), "-W", "[%h]:%p"]
            way.append(f"{jump.user}@{jump.address}")
            words[1:1] = ["-o", f"ProxyCommand={shlex.join(way)}"]
        elif jump is not None:
            host = f"[{jump.address}]" if ":" in jump.address else jump.address
            words[1:1] = ["-J", f"{jump.user}@{host}:{jump.port}"]
        if self.key is not None:
            words[1:1] = ["-i", str(self.key)]
        return shlex.join(words)

    def replaced(self, kind: str) -> str:
        """Return what to do when another machine stands at this address.

        Args:
            kind: The type of the host key that it shows.
        """
        if self.foreign:
            return (
                f"compare it with what its own console says: {how_to_compare(kind)}; "
                "if it was replaced, forget the lab: "
                + command("down", self.lab, "--forget")
            )
        return f"if the machine was replaced, {anew(self.lab)}"

    def _pinned_anew(self) -> str:
        """Return what to do when the file of the pinned host keys is damaged."""
        if self.foreign:
            forget = command("down", self.lab, "--forget")
            return f"put it back from a backup, or forget the lab: {forget}"
        return f"put it back from a backup, or {anew(self.lab)}"

    def _plug(
        self, behind: paramiko.SSHClient | None, timeout: float
    ) -> socket.socket | paramiko.Channel:
        """Open a TCP connection that sends at once and notices a dead peer.

        Args:
            behind: The host that it goes through, if any.
            timeout: Seconds until the machine must have accepted it.
        """
        if behind is not None:
            transport = behind.get_transport()
            assert transport is not None  # noqa: S101 - connect made it
            return transport.open_channel(
                "direct-tcpip",
                (self.address, self.port),
                ("127.0.0.1", 0),
                timeout=timeout,
            )
        plug = socket.create_connection((self.address, self.port), timeout=timeout)
        plug.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        silence_ms = int(stretched(SILENCE_MS))
        plug.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, silence_ms)
        return plug

    def _private_key(self) -> paramiko.PKey | None:
        if self.key is None:
            return None
        if self.foreign:
            return read_key(self.key)
        try:
            return paramiko.Ed25519Key.from_private_key_file(str(self.key))
        except (OSError, ValueError, TypeError, paramiko.SSHException) as error:
            seen = type(error).__name__
        # Raised outside the handler: the reason may quote the key.
        raise LabError(
            "the lab's private key cannot be read",
            where=str(self.key),
            wanted="an Ed25519 key in OpenSSH format without a passphrase",
            seen=seen,
            next=anew(self.lab),
        )


def is_refusal(error: BaseException | None) -> bool:
    """Say whether a login was refused; a machine that is slow to answer did not.

    Without a key to offer, paramiko asks the machine for nothing; and it goes on to
    offer keys when the machine closed the connection at one.
    """
    said = str(error).lower()
    if isinstance(error, paramiko.AuthenticationException):
        return "timeout" not in said
    return isinstance(error, paramiko.SSHException) and any(
        each in said for each in _REFUSALS
    )


class _Client(paramiko.SSHClient):
    """A client that closes the one it goes through, too."""

    behind: paramiko.SSHClient | None = None

    def close(self) -> None:
        super().close()
        if self.behind is not None:
            self.behind.close()


class _Reject(paramiko.RejectPolicy):
    """Refuse an unknown host key with the facts that the reader needs."""

    def __init__(self, login: Login) -> None:
        self._login = login

    def missing_host_key(
        self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey
    ) -> NoReturn:
        raise HostKeyMismatch(
            f"{self._login.machine} shows a host key that was never pinned",
            where=f"{self._login.machine} ({hostname})",
            wanted=f"a key that {self._login.known_hosts} names",
            seen=f"{key.get_name()} {key.fingerprint}",
            next=self._login.replaced(key.get_name()),
        )


def _quiet_log() -> str:
    """Name the log that keeps paramiko's own complaints off the terminal."""
    log = logging.getLogger(_LOG)
    if not log.handlers:
        log.addHandler(logging.NullHandler())
    return _LOG
