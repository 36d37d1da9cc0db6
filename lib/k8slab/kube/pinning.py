"""Reach the cluster whose fingerprint was pinned, and refuse every other."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..core import files
from ..errors import LabMissing, WrongCluster
from ..folder import LabFolder
from .kubeconfig import Kubeconfig

if TYPE_CHECKING:  # the client takes a second to import; a fingerprint needs none
    from .connection import Connection

_IDENTITY = "/api/v1/namespaces/kube-system"
"""What has the UID that tells a cluster from all others."""


@dataclass(frozen=True)
class Fingerprint:
    """What tells one cluster from all others.

    Attributes:
        ca_sha256: The SHA-256 of its CA's PEM text.
        kube_system_uid: The UID of its ``kube-system`` namespace.
        server: The address of its API server.
    """

    ca_sha256: str
    kube_system_uid: str
    server: str

    def save(self, path: Path) -> None:
        """Write it as JSON, whole or not at all."""
        files.write(path, json.dumps(asdict(self), indent=2) + "\n", mode=0o644)

    @classmethod
    def load(cls, folder: LabFolder) -> Fingerprint:
        """Read the one that a lab's folder keeps.

        Raises:
            LabMissing: There is no fingerprint, or it cannot be read.
        """
        try:
            known = json.loads(folder.fingerprint.read_text(encoding="utf-8"))
            return cls(
                str(known["ca_sha256"]),
                str(known["kube_system_uid"]),
                str(known["server"]),
            )
        except (FileNotFoundError, ValueError, KeyError, TypeError) as error:
            raise LabMissing(
                "the lab's fingerprint cannot be read",
                where=str(folder.fingerprint),
                seen=type(error).__name__,
                next=folder.how_to_restore(),
            ) from error


def take(connection: Connection) -> Fingerprint:
    """Return the fingerprint of the cluster that a connection reaches.

    Raises:
        ApiUnreachable: Its API server does not answer.
        WrongCluster: Somebody answers who is not vouched for by the CA, or who is no
            API server.
    """
    answer = connection.send("GET", _IDENTITY)
    access = connection.access
    try:
        uid = str(answer["metadata"]["uid"])
    except (KeyError, TypeError):
        raise WrongCluster(
            "what answers is no API server of Kubernetes",
            where=f"{access.server}{_IDENTITY}",
            wanted="a namespace with its UID",
            seen="an object of " + (", ".join(sorted(answer))[:200] or "nothing"),
            next="see whether something stands before it that asks for a login, and "
            "get a kubeconfig that leads past it",
        ) from None
    return Fingerprint(access.ca_sha256, uid, access.server)


def check_access(access: Kubeconfig, pinned: Fingerprint) -> None:
    """Compare server and CA of a kubeconfig with the pinned ones; sends nothing.

    Raises:
        WrongCluster: One of them differs.
    """
    _compare("API server", pinned.server, access.server)
    _compare("CA (SHA-256)", pinned.ca_sha256, access.ca_sha256)


def verify(connection: Connection, pinned: Fingerprint) -> None:
    """Compare the cluster that answers with the pinned one; one GET at most.

    Raises:
        ApiUnreachable: Its API server does not answer.
        WrongCluster: It is another cluster.
    """
    check_access(connection.access, pinned)
    seen = take(connection)
    _compare("UID of kube-system", pinned.kube_system_uid, seen.kube_system_uid)


def _compare(what: str, wanted: str, seen: str) -> None:
    if wanted != seen:
        raise WrongCluster(
            "this is not the lab's cluster: its fingerprint differs",
            where=what,
            wanted=wanted,
            seen=seen,
            next="if the lab was made anew, connect again: lab.connect()",
        )
