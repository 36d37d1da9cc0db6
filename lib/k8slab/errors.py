"""The one exception tree of the package.

::

    LabError                 exit 1   anything below
    ├── BadInput             exit 2   what was asked for cannot be asked
    │   ├── UnknownMachine            a machine name that the lab does not have
    │   ├── NoMachines                the lab is an adopted cluster without machines
    │   ├── SettingsDiffer            the lab exists with other settings
    │   ├── BadManifest               a manifest that Kubernetes would refuse
    │   ├── NoFact                    a claim that can be nothing but true
    │   └── Refused                   a target that is not this lab's cluster
    │       └── WrongCluster          the fingerprint is not the pinned one
    ├── HostProblem          exit 3   this computer cannot carry a lab as it is
    │   └── RangeInUse                another lab has the addresses asked for
    ├── BundleError          exit 4   the bundle is missing, broken or cannot be built
    ├── LabMissing           exit 5   there is no such lab, or it was never up
    │   └── NotConnected              a session did not connect to a lab yet
    ├── InUse                exit 10  another process is at work on the same thing
    ├── CommandFailed        exit 6   a command ended with an exit code other than 0
    │   └── CommandTimeout            it did not end before its deadline
    ├── MachineUnreachable   exit 7   SSH to a machine failed
    │   └── HostKeyMismatch           its host key is not the pinned one
    ├── PhaseFailed          exit 8   a phase of a long task failed
    ├── NotBegun                      an exercise's start cell has to run first
    ├── NotReady             exit 9   a wait ended without what it waited for
    ├── ApiError             exit 11  the API server answered, and refused
    ├── ApiUnreachable       exit 12  the API server does not answer
    ├── CertificateExpired   exit 13  a certificate is not valid at this time
    ├── Unreachable                   a probe got no answer
    └── CheckFailed                   a claim of a chapter is not true
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from typing import Any, ClassVar

_USER = re.compile(r"(?<=://)[^\s/@]+@")


def without_passwords(text: str) -> str:
    """Return a text in which addresses have no user and no password before the host."""
    return _USER.sub("…@", text)


class LabError(Exception):
    """State what failed, where, what was wanted and seen, and what to do next.

    Args:
        what: One sentence: what went wrong.
        where: The machine, object, file or address concerned.
        wanted: What would have been right.
        seen: What was found in its place.
        next: What the reader can do about it.
    """

    exit_code: ClassVar[int] = 1
    retry_after_s: float = 0.0

    @property
    def passing(self) -> bool:
        """Whether it goes away by itself, so that a wait goes on."""
        return False

    @property
    def passing_at_first(self) -> bool:
        """Whether it goes away by itself if it does within `poll.GRACE_S`."""
        return False

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        wanted: str = "",
        seen: str = "",
        next: str = "",
    ) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.wanted = wanted
        self.seen = seen
        self.next = next

    def facts(self) -> list[tuple[str, str]]:
        """Return the labelled facts that are known, in reading order."""
        pairs = [
            ("where", self.where),
            ("wanted", self.wanted),
            ("seen", self.seen),
            ("next", self.next),
        ]
        return [(label, str(value)) for label, value in pairs if value]

    def __str__(self) -> str:
        lines = [self.what]
        for label, value in self.facts():
            head, *rest = value.splitlines() or [""]
            lines.append(f"  {label + ':':<8}{head}")
            lines += [f"  {'':<8}{line}" for line in rest]
        return "\n".join(lines)

    def _render_traceback_(self) -> list[str]:
        """Show a short message in a notebook; ``%tb`` still has the whole trace."""
        notes = getattr(self, "__notes__", [])
        return ["\n".join([f"{type(self).__name__}: {self}", *notes])]


class InUse(LabError):
    """Another process is at work on the same thing; nothing was changed."""

    exit_code = 10


class BadInput(LabError):
    """What was asked for cannot be asked; nothing was changed."""

    exit_code = 2


class UnknownMachine(BadInput):
    """A machine name that the lab does not have."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(
            f"there is no machine named {name!r}",
            wanted="one of " + ", ".join(known),
            seen=str(name),
            next="name one of the lab's machines",
        )
        self.name = name
        self.known = tuple(known)


