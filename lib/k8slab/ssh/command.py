"""Run one command on one SSH channel, and end it at its deadline."""

from __future__ import annotations

import codecs
import re
import shlex
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from queue import Empty, SimpleQueue
from typing import Protocol

import paramiko

from ..core.hints import command
from ..core.process import Completed
from ..errors import CommandTimeout, MachineUnreachable

KILL_AFTER_S = 1.0
"""Seconds between the polite end of a command at its deadline and the hard one."""
QUIET_S = 1.0
"""Seconds of silence after which a process left in the background is not awaited."""
LOST = (paramiko.SSHException, EOFError, OSError)
_MARK = re.compile(rb"k8slab-pid (\d+)\n")
_LINE = "echo k8slab-pid $$; echo k8slab-pid $$ >&2; exec {}"
"""What a POSIX shell runs, whatever shell the user who logs in has."""
_CHUNK = 65536
_ENGLISH = "LC_ALL=C"
"""What programs say is read here, whatever the language of a machine is."""
_PROXIES = tuple(f"{kind}_proxy" for kind in ("http", "https", "all", "no"))
_DIRECT = tuple(f"-u{name}" for each in _PROXIES for name in (each, each.upper()))
"""What a machine says of its proxy, which has no way to the machine's own cluster."""
_FETCHES = "apt-get"
"""The command that needs the proxy."""


class OpenChannel(Protocol):
    """Whatever opens a new channel on a living connection."""

    def __call__(self) -> paramiko.Channel:
        """Return a channel that nothing runs on yet."""
        ...


class _Stream:
    """Decode one stream as it comes and hand on its whole lines."""

    def __init__(self, on_line: Callable[[str], None] | None) -> None:
        self.parts: list[str] = []
        self.open = True
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._on_line = on_line
        self._tail: list[str] = []

    @property
    def text(self) -> str:
        return "".join(self.parts)

    def feed(self, data: bytes) -> None:
        text = self._decoder.decode(data, final=not data)
        if text:
            self.parts.append(text)
        if self._on_line is None:
            return
        *whole, rest = text.split("\n")
        for line in whole:
            self._on_line("".join(self._tail) + line)
            self._tail.clear()
        if rest:
            self._tail.append(rest)

    def end(self) -> None:
        """Hand on the last line when it has no line end."""
        self.open = False
        self.feed(b"")
        if self._on_line is not None and self._tail:
            self._on_line("".join(self._tail))
            self._tail.clear()


class _Marked(_Stream):
    """A stream that begins with a mark, which names the process that can be ended.

    What login files print comes before the mark and is dropped: bash reads its files
    for the commands of SSH, too. Without a mark no command ran, and all of it counts.
    """

    def __init__(self, on_line: Callable[[str], None] | None) -> None:
        super().__init__(on_line)
        self.pid: int | None = None
        self._head = b""

    @property
    def text(self) -> str:
        return super().text + self._head.decode("utf-8", "replace")

    def feed(self, data: bytes) -> None:
        if self.pid is None:
            self._head += data
            found = _MARK.search(self._head)
            if found is None and data:
                return
            data, self._head = self._head, b""
            if found is not None:
                self.pid = int(found[1])
                data = data[found.end() :]
            if not data:
                return
        super().feed(data)


