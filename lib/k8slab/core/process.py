"""Run a command on this machine, and the protocol every other runner follows."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Protocol

from ..errors import CommandFailed, CommandTimeout, HostProblem
from .files import UMASK
from .hints import command
from .outside import ours, when_full
from .patience import stretched
from .signals import deferred, undisturbed

DEFAULT_TIMEOUT_S = 60.0
_LINGER_S = 60.0
"""Seconds for which what a command left in the background may hold its streams."""
_SYSTEM = ("/usr/local/sbin", "/usr/sbin", "/sbin")
_ENGLISH = {"LC_ALL": "C.UTF-8", "LANGUAGE": ""}
"""What programs say is read here, and shown between English words."""
_OPTIONS = ("TAR_OPTIONS", "SOURCE_DATE_EPOCH")
"""Variables by which tar leaves files out or changes their owners, and by which what
builds images refuses the time that it gives them."""


def search_path() -> str:
    """Return the PATH with root's own folders, which a plain ``su`` leaves out."""
    there = os.get_exec_path()
    lacking = [folder for folder in _SYSTEM if folder not in there]
    return os.pathsep.join([*there, *lacking])


def variables() -> dict[str, str]:
    """Return the variables of a command: this process's, but for what misleads it.

    A TMPDIR that is gone, or not this user's to enter, makes programs fail with words
    of their own.
    """
    found = {**os.environ, "PATH": search_path(), **_ENGLISH}
    if "TMPDIR" in found and not os.access(found["TMPDIR"], os.W_OK | os.X_OK):
        del found["TMPDIR"]
    return {name: value for name, value in found.items() if name not in _OPTIONS}


@dataclass(frozen=True)
class Completed:
    """A command that ended.

    Attributes:
        argv: The command as an argument list.
        where: The machine that ran it.
        returncode: Its exit code.
        stdout: What it printed, decoded as UTF-8.
        stderr: What it complained about, decoded as UTF-8.
        seconds: How long it took.
    """

    argv: tuple[str, ...]
    where: str
    returncode: int
    stdout: str
    stderr: str
    seconds: float

    def __str__(self) -> str:
        """What it said: its complaint before its output, else its exit code."""
        said = self.stderr.strip() or self.stdout.strip()
        return said or f"exit code {self.returncode}"

    @property
    def ok(self) -> bool:
        """Whether the exit code is 0."""
        return self.returncode == 0

    def check(self) -> Completed:
        """Return itself, or raise `CommandFailed` when the exit code is not 0."""
        if not self.ok:
            failed = CommandFailed(
                self.argv,
                where=self.where,
                returncode=self.returncode,
                stdout=self.stdout,
                stderr=self.stderr,
            )
            if self.where == LocalRunner.where:
                failed.next = when_full(self.stderr)
            raise failed
        return self


