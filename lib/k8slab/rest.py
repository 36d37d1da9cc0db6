"""Send requests to the lab's API server with the real curl, and with lent rights."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .core import curl as program
from .core import given
from .core.patience import stretched
from .core.process import Completed, LocalRunner
from .errors import BadInput, CommandFailed, LabError, Refused, Unreachable
from .kube import current
from .kube.namespace import Namespace

if TYPE_CHECKING:  # half a second to import
    from kubernetes.client import ApiClient

__all__ = ["Answer", "Door", "Token", "client", "curl", "proxy", "token"]

PROXY_S = 60.0
_START_S = 10.0
_STRANGE = "that is no token of this book"
_LENT = 'a record, as rest.token(ns, "reader") returns one'
_SHOWN_LINES = 20
_SHOWN_SIGNS = 200
_SCHEME = "Bearer"
_MARK = "\nHTTP-STATUS "
_NONE = "000"
"""What curl calls the status where nobody answered."""
_METHOD = ("-X", "--request")
_VALUED = frozenset((*_METHOD, "-H", "--header", "-d", "--data", "--data-binary"))
_SWITCHES = frozenset(("-i", "--include", "-v", "--verbose", "-N", "--no-buffer"))
_ACCOUNT = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
# Who owns which field is longer than all else, and a lesson of its own.
_FIELDS = re.compile(r'(?ms)^(( *)"managedFields": )\[$.*?^\2\]')
_HIDDEN = (
    (re.compile(r"(?i)(authorization:\s*\w+\s+)[^\s\]'\"]+"), r"\1…"),
    (re.compile(r"\beyJ[\w-]+\.eyJ[\w-]+\.[\w-]+"), "…"),
)


@dataclass(frozen=True)
class Token:
    """A token of a ServiceAccount; no message and no output shows it.

    Attributes:
        account: The account's full name, as ``system:serviceaccount:shop:reader``.
        value: The token itself.
    """

    account: str
    value: str = field(repr=False)


@dataclass(frozen=True, repr=False)
class Answer:
    """What curl brought back.

    Attributes:
        command: The command, with ``$API`` in place of the server's address.
        status: The HTTP status.
        text: What curl printed; with ``--include`` the headers, too.
        remarks: What it said beside that, as with ``--verbose``.
    """

    command: str
    status: int
    text: str
    remarks: str = ""

    @property
    def body(self) -> str:
        """The body, without the headers that ``--include`` puts before it."""
        begins = re.match(r"HTTP/.*?\r?\n\r?\n", self.text, re.S)
        return self.text[begins.end() :] if begins else self.text

    @property
    def json(self) -> Any:
        """The body as JSON.

        Raises:
            BadInput: It is none.
        """
        return self._read(self.body)

    @property
    def events(self) -> list[Any]:
        """The lines of a watch, each a JSON object with ``type`` and ``object``.

        Raises:
            BadInput: One of them is none.
        """
        return [self._read(line) for line in self.body.splitlines() if line.strip()]

    def _read(self, text: str) -> Any:
        try:
            return json.loads(text)
        except ValueError as error:
            raise BadInput(
                "this is not JSON",
                where=self.command,
                wanted="a path that answers with JSON, as /version",
                seen=_cut((text.splitlines() or ["nothing"])[0]),
                next="what it says as text: x.body, x.status",
            ) from error

    def __repr__(self) -> str:
        said = _FIELDS.sub(r"\1[…]", (self.remarks + self.text).rstrip())
        lines = [_cut(line) for line in said.splitlines()]
        more = len(lines) - _SHOWN_LINES
        if more > 1:
            lines[_SHOWN_LINES:] = [f"… and {more} more lines, all of them in .text"]
        return "\n".join([f"$ {self.command}", *lines, f"(status {self.status})"])


@dataclass(frozen=True)
class Door:
    """A proxy that is open, and what it lends: the administrator's rights.

    Attributes:
        command: The command that opened it.
        at: Its address and port, or the path of its socket.
    """

    command: str
    at: str

    def curl(self, line: str) -> Answer:
        """Send a request through it, without any credentials.

        Args:
            line: As of `curl`, whose errors it raises, too.

        Raises:
            Unreachable: It is closed.
        """
        own, path = _read(line)
        if not self.at.startswith("/"):
            return _send(own, f"http://{self.at}", path, shown=own)
        lead = ["--unix-socket", self.at]
        name = ["--unix-socket", Path(self.at).name]
        return _send([*lead, *own], "http://localhost", path, shown=[*name, *own])


def curl(
    line: str, *, cert: bool = False, token: Token | None = None, ca: bool = True
) -> Answer:
    """Run curl on the lab's API server: ``rest.curl("-i /version")``.

    The line is curl's own, with a path in place of the address. It has no
    credentials unless you say which.

    Args:
        line: The options ``-X``, ``-H``, ``-d``, ``--data-binary``, ``-i``, ``-v``,
            ``-N``, and the path with its query.
        cert: Show the administrator's client certificate.
        token: Show this token; curl reads it from its standard input, so that no
            list of processes has it.
        ca: Trust the lab's CA; without it curl trusts those of this computer.

    Raises:
        BadInput: The line holds another option, one without its value, a file that
            is not there, or no path; or the token is none of this book.
        LabMissing: This session is connected to no cluster.
        Refused: It names another server.
        Unreachable: Nobody answers.
        CommandFailed: curl failed, as where it does not trust the server, or where an
            answer goes on for too long.
    """
    given.of_kind(token, Token | None, _STRANGE, wanted=_LENT)
    connection = current.current().connection
    own, path = _read(line)
    lead: list[str] = []
    names: list[str] = []
    files = connection.files()
    for wanted, option, name, file in (
        (ca, "--cacert", "ca.crt", files.ca),
        (cert, "--cert", "admin.crt", files.certificate),
        (cert, "--key", "admin.key", files.key),
    ):
        if wanted:
            lead += [option, file]
            names += [option, name]
    secret = token.value if token else ""
    if token:
        names += ["-H", "Authorization: Bearer …"]
    server = connection.access.server
    return _send([*lead, *own], server, path, shown=[*names, *own], secret=secret)


def token(ns: Namespace, account: str, *, seconds: int = 600) -> Token:
    """Return a new token for a ServiceAccount, as ``kubectl create token`` prints one.

    Args:
        ns: The namespace of the account.
        account: Its name.
        seconds: For how long it is valid; the server refuses less than 600.

    Raises:
        BadInput: That is no namespace, or can be no account's name.
        ApiError: There is no such account, or the server refuses the time.
    """
    given.of_kind(ns, Namespace, "that is no namespace", wanted=given.NAMESPACE)
    account = given.plain(account)
    if not isinstance(account, str) or not _ACCOUNT.fullmatch(account):
        raise BadInput(
            "this is no name of a ServiceAccount",
            wanted="lower-case letters, digits and hyphens, as reader",
            seen=repr(account)[:200],
        )
    answer = ns.cluster.connection.send(
        "POST",
        f"/api/v1/namespaces/{ns.name}/serviceaccounts/{account}/token",
        body={
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": seconds},
        },
    )
    name = f"system:serviceaccount:{ns.name}:{account}"
    return Token(name, str(answer["status"]["token"]))


def client(token: Token) -> ApiClient:
    """Return an official client that shows a token and has no other rights.

    Args:
        token: The token, as `token` returns one.

    Raises:
        BadInput: That is no token of this book.
        LabMissing: This session is connected to no cluster.
    """
    given.of_kind(token, Token, _STRANGE, wanted=_LENT)
    return current.current().connection.new_api(bearer=token.value)


@contextmanager
def proxy(line: str = "--port=0", *, timeout: float = PROXY_S) -> Iterator[Door]:
    """Run ``kubectl proxy`` for the length of a block: ``with rest.proxy() as door:``.

    It listens on this computer's loopback or on a socket that only you can open, and
    ends with the block, after its time, or soon after this session is killed.

    Args:
        line: Its arguments: ``--port=0`` takes a free port, ``--unix-socket=NAME``
            makes a socket in a private folder.
        timeout: Seconds until it is ended.

    Raises:
        BadInput: The line cannot be read.
        Refused: Others than you could use it.
        CommandFailed: It does not start.
    """
    cluster = current.current()
    argv = ["proxy", *_words(line)]
    with tempfile.TemporaryDirectory(prefix="k8slab-") as folder:
        for index, each in enumerate(argv):
            option, _, name = each.partition("=")
            if option == "--unix-socket":
                argv[index] = f"{option}={Path(folder) / Path(name or 'api').name}"
        command, variables = cluster.kubectl_command(argv)
        runner = LocalRunner(env=variables)
        # It outlives a kernel that is killed, but not for long.
        bounded = [
            shutil.which("timeout") or "timeout",
            f"{stretched(timeout):g}",
            *command,
        ]
        serving = _Serving(runner, bounded, timeout + 1)
        serving.start()
        try:
            yield Door(f"kubectl proxy {line}".rstrip(), serving.opened())
        finally:
            runner.end()
            serving.join()


class _Serving(threading.Thread):
    """Runs a proxy to its end, and tells where it listens."""

    def __init__(self, runner: LocalRunner, argv: Sequence[str], timeout: float):
        super().__init__(daemon=True)
        self._runner, self._argv, self._timeout = runner, argv, timeout
        self._told = threading.Event()
        self._at = ""
        self._failure: LabError | None = None

    def run(self) -> None:
        """Run it; what it said at its end is kept."""
        try:
            self._runner.run(self._argv, timeout=self._timeout, on_line=self._hear)
        except LabError as error:
            self._failure = error
        self._told.set()

    def opened(self) -> str:
        """Return where it listens, once it does.

        Raises:
            CommandFailed: It ended instead, or says nothing.
        """
        self._told.wait(stretched(_START_S))
        if self._at:
            return self._at
        failed = self._failure
        raise CommandFailed(
            ["kubectl", "proxy"],
            where="this computer",
            returncode=1,
            stderr=failed.seen if failed else "it does not say where it listens",
            what="the proxy did not start",
        )

    def _hear(self, line: str) -> None:
        found = re.match(r"Starting to serve on (\S+)", line)
        if found:
            self._at = found[1]
            self._told.set()


def _words(line: str) -> list[str]:
    """Return the words of a line, as a shell reads them."""
    line = given.text("the line", line, 'one text, as "-i /version"')
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise BadInput(
            "this line cannot be read", wanted="quotes that are closed", seen=line
        ) from error
    if "\0" in line:
        raise BadInput("this line cannot be read", seen=repr(line))
    return words


def _read(line: str) -> tuple[list[str], str]:
    """Return curl's options and the path; refuse all else."""
    options: list[str] = []
    paths: list[str] = []
    rest = iter(_words(line))
    for word in rest:
        if "://" in word:
            raise Refused(
                "curl reaches this lab's API server only",
                wanted="a path, as /api/v1/pods",
                seen=word,
                next="use your own curl in a terminal",
            )
        if word in _VALUED:
            options += [word, _value(word, next(rest, None))]
        elif word in _SWITCHES:
            options.append(word)
        elif word.startswith("/"):
            paths.append(word)
        else:
            raise BadInput(
                "curl runs here with few options",
                wanted=", ".join(sorted(_VALUED | _SWITCHES)) + " and a path",
                seen=word,
            )
    if len(paths) != 1:
        raise BadInput(
            "curl needs one path",
            wanted="one word that begins with /, as /api/v1/pods",
            seen=" ".join(paths) or "none",
        )
    if re.search(r"\s", paths[0]):
        raise BadInput(
            "an address holds no blanks",
            wanted="%20 in place of each: " + re.sub(r"\s", "%20", paths[0]),
            seen=paths[0],
        )
    return options, paths[0]