class RemoteCommand:
    """One command on one channel.

    The command runs below ``timeout``, so that it ends at its deadline even when
    the connection breaks. Threads read both streams into one queue while another
    feeds the input, so that neither side ever waits for the other.

    Args:
        channel: A new channel.
        again: Gives another one for a while, to end the command early.
        argv: The command as error messages show it.
        where: The machine's name.
        lab: The lab's name, for messages.
        timeout: Seconds until the command is ended.
        on_line: Called with each line, in the caller's thread.
        root: What makes it root's, before its first word; empty where root logs in.
    """

    def __init__(
        self,
        channel: paramiko.Channel,
        again: Callable[[], AbstractContextManager[paramiko.Channel]],
        argv: Sequence[str],
        *,
        where: str,
        lab: str,
        timeout: float,
        on_line: Callable[[str], None] | None,
        root: Sequence[str] = (),
    ) -> None:
        self._channel = channel
        self._root = tuple(root)
        self._again = again
        self._argv = tuple(argv)
        self._where = where
        self._lab = lab
        self._timeout = timeout
        self._out: _Stream = _Marked(on_line)
        self._err = _Marked(on_line)
        self._queue: SimpleQueue[tuple[str, bytes | int | Exception]] = SimpleQueue()
        self._returncode: int | None = None
        self._started = time.monotonic()

    def run(self, argv: Sequence[str], input: bytes | None) -> Completed:
        """Run a command to its end.

        Args:
            argv: What really runs; ``timeout`` is put before it.
            input: What it reads on its standard input.

        Raises:
            CommandTimeout: The deadline passed; the command was ended.
            MachineUnreachable: The connection broke while it ran.
        """
        limit = f"{max(self._timeout, 0.001):.3f}"
        limited = ["timeout", "-k", f"{KILL_AFTER_S:g}", limit]
        direct = () if _FETCHES in argv else _DIRECT
        words = [*self._root, "env", *direct, _ENGLISH, *limited, *argv]
        line = shlex.join(["exec", "sh", "-c", _LINE.format(shlex.join(words))])
        self._thread(lambda: self._drive(line, input))
        try:
            self._collect()
        except BaseException:
            self._end()
            raise
        finally:
            self._channel.close()
        return self._completed()

    def abort(self) -> None:
        """End the command early, from another thread than the one that runs it."""
        self._queue.put(("lost", EOFError("it was ended early")))

    def _drive(self, line: str, input: bytes | None) -> None:
        """Start the command and its readers, feed it and report its exit code."""
        try:
            self._channel.exec_command(line)
        except LOST as error:
            self._queue.put(("lost", error))
            return
        self._thread(lambda: self._read("out", self._channel.recv))
        self._thread(lambda: self._read("err", self._channel.recv_stderr))
        if input is None:
            with suppress(*LOST):
                self._channel.shutdown_write()
        else:
            self._feed(input)
        self._queue.put(("exit", self._channel.recv_exit_status()))

    def _read(self, name: str, receive: Callable[[int], bytes]) -> None:
        data = b"-"
        while data:
            try:
                data = receive(_CHUNK)
            except LOST:
                data = b""
            self._queue.put((name, data))

    def _feed(self, data: bytes) -> None:
        """Write the whole input; a command may stop reading early."""
        with suppress(*LOST):
            self._channel.sendall(data)
            self._channel.shutdown_write()

    def _collect(self) -> None:
        """Take what comes until the command ended and both streams did."""
        last = self._started + self._timeout + 2 * KILL_AFTER_S
        while self._returncode is None or self._out.open or self._err.open:
            left = last - time.monotonic()
            if self._returncode is not None:
                left = min(left, QUIET_S)
            if not self._take(left):
                if self._returncode is not None:
                    break
                raise self._timed_out()
        for stream in (self._out, self._err):
            if stream.open:
                stream.end()

    def _take(self, wait_s: float) -> bool:
        """Handle one thing from the queue; False when none came in time."""
        try:
            kind, value = self._queue.get(timeout=max(wait_s, 0.0))
        except Empty:
            return False
        if isinstance(value, Exception):
            raise self._lost() from value
        if isinstance(value, int):
            self._returncode = value
            return True
        stream = self._out if kind == "out" else self._err
        if value:
            stream.feed(value)
        else:
            stream.end()
        return True

    def _completed(self) -> Completed:
        seconds = time.monotonic() - self._started
        code = self._returncode
        if code in (124, 137, -1) and seconds >= self._timeout:
            raise self._timed_out()
        transport = self._channel.get_transport()
        if code is None or (code == -1 and not transport.is_active()):
            raise self._lost()
        return Completed(
            self._argv, self._where, code, self._out.text, self._err.text, seconds
        )

    def _timed_out(self) -> CommandTimeout:
        return CommandTimeout(
            self._argv,
            where=self._where,
            timeout=self._timeout,
            stdout=self._out.text,
            stderr=self._err.text,
        )

    def _lost(self) -> MachineUnreachable:
        return MachineUnreachable(
            f"the connection to {self._where} broke while '{self._argv[0]}' ran",
            where=self._where,
            wanted="an answer on SSH until the command ends",
            seen=self._err.text.strip()[-300:] or "the connection was closed",
            next=f"see whether the machine runs: {command('status', self._lab)}",
        )

    def _end(self) -> None:
        """End the remote command early; without a word if it cannot be reached."""
        self._out = _Stream(None)
        errors, self._err = self._err, _Marked(None)
        self._err.pid = errors.pid
        until = time.monotonic() + KILL_AFTER_S
        with suppress(MachineUnreachable):
            while self._err.pid is None and self._returncode is None:
                if not self._take(until - time.monotonic()):
                    return
            if self._err.pid is None or self._returncode is not None:
                return
            with suppress(*LOST), self._again() as killer:
                kill = [*self._root, "kill", "-TERM", str(self._err.pid)]
                killer.exec_command(shlex.join(kill))
                killer.status_event.wait(2 * KILL_AFTER_S)

    @staticmethod
    def _thread(work: Callable[[], None]) -> None:
        threading.Thread(target=work, daemon=True, name="k8slab-ssh").start()
