"""Make and read SSH keys, and pin them."""

from __future__ import annotations

import shlex
from pathlib import Path

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from ..errors import BadInput

_PUBLIC = (b"ssh-", b"ecdsa-", b"sk-")


def read_key(file: Path) -> paramiko.PKey:
    """Read a private key of the reader's, of any kind that can be used without them.

    Raises:
        BadInput: It cannot be used; says what to do, and nothing of the key.
    """
    try:
        return paramiko.PKey.from_path(file)
    except OSError as error:
        seen = error.strerror or type(error).__name__
        is_lost = isinstance(error, FileNotFoundError | IsADirectoryError)
        step = "put it back, or name another file" if is_lost else "make it readable"
    except TypeError:  # of cryptography, which has no narrower one
        seen, step = "one with a passphrase", _by_agent(file)
    except UnsupportedAlgorithm:
        seen, step = "one of a security key, or of another kind", _by_agent(file)
    except (ValueError, paramiko.SSHException, paramiko.pkey.UnknownKeyType):
        seen, step = _something_else(file)
    # Raised outside the handlers: the reason may quote the key.
    raise BadInput(
        "the private key cannot be read",
        where=str(file),
        wanted="a private key without a passphrase, in OpenSSH format or PEM",
        seen=seen,
        next=step,
    )


def _by_agent(file: Path) -> str:
    add = f"ssh-add {shlex.quote(str(file))}"
    return f"give it to your agent: {add}; then leave out 'key' in the inventory"


def _something_else(file: Path) -> tuple[str, str]:
    """Say what a file is that is no private key that can be used, and what to do."""
    word = shlex.quote(str(file))
    with file.open("rb") as opened:
        begin = opened.read(20)
    if not begin:
        return "an empty file", "name the file of a private key"
    if begin.startswith(_PUBLIC):
        return "a public key", f"name the private one: {str(file).removesuffix('.pub')}"
    if begin.startswith(b"PuTTY"):
        new = shlex.quote(f"{file}.openssh")
        return (
            "a key of PuTTY",
            f"name what this makes: puttygen {word} -O private-openssh -o {new}",
        )
    return (
        "something else",
        "name the file of a private key; this makes one: ssh-keygen -t ed25519",
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


def how_to_compare(kind: str) -> str:
    """Return the command by which a host tells the fingerprint of its key itself.

    Args:
        kind: The key's type as SSH names it, such as ``ecdsa-sha2-nistp256``.
    """
    name = kind.removeprefix("ssh-").partition("-")[0]
    return f"ssh-keygen -lf /etc/ssh/ssh_host_{name}_key.pub"
