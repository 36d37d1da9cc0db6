"""Send requests to one API server with the official client."""

from __future__ import annotations

import hashlib
import json
import ssl
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import urllib3
from cryptography import x509
from urllib3.util import create_urllib3_context

from ..core import files
from ..core.hints import command
from ..core.patience import stretched
from ..errors import (
    ApiError,
    ApiUnreachable,
    CertificateExpired,
    LabError,
    WrongCluster,
)
from ..folder import LabFolder
from .kubeconfig import Kubeconfig
from .objects import Object
from .validity import not_valid

if TYPE_CHECKING:  # it takes half a second to import, and many a command none of it
    from kubernetes.client import ApiClient


_ADOPT_AGAIN = (
    "get another kubeconfig from whoever runs the cluster, and adopt it again under "
    "the same name"
)
CONNECT_S = 3.0
READ_S = 20.0


@dataclass(frozen=True)
class Files:
    """Where the credentials lie, for programs that read them from files only.

    Attributes:
        ca: The certificates that may vouch for the server.
        certificate: The administrator's certificate; an empty file with a token.
        key: The administrator's private key.
    """

    ca: str
    certificate: str
    key: str


class Connection:
    """One way to one API server; safe across threads.

    Args:
        folder: The lab's files.
        access: How the server is reached.
        client: Where the client's certificate and key may lie, for the TLS library
            reads them from files only; in the lab's folder when None.
        adopted: Whether it is somebody's cluster, which no command here revives.

    Attributes:
        access: How the server is reached.
    """

    def __init__(
        self,
        folder: LabFolder,
        access: Kubeconfig,
        *,
        client: Path | None = None,
        adopted: bool = False,
    ) -> None:
        self.access = access
        self._folder = folder
        self._client = client or folder.client
        self._adopted = adopted
        self._requests = 0
        self._count_lock = threading.Lock()
        self._api = self.new_api()

    @property
    def requests(self) -> int:
        """How many requests were sent."""
        return self._requests

    def files(self) -> Files:
        """Return the paths of the private files with its credentials."""
        return Files(
            _kept(self._client, "ca", self.access.ca),
            _kept(self._client, "crt", self.access.certificate),
            _kept(self._client, "key", self.access.key),
        )

    def new_api(self, *, bearer: str = "") -> ApiClient:
        """Return a new official client; take one for each thread and each stream.

        Args:
            bearer: A token to show instead of the administrator's certificate.
        """
        from kubernetes.client import Configuration

        from .official import LabApiClient

        files = self.files()
        configuration = Configuration()
        configuration.host = self.access.server
        configuration.ssl_ca_cert = files.ca
        if token := bearer or self.access.token:
            configuration.api_key = {"authorization": f"Bearer {token}"}
        else:
            configuration.cert_file = files.certificate
            configuration.key_file = files.key
        configuration.verify_ssl = True
        # The client takes a proxy from the environment; a lab never has one.
        configuration.proxy = None
        # A redirect could lead to another server.
        configuration.retries = _Again(
            total=1,
            connect=1,
            read=1,
            redirect=0,
            status=0,
            # Who waits decides how long; a refusal must arrive as one.
            respect_retry_after_header=False,
        )
        api = LabApiClient(
            configuration, timeout=(stretched(CONNECT_S), stretched(READ_S))
        )
        api.rest_client.pool_manager.connection_pool_kw.update(
            ssl_context=self._tls(files, bool(token)),
            # They are in the context; each new connection would load them again.
            ca_certs=None,
            cert_file=None,
            key_file=None,
        )
        if token:  # requests that are built by hand carry no key of the configuration
            api.set_default_header("Authorization", f"Bearer {token}")
        return api

    def _tls(self, files: Files, has_token: bool) -> ssl.SSLContext:
        """Return how servers are verified: as kubectl does it, on every Python."""
        context = create_urllib3_context()
        # Set from Python 3.13 on, it refuses a CA without key identifiers, as EKS has.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        try:
            context.load_verify_locations(files.ca)
            if not has_token:  # an encrypted key is refused, not asked a password for
                context.load_cert_chain(files.certificate, files.key, password="")
        except ssl.SSLError as error:
            raise WrongCluster(
                "the certificates or the key of the kubeconfig cannot be used",
                where=self.access.server,
                wanted="a CA, and a certificate with its own key, in PEM",
                seen=str(error),
                next=_ADOPT_AGAIN
                if self._adopted
                else f"begin anew: {self._folder.anew()}",
            ) from error
        return context

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
        timeout: float | None = None,
    ) -> Object:
        """Send a request and return the answer's JSON object.

        Args:
            method: The HTTP method.
            path: The path below the server's address.
            query: Parameters of the query.
            body: The object to send.
            headers: Headers beside the client's own.
            timeout: Seconds until giving up, already `stretched`: they are what is
                left of somebody's wait; those of `READ_S` when None.

        Raises:
            ApiError: The server refused.
            ApiUnreachable: Nobody answers.
            WrongCluster: Somebody answers who is not vouched for by the CA.
            CertificateExpired: A certificate is not valid at this time.
        """
        status, data = self._read(method, path, query, body, headers, timeout)
        try:
            answer = json.loads(data)
        except ValueError:
            answer = data.decode("utf-8", "replace")
        if not isinstance(answer, dict):
            raise ApiError(status, where=f"{method} {path}", body=str(answer))
        return answer

    def text(self, path: str, *, query: Mapping[str, str] | None = None) -> str:
        """Get what is no JSON, as a Pod's log; for arguments and errors see `send`."""
        wanted = {"Accept": "*/*"}
        _, data = self._read("GET", path, query, None, wanted, None)
        return data.decode("utf-8", "replace")

    def _read(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Object | None,
        headers: Mapping[str, str] | None,
        timeout: float | None,
    ) -> tuple[int, bytes]:
        """Send a request, and return the answer's status and body."""
        response = self._open(method, path, query, body, headers, timeout)
        try:
            return response.status, response.data
        except urllib3.exceptions.HTTPError as error:
            raise self._silence(method, path, error) from error

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
            timeout: Seconds without an answer until it ends, already `stretched`.
            opened: Called once the server has begun to answer, with a function that
                ends the stream from another thread.

        Raises:
            ApiError: The server refused.
            ApiUnreachable: Nobody answers.
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
        timeout: float | None,
    ) -> Any:
        from kubernetes.client import ApiException

        with self._count_lock:
            self._requests += 1
        limit = stretched(READ_S) if timeout is None else timeout
        limits = (min(stretched(CONNECT_S), limit), limit)
        ask = partial(
            self._api.call_api,
            path,
            method,
            query_params=list((query or {}).items()),
            header_params={"Accept": "application/json", **(headers or {})},
            body=body,
            _preload_content=False,
            _request_timeout=limits,
        )
        may_repeat = timeout is None and method in _Again.DEFAULT_ALLOWED_METHODS
        try:
            try:
                return ask()
            except urllib3.exceptions.ReadTimeoutError:
                if not may_repeat:
                    raise
                # A connection that was kept may have died unseen, as behind a router.
                return ask()
        except ApiException as error:
            if error.status == 0:  # the client hides a failed handshake in a status
                raise self._untrusted(method, path, error.__context__) from error
            raise self._refusal(method, path, error) from error
        except urllib3.exceptions.MaxRetryError as error:
            if isinstance(error.reason, urllib3.exceptions.SSLError):
                raise self._untrusted(method, path, error.reason) from error
            raise self._silence(method, path, error.reason or error) from error
        except urllib3.exceptions.HTTPError as error:
            raise self._silence(method, path, error) from error

    def _refusal(self, method: str, path: str, error: Any) -> LabError:
        text = error.body or error.reason or ""
        text = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
        certificate = self.access.certificate
        if error.status == 401 and certificate and (why := _not_valid(certificate)):
            return self._expired("the administrator's certificate", why)
        return ApiError(
            error.status,
            where=f"{method} {path}",
            body=text,
            next=_ADOPT_AGAIN if self._adopted and error.status == 401 else "",
            retry_after_s=_seconds((error.headers or {}).get("Retry-After")),
        )

    def _silence(self, method: str, path: str, error: object) -> ApiUnreachable:
        if self._adopted:
            return ApiUnreachable(
                "the adopted cluster's API server does not answer",
                where=f"{method} {self.access.server}{path}",
                seen=type(error).__name__,
                next="ask whoever runs it, or see whether this computer reaches it",
            )
        return ApiUnreachable(
            "the lab's API server does not answer",
            where=f"{method} {self.access.server}{path}",
            seen=type(error).__name__,
            next=f"see what is stopped: {command('status', self._folder.name)}; "
            f"{command('up', self._folder.name)} makes a stopped lab whole",
        )

    def _untrusted(self, method: str, path: str, error: object) -> LabError:
        """Return why a TLS handshake failed: by its certificate, or by its end."""
        seen = str(error).splitlines()[-1] if str(error) else ""
        if "CERTIFICATE_VERIFY_FAILED" not in seen and "match" not in seen:
            return self._silence(method, path, error)
        if "expired" in seen or "not yet valid" in seen:
            return self._expired("the API server's certificate", seen)
        return WrongCluster(
            "the server that answers is not vouched for by the lab's CA",
            where=self.access.server,
            wanted="a certificate signed by the CA in the lab's kubeconfig",
            seen=seen,
            next="find out who answers there before you go on",
        )

    def _expired(self, what: str, why: str) -> CertificateExpired:
        error = not_valid(self._folder.name, what, why, self.access.server)
        if self._adopted:  # its certificates are somebody else's to renew
            error.next = f"compare the clock with another one: date\n{_ADOPT_AGAIN}"
        return error


