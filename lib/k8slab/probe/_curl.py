"""Ask for web pages with the real curl, at an address of the lab."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address
from urllib.parse import urlsplit

from ..core import curl as program
from ..core import given
from ..core.patience import stretched
from ..core.process import Completed
from ..errors import BadInput, CommandFailed, Refused, Unreachable
from ..kube import current
from ._exchange import resolve

_CONNECT_S = 3.0
_MOST = 1000
"""How often one command asks; the addresses stand in it one after the other."""
_MARK = "\x1e"
# How each of curl's reasons begins.
_REASON = re.compile(r"^(?=curl: \(\d+\))", re.MULTILINE)
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
# curl asks a name server for a host that it reads in another way than it was told, as
# 0x7f.1, a%2eb or -a; so a name has the plainest form, and its end is no number.
_NAME = re.compile(rf"(?=.{{1,253}}$)(?:{_LABEL}\.)*(?!(?:\d+|0x[0-9a-f]*)$){_LABEL}")


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
        strict: Raise when curl gets no answer, or not all; else the status of what
            was not answered is 0, and its text says why.

    Raises:
        BadInput: That is no URL for curl, or its host is no plain name; or ``times``
            is out of bounds.
        Refused: The address is not the lab's, the URL names another, or the way leads
            elsewhere; nothing was sent.
        Unreachable: Nobody answers, or not each time, and ``strict`` is true.
        CommandFailed: curl refuses what it sees, as a certificate for another name,
            and ``strict`` is true; or curl itself fails.

    Example:
        ``probe.curl("http://shop.example/cart", at=address)``
    """
    url = given.text("url", url, "as http://shop.example/cart")
    given.bounded("times", times, _MOST, whole=True)
    cluster = current.current()
    host, port = _parts(url)
    place = resolve(cluster, at, port, None)
    if _is_address(host) and host != place.address:  # no name server leads that away
        raise Refused(
            "the URL names another address than the one to ask",
            wanted=f"a name, or {place.address}",
            seen=url,
        )
    to = ["--resolve", f"{host}:{port}:{place.address}"]
    trust = ["--cacert", cluster.connection.files().ca] if ca else []
    shown = [*to, *(["--cacert", "ca.crt"] if ca else []), url]
    command = shlex.join(["curl", *shown])
    done = program.run(
        [
            *("--connect-timeout", f"{stretched(_CONNECT_S):g}"),
            *("--write-out", f"{_MARK}%{{http_code}}{_MARK}"),
            *(*to, *trust, *[url] * times),
        ]
    )
    page = Page(command, *_answers(done))
    if done.returncode in program.OWN or (strict and 0 in page.statuses):
        raise _failure(done, page, place.label)
    return page


def _answers(done: Completed) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Return status and text of each answer; 0 and the reason where there is none."""
    *parts, _ = re.split(rf"{_MARK}(\d+){_MARK}", done.stdout)
    statuses = [int(status) for status in parts[1::2]] or [0]
    texts = [text.strip() for text in parts[::2]] or [""]
    if not done.ok:  # the exit code is the last one's, which may have begun to answer
        statuses[-1] = 0
    said = [each.strip() for each in _REASON.split(done.stderr) if each.strip()]
    if len(said) != statuses.count(0):  # it is not known which belongs to which
        said = [done.stderr.strip()] * statuses.count(0)
    reasons = iter(said)
    pairs = zip(statuses, texts, strict=True)
    texts = [text if status else next(reasons) for status, text in pairs]
    return tuple(statuses), tuple(texts)


def _parts(url: str) -> tuple[str, int]:
    """Return the host and the port of a URL, as curl reads them."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    is_plain = bool(_NAME.fullmatch(host)) or _is_address(host)
    if not is_plain or not re.fullmatch(r"https?://[\x21-\x7e]+", url):
        raise BadInput(
            "that is no URL for curl",
            wanted="a plain name and a path, as in http://shop.example/cart",
            seen=url,
        )
    return host, {"http": 80, "https": 443}[parts.scheme] if port is None else port


def _is_address(host: str) -> bool:
    """Say whether a host is an address, as four decimal numbers."""
    try:
        IPv4Address(host)
    except AddressValueError:
        return False
    return True


def _failure(done: Completed, page: Page, label: str) -> Unreachable | CommandFailed:
    said, code = done.stderr.strip(), done.returncode
    if done.ok and (number := re.match(r"curl: \((\d+)\)", said)):
        code = int(number[1])  # an earlier one's, for the last was answered
    asked, silent = len(page.statuses), page.statuses.count(0)
    if code in program.SILENT:
        answers = "nothing answers"
        if silent < asked:
            answers = f"{asked - silent} of {asked} requests were answered"
        return Unreachable(
            f"{answers} on {label} ({program.SILENT[code]})",
            where=page.command,
            wanted="an answer" if asked == 1 else f"{asked} answers",
            seen=said,
        )
    return CommandFailed(
        shlex.split(page.command),
        where="this computer",
        returncode=code,
        stderr=said,
    )