def _value(option: str, value: str | None) -> str:
    """Return the value of an option of curl; refuse none, and a file that is none.

    For a file that is not there curl sends an empty body, and says nothing.
    """
    if value is None or (option in _METHOD and not value):
        raise BadInput(
            f"curl's {option} needs a value",
            wanted="a word behind it, as in -X POST",
            seen="nothing" if value is None else "an empty word",
        )
    if option not in _METHOD and value[:1] == "@" and not _is_there(value[1:]):
        raise BadInput(
            "there is no such file; nothing was sent",
            where=str(Path.cwd()),
            wanted="a file behind the @, as -d @../manifests/pods/pod.json",
            seen=f"{option} {value}",
        )
    return value


def _is_there(file: str) -> bool:
    """Return whether curl can read it: a file, or a device as /dev/null."""
    return os.access(file, os.R_OK) and not Path(file).is_dir()


def _send(
    argv: Sequence[str],
    server: str,
    path: str,
    *,
    shown: Sequence[str],
    secret: str = "",
) -> Answer:
    """Run curl; the secret travels by its standard input."""
    base = server if server.startswith("http:") else "$API"
    quoted = re.sub(r'([\\"$`])', r"\\\1", path)
    command = _hide(f'{shlex.join(["curl", *shown])} "{base}{quoted}"', secret)
    full = ["--write-out", _MARK + "%{http_code}"]
    header = f'header = "Authorization: {_SCHEME} {secret}"\n' if secret else ""
    full += ["--config", "-"] if secret else []
    done = program.run([*full, *argv, server + path], input=header or None)
    if not done.ok:
        words = [_hide(word, secret) for word in ("curl", *shown, base + path)]
        raise _failure(done, command, words, secret)
    text, _, status = done.stdout.rpartition(_MARK)
    return Answer(command, int(status), _hide(text, secret), _hide(done.stderr, secret))


def _failure(
    done: Completed, command: str, words: Sequence[str], secret: str
) -> LabError:
    said = _hide(done.stderr.strip(), secret)
    status = done.stdout.rpartition(_MARK)[2]
    if done.returncode in program.SILENT and status == _NONE:
        return Unreachable(
            f"nothing answers there ({program.SILENT[done.returncode]})",
            where=command,
            wanted="an answer",
            seen=said,
        )
    return CommandFailed(
        words,
        where="this computer",
        returncode=done.returncode,
        stderr=said,
    )


def _hide(text: str, secret: str) -> str:
    text = text.replace(secret, "…") if secret else text
    for pattern, instead in _HIDDEN:
        text = pattern.sub(instead, text)
    return text


def _cut(line: str) -> str:
    return line if len(line) <= _SHOWN_SIGNS else line[:_SHOWN_SIGNS] + " …"