class _Again(urllib3.Retry):
    """Ask again where a connection broke, and not where a server let time pass."""

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: Any = None,
        error: Exception | None = None,
        *more: Any,
        **others: Any,
    ) -> Self:
        """Return what is left to try; see `urllib3.Retry.increment`."""
        if isinstance(error, urllib3.exceptions.ReadTimeoutError):
            raise error  # who waits has a time for all tries; others see `_open`
        return super().increment(method, url, response, error, *more, **others)


def _end(response: Any, over: threading.Event) -> None:
    """Make whoever reads a response in another thread see its end."""
    # First, for a TLS socket that is shut down hands out what came in as it came in.
    over.set()
    with suppress(OSError, RuntimeError, ValueError):  # it has ended by itself
        response.shutdown()


def _kept(folder: Path, suffix: str, content: bytes) -> str:
    """Return the path of a private file with this content, written if need be."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{hashlib.sha256(content).hexdigest()[:16]}.{suffix}"
    if not path.exists():
        files.write(path, content)
    return str(path)


def _not_valid(certificate: bytes) -> str:
    """Return in words why a certificate is not valid now, or nothing."""
    known = x509.load_pem_x509_certificate(certificate)
    first, last, now = known.not_valid_before_utc, known.not_valid_after_utc, _now()
    if first <= now <= last:
        return ""
    early = "not yet valid: " if now < first else ""
    return f"{early}valid from {first:%F} to {last:%F}"


def _now() -> datetime:
    return datetime.now(UTC)


def _seconds(header: str | None) -> float:
    """Return what a Retry-After header says; a date in it counts as nothing."""
    return float(header) if header and header.isdigit() else 0.0
