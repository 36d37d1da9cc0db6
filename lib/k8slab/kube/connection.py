"""Send requests to one API server with the official client."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import urllib3

from ..errors import LabError, LabMissing, WrongCluster
from .kubeconfig import Kubeconfig
from .objects import Object

if TYPE_CHECKING:  # it takes half a second to import, and many a command none of it
    from kubernetes.client import ApiClient


CONNECT_S = 3.0
READ_S = 20.0


class ApiError(LabError):
    """The API server answered, and refused.

    Args:
        status: The HTTP status.
        where: Method and path.
        body: The answer's body: a Status object, or any text.
    """

    def __init__(self, status: int, *, where: str, body: str) -> None:
        self.status = status
        self.answer = _status_object(body)
        reason = self.answer.get("reason") or f"status {status}"
        message = self.answer.get("message") or body[:300] or "no reason given"
        super().__init__(
            f"the API server refused: {reason}",
            where=where,
            seen=f"{status} {message}",
        )
        self.message = str(message)


class Connection:
    """One way to one API server; safe across threads.

    Args:
        access: How the server is reached.
        folder: Where the client's certificate and key may lie, for the TLS library
            reads them from files only.

    Attributes:
        requests: How many requests were sent.
        folder: Where the certificate and the key lie.
    """

    def __init__(self, access: Kubeconfig, folder: Path) -> None:
        self.access = access
        self.requests = 0
        self.folder = folder
        self._api = self.new_api()

    def new_api(self) -> ApiClient:
        """Return a new official client; take one for each thread and each stream."""
        from kubernetes.client import Configuration

        from .official import LabApiClient

        configuration = Configuration()
        configuration.host = self.access.server
        configuration.ssl_ca_cert = _kept(self.folder, "ca", self.access.ca)
        configuration.cert_file = _kept(self.folder, "crt", self.access.certificate)
        configuration.key_file = _kept(self.folder, "key", self.access.key)
        configuration.verify_ssl = True
        # The client takes a proxy from the environment; a lab never has one.
        configuration.proxy = None
        # A redirect could lead to another server.
        configuration.retries = urllib3.Retry(
            total=1, connect=1, read=1, redirect=0, status=0
        )
        return LabApiClient(configuration, timeout=(CONNECT_S, READ_S))

    def close(self) -> None:
        """Close the open connections."""
        self._api.rest_client.pool_manager.clear()

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Object | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = READ_S,
    ) -> Object:
        """Send a request and return the answer's JSON object.

        Args:
            method: The HTTP method.
            path: The path below the server's address.
            query: Parameters of the query.
            body: The object to send.
            headers: Headers beside the client's own.
            timeout: Seconds until giving up.

        Raises:
            ApiError: The server refused.
            LabMissing: Nobody answers.
            WrongCluster: Somebody answers who is not vouched for by the CA.
        """
        response = self._open(method, path, query, body, headers, timeout)
        try:
            data = response.data
        except urllib3.exceptions.HTTPError as error:
            raise self._silence(method, path, error) from error
        answer = json.loads(data)
        if not isinstance(answer, dict):
            raise ApiError(response.status, where=f"{method} {path}", body=str(answer))
        return answer

    def stream(
        self,
        path: str,
        *,
        query: Mapping[str, str],
        timeout: float,
        opened: Callable[[Callable[[], None]], None] | None = None,
    ) -> Generator[Object, None, None]:
        """Yield one JSON object a line while the server sends them.

        Ends when the server ends, when the connection breaks, or when nothing
        came for ``timeout`` seconds.

        Args:
            path: The path below the server's address.
            query: Parameters of the query.
            timeout: Seconds without an answer until it ends.
            opened: Called once the server has begun to answer, with a function that
                ends the stream from another thread.

        Raises:
            ApiError: The server refused.
            LabMissing: Nobody answers.
        """
        response = self._open("GET", path, query, None, None, timeout)
        over = threading.Event()
        if opened is not None:
            opened(partial(_end, response, over))
        rest = b""
        try:
            for chunk in response.stream(amt=None, decode_content=False):
                if over.is_set():
                    return
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    if line.strip():
                        yield json.loads(line)
        except urllib3.exceptions.HTTPError:
            return
        finally:
            response.close()

    def _open(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Object | None,
        headers: Mapping[str, str] | None,
        timeout: float,
    ) -> Any:
        from kubernetes.client import ApiException

        self.requests += 1
        try:
            return self._api.call_api(
                path,
                method,
                query_params=list((query or {}).items()),
                header_params={"Accept": "application/json", **(headers or {})},
                body=body,
                _preload_content=False,
                _request_timeout=(min(CONNECT_S, timeout), timeout),
            )
        except ApiException as error:
            text = error.body or error.reason or ""
            text = text.decode() if isinstance(text, bytes) else str(text)
            if error.status == 0:
                raise self._stranger(text) from error
            raise ApiError(error.status, where=f"{method} {path}", body=text) from error
        except urllib3.exceptions.MaxRetryError as error:
            if isinstance(error.reason, urllib3.exceptions.SSLError):
                raise self._stranger(str(error.reason)) from error
            raise self._silence(method, path, error.reason or error) from error
        except urllib3.exceptions.HTTPError as error:
            raise self._silence(method, path, error) from error

    def _silence(self, method: str, path: str, error: Exception) -> LabMissing:
        return LabMissing(
            "the lab's API server does not answer",
            where=f"{method} {self.access.server}{path}",
            seen=type(error).__name__,
            next="run 'k8slab status'; 'k8slab up' makes a stopped lab whole",
        )

    def _stranger(self, seen: str) -> WrongCluster:
        return WrongCluster(
            "the server that answers is not vouched for by the lab's CA",
            where=self.access.server,
            wanted="a certificate signed by the CA in the lab's kubeconfig",
            seen=seen.splitlines()[-1] if seen else "a failed TLS handshake",
            next="find out who answers there before you go on",
        )


def _end(response: Any, over: threading.Event) -> None:
    """Make whoever reads a response in another thread see its end."""
    # First, for a TLS socket that is shut down hands out what came in as it came in.
    over.set()
    with suppress(OSError, RuntimeError, ValueError):  # it has ended by itself
        response.shutdown()


def _status_object(body: str) -> Object:
    try:
        answer = json.loads(body)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _kept(folder: Path, suffix: str, content: bytes) -> str:
    """Return the path of a private file with this content, written if need be."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{hashlib.sha256(content).hexdigest()[:16]}.{suffix}"
    if not path.exists():
        handle, draft = tempfile.mkstemp(dir=folder)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(draft).replace(path)
    return str(path)
