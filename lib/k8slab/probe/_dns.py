"""Write a DNS question and read its answer."""

from __future__ import annotations

import secrets
import struct
from dataclasses import dataclass

_A = 1
_CODES = {
    0: "",
    1: "format error",
    2: "server failure",
    3: "no such name",
    5: "refused",
}


@dataclass(frozen=True)
class Reply:
    """What a name server says.

    Attributes:
        addresses: The name's addresses, sorted.
        failure: Why there are none; empty when there are.
    """

    addresses: tuple[str, ...]
    failure: str


def question(name: str) -> bytes:
    """Return the packet that asks for a name's IPv4 addresses."""
    header = struct.pack(">HHHHHH", secrets.randbits(16), 0x0100, 1, 0, 0, 0)
    labels = [label.encode("idna") for label in name.rstrip(".").split(".")]
    encoded = b"".join(bytes([len(label)]) + label for label in labels)
    return header + encoded + b"\0" + struct.pack(">HH", _A, 1)


def read(packet: bytes) -> Reply:
    """Read an answer.

    Raises:
        ValueError: It is no answer to a question.
    """
    try:
        _, flags, asked, answers, _, _ = struct.unpack_from(">HHHHHH", packet)
        place = 12
        for _ in range(asked):
            place = _after_name(packet, place) + 4
        found = []
        for _ in range(answers):
            place = _after_name(packet, place)
            kind, _, _, length = struct.unpack_from(">HHIH", packet, place)
            place += 10
            if kind == _A and length == 4:
                found.append(".".join(map(str, packet[place : place + 4])))
            place += length
    except (struct.error, IndexError) as error:
        raise ValueError("no DNS answer") from error
    code = flags & 0xF
    failure = _CODES.get(code, f"code {code}") or ("" if found else "no address")
    return Reply(tuple(sorted(found)), failure)


def _after_name(packet: bytes, place: int) -> int:
    while packet[place]:
        if packet[place] >= 0xC0:
            return place + 2
        place += packet[place] + 1
    return place + 1