class NoMachines(BadInput):
    """What was asked for needs machines, and the lab is an adopted cluster."""


class SettingsDiffer(BadInput):
    """The lab exists with other settings."""


class BadManifest(BadInput):
    """A manifest that Kubernetes would refuse, or would not understand as meant."""


class NoFact(BadInput):
    """What should be true or false can be nothing but true."""


class Refused(BadInput):
    """A command that would have reached something other than this lab's cluster."""


class WrongCluster(Refused):
    """The cluster that answers is not the one whose fingerprint was pinned."""


class HostProblem(LabError):
    """This computer cannot carry a lab as it is."""

    exit_code = 3


class RangeInUse(HostProblem):
    """Another lab on this computer has the addresses that were asked for."""


class BundleError(LabError):
    """The bundle is missing, broken or cannot be built."""

    exit_code = 4


class LabMissing(LabError):
    """There is no lab of that name, or it was never up."""

    exit_code = 5


class NotConnected(LabMissing):
    """This session is connected to no lab."""


class CommandFailed(LabError):
    """A command ended with an exit code other than 0.

    Args:
        argv: The command as an argument list.
        where: The machine that ran it.
        returncode: Its exit code.
        stdout: What it printed.
        stderr: What it complained about.
    """

    exit_code = 6
    _TAIL: ClassVar[int] = 12
    _SHOWN: ClassVar[int] = 1000
    # https://github.com/kubernetes/kubectl/blob/master/pkg/cmd/util/helpers.go
    _PASSING: ClassVar[re.Pattern[str]] = re.compile(
        r"(?m)^Error from server "
        r"\((ServiceUnavailable|InternalError|Timeout|TooManyRequests)\)"
        r"|^The connection to the server .* was refused"
        r"|^Unable to connect to the server: .*(EOF|TLS handshake timeout)"
    )
    _AT_FIRST: ClassVar[re.Pattern[str]] = re.compile(
        r"(?m)^Error from server \(Forbidden\)|^error: You must be logged in"
    )
    shown = False
    """Whether the reader saw already what the command said."""
    line = 0
    """The line of a script that failed, from 1; 0 when it is not known."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        where: str,
        returncode: int,
        stdout: str = "",
        stderr: str = "",
        what: str = "",
    ) -> None:
        tail = (stderr.strip() or stdout.strip()).splitlines()[-self._TAIL :]
        super().__init__(
            what or f"'{_program(argv)}' ended with exit code {returncode}",
            where=f"{where}: {without_passwords(shlex.join(argv))[: self._SHOWN]}",
            wanted="exit code 0",
            seen=without_passwords("\n".join(tail))
            or f"exit code {returncode} and no output",
        )
        self.argv = tuple(argv)
        self.returncode = returncode
        self.stdout = stdout
        self.stderr = stderr

    @property
    def passing(self) -> bool:
        """Whether kubectl says that the API server answers another time."""
        return self._is_kubectl and bool(self._PASSING.search(self.stderr))

    @property
    def passing_at_first(self) -> bool:
        """Whether kubectl says what a server that starts answers, too."""
        return self._is_kubectl and bool(self._AT_FIRST.search(self.stderr))

    @property
    def _is_kubectl(self) -> bool:
        return self.argv[:1] == ("kubectl",)

    def _render_traceback_(self) -> list[str]:
        """Show the command's words once: not when they stand above already."""
        if not self.shown or not (self.stdout or self.stderr).strip():
            return super()._render_traceback_()
        told, self.seen = self.seen, "what it said stands above"
        try:
            return super()._render_traceback_()
        finally:
            self.seen = told


