"""Turn one context of somebody's kubeconfig into the one of a lab's folder."""

from __future__ import annotations

import base64
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from k8slab.errors import BadInput

_NAME = "adopted"
_BENDS: Mapping[str, str] = {
    "insecure-skip-tls-verify": "it does not look at the server's certificate",
    "proxy-url": "it goes through a proxy",
    "tls-server-name": "it expects another name than the server's",
}
_RUNS: Mapping[str, str] = {
    "exec": "it runs a program for its credentials",
    "auth-provider": "it asks a cloud for its credentials",
    "username": "it has a password",
    "as": "it acts as somebody else",
    "as-groups": "it acts as somebody else",
    "as-uid": "it acts as somebody else",
}
_OMITTED = ("DATA+OMITTED", "REDACTED")
"""What kubectl shows in the place of data and tokens."""
_LABEL = 63
"""Characters that a part of a host's name may have."""
_OTHER_USER = (
    "have a ServiceAccount's token made, and adopt with a kubeconfig that has it: "
    "kubectl create token NAME"
)


@dataclass(frozen=True)
class _Source:
    """What is read.

    Attributes:
        file: Somebody's kubeconfig.
        context: The context that is taken.
    """

    file: Path
    context: str

    def __str__(self) -> str:
        """Say where it is, for messages."""
        return f"{self.file}: context {self.context}"

    @property
    def how_to_complete(self) -> str:
        """The step that makes a kubeconfig with nothing left out.

        The file is the reader's to name: this one lacks what is wanted.
        """
        return (
            "have kubectl write all of it, from the FILE that this one is a copy of: "
            "kubectl config view --kubeconfig=FILE "
            f"--context={shlex.quote(self.context)} --raw --flatten --minify "
            "> whole.yaml"
        )


def read(file: Path, context: str | None = None) -> str:
    """Return a kubeconfig with one context of a file, and its credentials inside.

    Certificates and tokens that the file names are read, relative to it. What could
    bend the way to the server, or runs a program, is refused.

    Args:
        file: Somebody's kubeconfig.
        context: One of its contexts; the current one when None.

    Raises:
        BadInput: There is no such file or context, or it is not to be adopted as it
            is; no message has any of its credentials.
    """
    known = _load(file)
    contexts = _named(known, "contexts", "context")
    current = str(known.get("current-context") or "")
    wanted = current if context is None else context
    chosen = contexts.get(wanted)
    if chosen is None:
        raise _bad(
            file,
            "the kubeconfig has no such context" if wanted else "which context?",
            wanted="one of " + (", ".join(sorted(contexts)) or "none: there is none"),
            seen=wanted
            or ("no current context" if context is None else "an empty --context"),
            next="name one of them: --context NAME",
        )
    source = _Source(file, wanted)
    option = f"--kubeconfig={shlex.quote(str(file))}"
    cluster = _named(known, "clusters", "cluster").get(str(chosen.get("cluster")))
    user = _named(known, "users", "user").get(str(chosen.get("user")))
    if cluster is None or user is None:
        raise _bad(
            source,
            "the context names a cluster or a user that the file does not have",
            wanted=f"cluster {chosen.get('cluster')}, user {chosen.get('user')}",
            seen=f"no {'cluster' if cluster is None else 'user'} of that name",
            next=f"look at it: kubectl config view {option}",
        )
    _refuse(source, cluster, _BENDS, "ask whoever runs it for a direct way, by TLS")
    _refuse(source, user, _RUNS, _OTHER_USER)
    server = str(cluster.get("server") or "")
    if not server.startswith("https://"):
        raise _bad(
            source,
            "the cluster is not reached by TLS",
            wanted="a server that begins with https://",
            seen=server or "no server",
            next="ask whoever runs it for a kubeconfig with its https address",
        )
    _refuse_address(source, server, f"kubectl config view {option}")
    ca = _data(source, cluster, "certificate-authority")
    if not ca:
        raise _bad(
            source,
            "the kubeconfig does not say who vouches for the server",
            wanted="certificate-authority-data, or certificate-authority",
            seen="neither",
            next="get its CA's certificate, and add it: kubectl config set-cluster "
            f"{shlex.quote(str(chosen['cluster']))} {option} --embed-certs "
            "--certificate-authority=FILE",
        )
    credentials = _credentials(source, user)
    entry = {"server": server, "certificate-authority-data": ca}
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": _NAME,
            "contexts": [{"name": _NAME, "context": {"cluster": _NAME, "user": _NAME}}],
            "clusters": [{"name": _NAME, "cluster": entry}],
            "users": [{"name": _NAME, "user": credentials}],
        }
    )


