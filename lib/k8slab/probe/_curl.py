"""Ask for web pages with the real curl, at an address of the lab."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from dataclasses import dataclass
from urllib.parse import urlsplit

from ..core.patience import stretched
from ..core.process import Completed, LocalRunner
from ..errors import BadInput, CommandFailed, Unreachable
from ..kube import current
from ._exchange import resolve

_CONNECT_S = 3.0
_LIMIT_S = 20.0
_MARK = "\x1e"
# What curl ends with when nobody listens, when nobody answers, when the way is cut.
_SILENT = {7: "connection refused or no way", 28: "no answer in time", 52: "no answer"}


@dataclass(frozen=True, repr=False)
class Page:
    """What curl was told and saw; true when every answer had the status 200.

    Attributes:
        command: The command, as you would type it.
        statuses: The status of each answer.
        texts: The text of each answer.
    """

    command: str
    statuses: tuple[int, ...]
    texts: tuple[str, ...]

    def __bool__(self) -> bool:
        return set(self.statuses) == {200}

    def __repr__(self) -> str:
        answers = Counter(zip(self.statuses, self.texts, strict=True))
        rows = [
            f"{text} (status {status})" + (f", {count} times" if count > 1 else "")
            for (status, text), count in sorted(answers.items())
        ]
        return "\n".join([f"$ {self.command}", *rows])

    @property
    def status(self) -> int:
        """The status of the last answer."""
        return self.statuses[-1]

    @property
    def text(self) -> str:
        """The text of the last answer."""
        return self.texts[-1]

    @property
    def counts(self) -> dict[str, int]:
        """How often each text came."""
        return dict(sorted(Counter(self.texts).items()))


def curl(
    url: str, *, at: str, ca: bool = False, times: int = 1, strict: bool = True
) -> Page:
    """Run curl as if a name server led the URL's host to an address of the lab.

    Args:
        url: What to ask for, as ``http://shop.example/cart``.
        at: The address; or a machine's name.
        ca: Trust the cluster's CA and no other.
        times: How often to ask, over one connection.
        strict: Raise when curl gets no answer; else the status is 0, and the text
            says why.

    Raises:
        BadInput: That is no URL for curl.
        Refused: The address is not the lab's, or the way leads elsewhere; nothing was
            sent.
        Unreachable: Nobody answers and ``strict`` is true.
        CommandFailed: curl refuses what it sees, as a certificate for another name,
            and ``strict`` is true.

    Example:
        ``probe.curl("http://shop.example/cart", at=address)``
    """
    cluster = current.current()
    host, port = _parts(url)
    place = resolve(cluster, at, port, None)
    to = ["--resolve", f"{host}:{port}:{place.address}"]
    trust = ["--cacert", cluster.connection.files().ca] if ca else []
    shown = [*to, *(["--cacert", "ca.crt"] if ca else []), url]
    command = shlex.join(["curl", *shown])
    done = LocalRunner().run(
        [
            *("curl", "--disable", "--globoff", "--noproxy", "*"),
            *("--silent", "--show-error"),
            *("--connect-timeout", f"{stretched(_CONNECT_S):g}"),
            *("--max-time", f"{stretched(_LIMIT_S):g}"),
            *("--write-out", f"{_MARK}%{{http_code}}{_MARK}"),
            *(*to, *trust, *[url] * times),
        ],
        check=False,
        timeout=_LIMIT_S + 5,
    )
    if not done.ok and not strict:
        return Page(command, (0,), (done.stderr.strip(),))
    if not done.ok:
        raise _failure(done, command, place.label)
    *parts, _ = done.stdout.split(_MARK)
    texts = tuple(text.strip() for text in parts[::2])
    return Page(command, tuple(int(status) for status in parts[1::2]), texts)


def _parts(url: str) -> tuple[str, int]:
    """Return the host and the port of a URL."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or not re.fullmatch(r"https?://[\x21-\x7e]+", url):
        raise BadInput(
            "that is no URL for curl",
            wanted="as in http://shop.example/cart",
            seen=url,
        )
    return host, port or {"http": 80, "https": 443}[parts.scheme]


def _failure(done: Completed, command: str, label: str) -> Unreachable | CommandFailed:
    said = done.stderr.strip()
    if done.returncode in _SILENT:
        return Unreachable(
            f"nothing answers on {label} ({_SILENT[done.returncode]})",
            where=command,
            wanted="an answer",
            seen=said,
        )
    return CommandFailed(
        shlex.split(command),
        where="this computer",
        returncode=done.returncode,
        stderr=said,
    )
