"""Make SSH keys, and pin them."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)


def generate_key() -> tuple[str, str]:
    """Make an Ed25519 key pair.

    Returns:
        The private key as OpenSSH text, and the public key as one line.
    """
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return private.decode(), f"{public.decode()} k8slab"


def known_hosts_line(address: str, public_line: str, *, port: int = 22) -> str:
    """Return the line of a known_hosts file that pins a machine's host key.

    Args:
        address: The machine's address.
        public_line: Its public host key: type, base64 and perhaps a comment.
        port: The port of its SSH server.
    """
    kind, data = public_line.split()[:2]
    host = address if port == 22 else f"[{address}]:{port}"
    return f"{host} {kind} {data}\n"