def _credentials(source: _Source, user: Mapping[str, Any]) -> dict[str, str]:
    """Return a user's certificate and key, or its token."""
    certificate = _data(source, user, "client-certificate")
    key = _data(source, user, "client-key")
    if certificate and key:
        return {"client-certificate-data": certificate, "client-key-data": key}
    token = str(user.get("token") or "")
    if name := user.get("tokenFile"):
        token = _text(source, "tokenFile", str(name))
    if token in _OMITTED:
        raise _bad(
            source,
            "the token is left out",
            wanted="the token itself",
            seen=token,
            next=source.how_to_complete,
        )
    if not (token.isascii() and token.isprintable()):
        raise _bad(
            source,
            "that cannot be a token",
            wanted="one line of ASCII",
            seen="several lines, or other characters",
            next=_OTHER_USER,
        )
    if token:
        return {"token": token}
    raise _bad(
        source,
        "the user has no credentials of its own",
        wanted="a client certificate with its key, or a token",
        seen=", ".join(sorted(user)) or "nothing",
        next=_OTHER_USER,
    )


def _load(file: Path) -> dict[str, Any]:
    try:
        known = yaml.safe_load(file.read_text(encoding="utf-8"))
    # 2024-02-30 is no date, and what is nested too deep ends in a RecursionError.
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        # The text may hold a private key, so the cause is only named.
        raise _bad(
            file,
            "the kubeconfig cannot be read",
            wanted="a file as kubectl reads it",
            seen=getattr(error, "strerror", None) or type(error).__name__,
            next="name it: --kubeconfig ~/.kube/config",
        ) from None
    if not isinstance(known, dict):
        raise _bad(
            file,
            "that is no kubeconfig",
            wanted="a file as kubectl reads it",
            seen=type(known).__name__,
            next="name it: --kubeconfig ~/.kube/config",
        )
    return known


def _named(known: Mapping[str, Any], many: str, one: str) -> dict[str, dict[str, Any]]:
    """Return the entries of a list by name; what has another form is none."""
    entries = known.get(many)
    found = {}
    for each in entries if isinstance(entries, list) else []:
        if isinstance(each, dict) and isinstance(each.get(one) or {}, dict):
            found[str(each.get("name"))] = each.get(one) or {}
    return found


def _data(source: _Source, entry: Mapping[str, Any], key: str) -> str:
    """Return embedded data, or a file's content as such; empty where neither is."""
    data = re.sub(r"[\r\n]", "", str(entry.get(f"{key}-data") or ""))  # as kubectl does
    if data:
        try:
            is_pem = b"-----BEGIN" in base64.b64decode(data, validate=True)
        except ValueError:  # or characters that are not ASCII
            is_pem = False
        if not is_pem:
            raise _bad(
                source,
                f"{key}-data cannot be read",
                wanted="PEM in base64",
                seen=data if data in _OMITTED else "something else",
                next=source.how_to_complete,
            )
        return data
    if name := entry.get(key):
        return base64.b64encode(_content(source, key, str(name))).decode()
    return ""


def _content(source: _Source, key: str, name: str) -> bytes:
    """Return what a file has that a kubeconfig names, relative to itself."""
    path = source.file.absolute().parent / name
    try:
        return path.read_bytes()
    except OSError as error:
        raise _bad(
            source,
            f"the file that {key} names cannot be read",
            wanted=str(path),
            seen=error.strerror or type(error).__name__,
            next=f"put it there, or {source.how_to_complete}",
        ) from error


def _text(source: _Source, key: str, name: str) -> str:
    try:
        return _content(source, key, name).decode().strip()
    except UnicodeDecodeError:
        raise _bad(
            source,
            f"the file that {key} names is no text",
            wanted="a token",
            seen=name,
            next="look at it, and name the right one",
        ) from None


def _refuse_address(source: _Source, server: str, look: str) -> None:
    """Refuse an address that leads nowhere, or shows a password to all who see it."""
    if "@" in server.removeprefix("https://").partition("/")[0]:
        raise _bad(
            source,
            "a cluster is not adopted this way: its address has a user or a password",
            wanted="https://HOST:PORT",
            seen="a sign of @",
            next="take what stands before the @ out of it",
        )
    try:
        parts = urlsplit(server)
        labels = (parts.hostname or "").removesuffix(".").split(".")
        more = parts.query or parts.fragment or parts.port == 0
        can_be = not more and server.split() == [server]
        can_be = can_be and all(0 < len(label) <= _LABEL for label in labels)
    except ValueError:  # of an open bracket, or of a port that is none
        can_be = False
    if not can_be:
        raise _bad(
            source,
            "that cannot be the address of a cluster",
            wanted="https://HOST:PORT",
            seen=server,
            next=f"look at it: {look}",
        )


def _refuse(
    source: _Source, entry: Mapping[str, Any], reasons: Mapping[str, str], step: str
) -> None:
    for key, reason in reasons.items():
        if entry.get(key):
            raise _bad(
                source,
                f"a cluster is not adopted this way: {reason}",
                wanted="one server by TLS, and a client certificate or a token",
                seen=key,
                next=step,
            )


def _bad(where: object, what: str, **facts: str) -> BadInput:
    return BadInput(what, where=str(where), **facts)
