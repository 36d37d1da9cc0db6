"""Write a DNS question and read its answer."""

from __future__ import annotations

import secrets
import struct
from dataclasses import dataclass

from ..errors import BadInput

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
    """Return the packet that asks for a name's IPv4 addresses.

    Raises:
        BadInput: That cannot be a DNS name.
    """
    header = struct.pack(">HHHHHH", secrets.randbits(16), 0x0100, 1, 0, 0, 0)
    try:
        labels = [label.encode("idna") for label in name.rstrip(".").split(".")]
        if not all(labels):
            raise UnicodeError("an empty label")
    except UnicodeError as error:
        raise BadInput(
            "that cannot be a DNS name",
            wanted="labels of 1 to 63 characters, with dots between them",
            seen=repr(name),
        ) from error
    encoded = b"".join(bytes([len(label)]) + label for label in labels)
    return header + encoded + b"\0" + struct.pack(">HH", _A, 1)


def read(packet: bytes) -> Reply:
    """Read an answer; one that is none is a failure, too."""
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
    except (struct.error, IndexError):
        return Reply((), "no DNS answer")
    code = flags & 0xF
    failure = _CODES.get(code, f"code {code}") or ("" if found else "no address")
    return Reply(tuple(sorted(found)), failure)


def _after_name(packet: bytes, place: int) -> int:
    while packet[place]:
        if packet[place] >= 0xC0:
            return place + 2
        place += packet[place] + 1
    return place + 1
