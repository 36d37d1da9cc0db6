"""Read a kubeconfig, and take only one that reaches one server by TLS."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from ..errors import LabMissing, WrongCluster
from ..folder import LabFolder

_BENDS = ("insecure-skip-tls-verify", "proxy-url", "tls-server-name")
_RUNS = ("exec", "auth-provider")
# Written in C where PyYAML has that: certificates are long.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Kubeconfig:
    """How a cluster is reached.

    Attributes:
        server: The address of its API server, ``https://host:port``.
        ca: The certificates that may vouch for the server, PEM.
        certificate: The client's certificate, PEM; empty with a token.
        key: The client's private key, PEM; never part of a message.
        cluster: The cluster's name in the kubeconfig.
        user: The user's name in the kubeconfig.
        token: The client's token in the place of a certificate; never part of a
            message.
    """

    server: str
    ca: bytes = field(repr=False)
    certificate: bytes = field(repr=False)
    key: bytes = field(repr=False)
    cluster: str
    user: str
    token: str = field(default="", repr=False)

    @property
    def ca_sha256(self) -> str:
        """The SHA-256 of the CA's PEM text, in hexadecimal."""
        return hashlib.sha256(self.ca).hexdigest()

    @property
    def host(self) -> str:
        """The server's host name or address."""
        return urlsplit(self.server).hostname or ""

    @classmethod
    def read(cls, folder: LabFolder, *, draft: Path | None = None) -> Kubeconfig:
        """Read the current context of a lab's kubeconfig.

        Everything that could bend the way to the server is refused: another
        server name, a proxy, a skipped check, a program that fetches credentials.

        Args:
            folder: The lab's files.
            draft: What may become the lab's kubeconfig, and is read in its place.

        Raises:
            LabMissing: There is no such file.
            WrongCluster: It is not the kind of kubeconfig a lab has.
        """
        kubeconfig = draft or folder.kubeconfig
        try:
            text = kubeconfig.read_text(encoding="utf-8")
        except FileNotFoundError as error:
            raise LabMissing(
                "the lab has no kubeconfig",
                where=str(kubeconfig),
                next=folder.how_to_restore(),
            ) from error
        try:
            loaded = yaml.load(text, Loader=_LOADER)  # noqa: S506 - a safe one
            contexts = _named(loaded, "contexts", "context")
            context = contexts[loaded["current-context"]]
            cluster = _named(loaded, "clusters", "cluster")[context["cluster"]]
            user = _named(loaded, "users", "user")[context["user"]]
            bent = [key for key in _BENDS if cluster.get(key)]
            bent += [key for key in _RUNS if user.get(key)]
            token = str(user.get("token") or "")
            access = cls(
                server=str(cluster["server"]),
                ca=_decode(cluster["certificate-authority-data"]),
                certificate=b"" if token else _decode(user["client-certificate-data"]),
                key=b"" if token else _decode(user["client-key-data"]),
                cluster=str(context["cluster"]),
                user=str(context["user"]),
                token=token,
            )
            scheme = urlsplit(access.server).scheme
        except (
            yaml.YAMLError,
            KeyError,
            TypeError,
            AttributeError,
            ValueError,
        ) as error:
            # The text itself holds a private key, so the cause is only named.
            seen = f"unreadable: {type(error).__name__}"
            raise _refusal(folder, kubeconfig, seen) from None
        if bent:
            raise _refusal(folder, kubeconfig, "it sets " + ", ".join(bent))
        if scheme != "https":
            raise _refusal(folder, kubeconfig, f"its server is {access.server}")
        return access


def _named(config: Any, many: str, one: str) -> dict[str, Any]:
    return {entry["name"]: entry[one] for entry in config[many]}


def _decode(data: str) -> bytes:
    return base64.b64decode(data, validate=True)


def _refusal(folder: LabFolder, kubeconfig: Path, seen: str) -> WrongCluster:
    return WrongCluster(
        "this kubeconfig is not as the lab wrote it",
        where=str(kubeconfig),
        wanted="one https server, its CA and a client certificate or token, embedded",
        seen=seen,
        next=f"begin anew: {folder.anew()}",
    )
