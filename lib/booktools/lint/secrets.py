"""Find secrets in text that a reader could see."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

# A name for each kind of secret, with what it looks like.
KINDS: dict[str, re.Pattern[str]] = {
    "private key": re.compile(r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----"),
    # Not an Event's name, such as master.18a0b1c2d3e4f506: the object's and the time in
    # nanoseconds, which begins with 1 in sixteen digits from 2006 to 2043.
    "bootstrap token": re.compile(
        r"(?<![\w.-])[a-z0-9]{6}\.(?!1[0-9a-f]{15}(?![\w-]))[a-z0-9]{16}(?![\w-])"
    ),
    "web token": re.compile(r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}"),
    "client key": re.compile(r"client-key-data['\"]?\s*[:=]\s*['\"]?\w{16,}"),
    "bearer": re.compile(r"(?i)\bauthorization:\s*(?:bearer|basic)\s+(?!\*|<|…)\S{8,}"),
    # As a Secret holds them: in base64, "-----BEGIN " of no certificate, and '{"'.
    "coded key": re.compile(r"LS0tLS1CRUdJTi(?!BDRVJU|BQVUJM)[A-Za-z0-9+/]{8,}"),
    "coded token": re.compile(r"\bZXlK[A-Za-z0-9+/]{30,}"),
    # A value in so many letters; not what stands for one: a variable, a file, a call.
    "password": re.compile(
        r"""(?imx) passw(?:or)?d (?:
            \\?["']? \s* [:=] \s* \\?["'] (?!REDACTED) \w [^\s"'\\{}]{5,} \\?["']
            | = (?=\S*\d) \w [\w+/=.-]{5,} (?= [\s"'\\] | $ )
            | :[ ] (?=\S*(?:\d|=|(?-i:[a-z][A-Z])))
              \w [\w+/=.-]{5,} (?= [ ]*$ | ["'\\] )
        )"""
    ),
}
_SHOWN = 6


@dataclass(frozen=True)
class Leak:
    """A secret in a text.

    Attributes:
        kind: What sort of secret, a key of `KINDS`.
        line: The line it starts on, counted from 1.
        start: Its first characters; never the whole secret.
    """

    kind: str
    line: int
    start: str


def leaks(text: str, *, canaries: tuple[str, ...] = ()) -> list[Leak]:
    """Return the secrets in a text.

    Args:
        text: What a reader could see: a notebook, page, log or traceback.
        canaries: Secrets planted on purpose, searched for word by word.
    """

    def found() -> Iterator[tuple[str, int]]:
        for kind, pattern in KINDS.items():
            for match in pattern.finditer(text):
                yield kind, match.start()
        for canary in canaries:
            start = text.find(canary)
            if start >= 0:
                yield "canary", start

    return [
        Leak(kind, text.count("\n", 0, at) + 1, text[at : at + _SHOWN] + "…")
        for kind, at in sorted(found(), key=lambda pair: pair[1])
    ]