class Runner(Protocol):
    """Whatever can run a command: this machine, or one over SSH."""

    where: str

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

        Args:
            argv: The command as an argument list; no shell reads it.
            input: What the command reads on its standard input.
            check: Raise when the exit code is not 0.
            timeout: Seconds until the command is ended.
            on_line: Called with each line as it is printed, on either stream.

        Raises:
            CommandFailed: The exit code is not 0 and ``check`` is true.
            CommandTimeout: The deadline passed.
        """
        ...


class LocalRunner:
    r"""Run commands on this machine, each in a process group of its own.

    Args:
        env: Variables added to this process's environment.
        cwd: The working directory.
        grace_s: Seconds in which a command that has to end may clean up, after a
            Ctrl-C of its own; without any it is killed at once.

    Example:
        >>> LocalRunner().run(["echo", "hello"]).stdout
        'hello\n'
    """

    where = "this machine"

    def __init__(
        self,
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        grace_s: float = 0,
    ) -> None:
        self._env = dict(env or {})
        self._cwd = cwd
        self._grace_s = grace_s
        self._running: set[subprocess.Popen[str]] = set()

    def run(
        self,
        argv: Sequence[str],
        *,
        input: str | None = None,
        check: bool = True,
        timeout: float = DEFAULT_TIMEOUT_S,
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        """Run a command to its end; see `Runner.run`."""
        started, timeout = time.monotonic(), stretched(timeout)
        out: list[str] = []
        err: list[str] = []
        with ExitStack() as at_last:
            with deferred():  # what was started is known, and so is ended
                process = self._start(argv, reads=input is not None)
                at_last.callback(self._forget, process)
                readers = [
                    _reader(process.stdout, out, on_line),
                    _reader(process.stderr, err, on_line),
                ]
                if input is not None:
                    _feeder(process, input)
            try:
                process.wait(timeout)
            except subprocess.TimeoutExpired as error:
                raise CommandTimeout(
                    argv,
                    where=self.where,
                    timeout=timeout,
                    stdout="".join(out),
                    stderr="".join(err),
                ) from error
            for reader in readers:
                left = max(0.1, timeout - (time.monotonic() - started))
                reader.join(min(left, _LINGER_S))
        completed = Completed(
            tuple(argv),
            self.where,
            process.returncode,
            "".join(out),
            "".join(err),
            time.monotonic() - started,
        )
        return completed.check() if check else completed

    def _start(self, argv: Sequence[str], *, reads: bool) -> subprocess.Popen[str]:
        try:
            process = subprocess.Popen(
                list(argv),
                stdin=subprocess.PIPE if reads else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                errors="replace",
                env=variables() | self._env,
                cwd=self._cwd,
                umask=UMASK,
                start_new_session=True,
            )
        except OSError as error:
            if not isinstance(error, FileNotFoundError) or error.filename != argv[0]:
                raise ours(error) from error
            raise HostProblem(
                f"the command {argv[0]!r} is not on this machine",
                where=str(self._cwd or Path.cwd()),
                next=f"see what this computer lacks: {command('doctor')}",
            ) from error
        self._running.add(process)
        return process

    def _forget(self, process: subprocess.Popen[str]) -> None:
        _end(process, self._grace_s)
        self._running.discard(process)

    def end(self) -> None:
        """End every command that still runs, from another thread than its own."""
        for process in list(self._running):
            _end(process, self._grace_s)


def _reader(
    stream: IO[str] | None, into: list[str], on_line: Callable[[str], None] | None
) -> threading.Thread:
    """Start a thread that drains a pipe, so that a full one never blocks."""

    def drain() -> None:
        assert isinstance(stream, TextIOWrapper)  # noqa: S101 - Popen was given a pipe
        stream.reconfigure(newline="\n")  # a carriage return is part of what is said
        with stream:
            for line in stream:
                into.append(line)
                if on_line is not None:
                    on_line(line.removesuffix("\n").removesuffix("\r"))

    thread = threading.Thread(target=drain, daemon=True)
    thread.start()
    return thread


def _feeder(process: subprocess.Popen[str], text: str) -> None:
    """Start a thread that writes the whole input; a command may read none of it."""

    def feed() -> None:
        assert process.stdin is not None  # noqa: S101 - Popen was given a pipe
        with suppress(BrokenPipeError), process.stdin as pipe:
            pipe.write(text)

    threading.Thread(target=feed, daemon=True).start()


def _end(process: subprocess.Popen[str], grace_s: float) -> None:
    """End a command that still runs, with all it started."""
    if process.poll() is None and not (grace_s and _gives_up(process, grace_s)):
        with suppress(ProcessLookupError):  # another thread may have ended it
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _gives_up(process: subprocess.Popen[str], grace_s: float) -> bool:
    """Interrupt a command as Ctrl-C does; say whether it ended within its seconds."""
    with undisturbed(), suppress(ProcessLookupError, subprocess.TimeoutExpired):
        os.killpg(process.pid, signal.SIGINT)
        process.wait(stretched(grace_s))
    return process.poll() is not None