class CommandTimeout(CommandFailed):
    """A command did not end before its deadline, and was ended.

    Args:
        timeout: The deadline in seconds.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        where: str,
        timeout: float,
        stdout: str = "",
        stderr: str = "",
    ) -> None:
        super().__init__(
            argv,
            where=where,
            returncode=124,
            stdout=stdout,
            stderr=stderr,
            what=f"'{_program(argv)}' did not end within {timeout:g} s and was ended",
        )
        self.timeout = timeout


def _program(argv: Sequence[str]) -> str:
    """Return the program of a command: behind ``env``, the one that this starts."""
    first, *rest = argv
    word = next((each for each in rest if "=" not in each), "-")
    return first if first != "env" or word.startswith("-") else word


class MachineUnreachable(LabError):
    """SSH to a machine failed."""

    exit_code = 7


class HostKeyMismatch(MachineUnreachable):
    """A machine shows another host key than the one pinned at its creation."""


class PhaseFailed(LabError):
    """A phase of a long task failed.

    Args:
        phase: The phase's name, as progress shows it.
        cause: The error that ended it.
    """

    exit_code = 8

    def __init__(self, phase: str, cause: BaseException) -> None:
        known = cause if isinstance(cause, LabError) else LabError(repr(cause))
        super().__init__(
            f"phase '{phase}' failed: {known.what}",
            where=known.where,
            wanted=known.wanted,
            seen=known.seen,
            next=known.next,
        )
        self.phase = phase
        self.cause = cause


class NotBegun(LabError):
    """What an exercise asks about is there only after its start cell has run."""


class NotReady(LabError):
    """A wait ended without what it waited for.

    Args:
        what: The object and the state waited for.
        wanted: The state in words.
        seen: The state last seen, with the events that explain it.
        waited_s: How long it waited, in seconds.
    """

    exit_code = 9

    def __init__(
        self,
        what: str,
        *,
        wanted: str,
        seen: str,
        waited_s: float,
        where: str = "",
        next: str = "",
    ) -> None:
        super().__init__(what, where=where, wanted=wanted, seen=seen, next=next)
        self.waited_s = waited_s


class ApiUnreachable(LabError):
    """The API server does not answer: its machine is off, or it starts."""

    exit_code = 12

    @property
    def passing(self) -> bool:
        """Whether it goes away by itself; a server that starts answers soon."""
        return True


class CertificateExpired(LabError):
    """A certificate of the lab is not valid at this computer's time."""

    exit_code = 13


class ApiError(LabError):
    """The API server answered, and refused.

    Args:
        status: The HTTP status.
        where: Method and path.
        body: The answer's body: a Status object, or any text.
        next: What the reader can do about it.
        retry_after_s: Seconds after which the server wants to be asked again.

    Attributes:
        answer: The body as an object; empty when it is none.
        message: The server's own words.
    """

    exit_code = 11
    _PASSING: ClassVar[frozenset[int]] = frozenset({408, 429, *range(500, 600)})
    _AT_FIRST: ClassVar[frozenset[int]] = frozenset({401, 403, 404})

    def __init__(
        self,
        status: int,
        *,
        where: str,
        body: str,
        next: str = "",
        retry_after_s: float = 0.0,
    ) -> None:
        self.status = status
        self.answer = _json_object(body)
        self.retry_after_s = retry_after_s
        reason = self.answer.get("reason") or f"status {status}"
        message = self.answer.get("message") or body[:300] or "no reason given"
        super().__init__(
            f"the API server refused: {reason}",
            where=where,
            seen=f"{status} {message}",
            next=next,
        )
        self.message = str(message)

    @property
    def passing(self) -> bool:
        """Whether the server says that it will answer another time."""
        return self.status in self._PASSING

    @property
    def passing_at_first(self) -> bool:
        """Whether a server that starts says so too: it knows nobody and nothing yet."""
        return self.status in self._AT_FIRST


class Unreachable(LabError):
    """A probe got no answer."""


class CheckFailed(LabError, AssertionError):
    """A claim of a chapter is not true."""


def _json_object(text: str) -> dict[str, Any]:
    try:
        answer = json.loads(text)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
