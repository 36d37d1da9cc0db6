"""One way to the API server: what it answers, and what it is not able to."""

from __future__ import annotations

import shlex
import ssl
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from fakes.api_server import FakeApi
from urllib3.util import create_urllib3_context

from k8slab.errors import (
    ApiError,
    ApiUnreachable,
    CertificateExpired,
    HostProblem,
    LabMissing,
    WrongCluster,
)
from k8slab.folder import LabFolder
from k8slab.kube import connection
from k8slab.kube.cluster import Cluster
from k8slab.kube.connection import Connection
from k8slab.kube.kubeconfig import Kubeconfig


def test_a_silent_server_is_no_missing_lab(cluster: Cluster, fake: Any) -> None:
    """It has an exit code of its own, and the next steps name the lab."""
    fake.close()
    with pytest.raises(ApiUnreachable) as caught:
        cluster.version()

    assert not isinstance(caught.value, LabMissing)
    assert caught.value.exit_code not in (LabMissing.exit_code, ApiError.exit_code)
    assert "'k8slab up --name default'" in caught.value.next


@pytest.mark.slow
@pytest.mark.parametrize(("method", "tries"), [("GET", 2), ("POST", 1)])
def test_a_connection_that_died_unseen_is_no_silent_server(
    cluster: Cluster,
    fake: Any,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    tries: int,
) -> None:
    """As one that a router forgot meanwhile; what may have been done is done once."""
    asked: list[str] = []
    over = threading.Event()

    def forgotten(*request: str) -> None:
        asked.append(" ".join(request))
        if len(asked) == 1:
            over.wait(30)

    monkeypatch.setattr(connection, "READ_S", 0.5)
    fake.on_request = forgotten
    try:
        if tries == 1:
            with pytest.raises(ApiUnreachable):
                cluster.connection.send(method, "/version")
        else:
            assert cluster.connection.send(method, "/version")["gitVersion"]
    finally:
        over.set()

    assert len(asked) == tries


def test_a_refusal_keeps_the_servers_words(cluster: Cluster, fake: Any) -> None:
    """Status, words and the seconds to wait are there for whoever decides."""
    body = {"kind": "Status", "reason": "TooManyRequests", "message": "come again"}
    fake.errors["GET /version"] = (429, body, {"Retry-After": "7"})
    with pytest.raises(ApiError) as caught:
        cluster.version()

    error = caught.value
    assert (error.status, error.message, error.retry_after_s) == (429, "come again", 7)
    assert (error.passing, error.exit_code) == (True, 11)
    assert fake.requests == ["GET /version"]  # nobody else tried again meanwhile


def test_an_answer_that_is_no_json_is_a_refusal(cluster: Cluster, fake: Any) -> None:
    """Its beginning is shown, as an error of ours."""
    fake.errors["GET /version"] = (200, "<html>a proxy</html>", {})

    with pytest.raises(ApiError, match="a proxy"):
        cluster.version()


def test_a_servers_certificate_that_is_over_is_said_to_be(
    cluster: Cluster, fake: Any
) -> None:
    """Not "another cluster": the clock and the certificate's age are named."""
    fake.show_certificate(days=-1)
    with pytest.raises(CertificateExpired, match="expired") as caught:
        cluster.version()

    assert "this computer's clock: 20" in caught.value.seen
    assert "clock" in caught.value.next
    assert "'k8slab reset --name default'" in caught.value.next
    assert not isinstance(caught.value, WrongCluster)


def test_a_users_certificate_that_is_over_is_said_to_be(
    fake: Any, folder: LabFolder, tmp_path: Path
) -> None:
    """The server only says "Unauthorized"; the certificate's days say why."""
    access = Kubeconfig.read(folder, draft=fake.kubeconfig(tmp_path / "old", days=-1))
    fake.errors["GET /version"] = (401, {"reason": "Unauthorized"}, {})

    with pytest.raises(CertificateExpired, match="administrator's certificate"):
        Connection(folder, access).send("GET", "/version")


@pytest.fixture
def newer_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the TLS of requests be as strict as on Python 3.13."""
    newer = SimpleNamespace(version_info=(3, 13))
    monkeypatch.setattr("urllib3.util.ssl_.sys", newer)
    assert create_urllib3_context().verify_flags & ssl.VERIFY_X509_STRICT


@pytest.fixture
def plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApi]:
    """Serve an API whose CA has neither key identifiers nor a use, as those of EKS."""
    own = x509.CertificateBuilder.add_extension
    lacking = (x509.SubjectKeyIdentifier, x509.AuthorityKeyIdentifier, x509.KeyUsage)

    def without(self: Any, extension: Any, critical: bool) -> Any:
        return (
            self if isinstance(extension, lacking) else own(self, extension, critical)
        )

    (tmp_path / "plain").mkdir()
    with monkeypatch.context() as patched:
        patched.setattr(x509.CertificateBuilder, "add_extension", without)
        server = FakeApi(tmp_path / "plain")
    yield server
    server.close()


@pytest.mark.usefixtures("newer_python")
def test_a_ca_without_key_identifiers_is_trusted(
    plain: FakeApi, folder: LabFolder, tmp_path: Path
) -> None:
    """As kubectl trusts it, on every Python; and so is a token's connection."""
    access = Kubeconfig.read(folder, draft=plain.kubeconfig(tmp_path / "own"))
    connection = Connection(folder, access)
    token = connection.new_api(bearer="a token")
    told = connection.send("GET", "/version")
    answer = token.call_api("/version", "GET", _preload_content=False)

    assert (told["gitVersion"], answer.status) == ("v1.37.2", 200)
    assert plain.authorizations == ["", "Bearer a token"]


@pytest.mark.usefixtures("newer_python")
def test_a_foreign_ca_is_not_trusted(
    plain: FakeApi, impostor: FakeApi, folder: LabFolder, tmp_path: Path
) -> None:
    """Nor a certificate that is another server's; neither is sent a request."""
    file = plain.kubeconfig(tmp_path / "bent", cluster={"server": impostor.url})
    foreign = Kubeconfig.read(folder, draft=file)
    own = Kubeconfig.read(folder, draft=plain.kubeconfig(tmp_path / "own"))
    other = replace(own, server=own.server.replace("127.0.0.1", "localhost"))
    for access in (foreign, other):
        with pytest.raises(WrongCluster):
            Connection(folder, access).send("GET", "/version")

    assert (plain.requests, impostor.requests) == ([], [])


@pytest.mark.parametrize(
    ("adopted", "step"),
    [(False, "begin anew: 'k8slab "), (True, "get another kubeconfig")],
)
@pytest.mark.parametrize("name", ["ca", "certificate", "key"])
def test_credentials_that_cannot_be_used_are_told(
    fake: Any,
    impostor: Any,
    folder: LabFolder,
    tmp_path: Path,
    name: str,
    adopted: bool,
    step: str,
) -> None:
    """Not as a server that does not answer; a key may be another certificate's."""
    own = Kubeconfig.read(folder, draft=fake.kubeconfig(tmp_path / "own"))
    other = Kubeconfig.read(folder, draft=impostor.kubeconfig(tmp_path / "other"))
    broken: dict[str, Any] = {
        "ca": b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
        "certificate": other.certificate,
        "key": other.key,
    }
    access = replace(own, **{name: broken[name]})
    with pytest.raises(WrongCluster, match="cannot be used") as caught:
        Connection(folder, access, adopted=adopted)

    assert caught.value.next.startswith(step)


def test_an_encrypted_key_asks_for_no_password(
    fake: Any, folder: LabFolder, tmp_path: Path
) -> None:
    """A session would hang at a question that nobody sees."""
    access = Kubeconfig.read(folder, draft=fake.kubeconfig(tmp_path / "own"))
    key = serialization.load_pem_private_key(access.key, None).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"word"),
    )
    with pytest.raises(WrongCluster, match="cannot be used"):
        Connection(folder, replace(access, key=key))


def test_a_broken_handshake_is_silence(cluster: Cluster, fake: Any) -> None:
    """A server that starts hangs up in the middle; nobody else is there."""
    fake.hang_up = 5

    with pytest.raises(ApiUnreachable):
        cluster.version()


@pytest.mark.slow
def test_requests_of_many_threads_are_counted(cluster: Cluster, fake: Any) -> None:
    """None is lost when they are sent at the same moment."""
    cluster.version()

    def send() -> None:
        for _ in range(25):
            cluster.version()

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert cluster.requests == len(fake.requests) == 201


@pytest.mark.parametrize(
    "line", ["edit rc x", "create rc x --edit", "apply edit-last-applied rc x"]
)
def test_without_any_editor_the_way_to_one_is_told(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    """Kubectl would say that it cannot start vi."""
    monkeypatch.setattr("k8slab.kube.kubectl.search_path", lambda: "")
    monkeypatch.setenv("EDITOR", "/gone/emacs")
    with pytest.raises(HostProblem) as caught:
        cluster.kubectl_command(line.split())

    assert caught.value.next == "apt-get install --yes nano"
    assert cluster.kubectl_command(["get", "pods"])


def test_a_kubectl_that_was_lost_has_a_way_back(
    cluster: Cluster, folder: LabFolder
) -> None:
    folder.kubectl.unlink()
    with pytest.raises(LabMissing) as caught:
        cluster.kubectl_command(["get", "pods"])

    assert "k8slab up" in caught.value.next


@pytest.mark.parametrize("name", ["KUBE_EDITOR", "VISUAL", "EDITOR"])
def test_the_readers_editor_is_found_by_its_usual_variables(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """With its options, the reader's PATH and home, and a shell that knows quotes."""
    for each in ("KUBE_EDITOR", "VISUAL", "EDITOR"):
        monkeypatch.delenv(each, raising=False)
    monkeypatch.setenv(name, "sed -i 's/a b/c/'")
    monkeypatch.setenv("SHELL", "/usr/sbin/nologin")
    monkeypatch.setenv("HOME", "/home/my user")
    _, variables = cluster.kubectl_command(["edit", "rc", "x"])
    words = shlex.split(variables["KUBE_EDITOR"])

    assert words[-2:] == ["-i", "s/a b/c/"]
    assert "HOME=/home/my user" in words
    assert variables["SHELL"] == "/bin/sh"


@pytest.mark.parametrize(
    "name",
    ["KUBECTL_EXTERNAL_DIFF", "KUBECACHEDIR", "KUBECTL_COMMAND_HEADERS", "HTTPS_PROXY"],
)
def test_what_would_bend_kubectl_is_taken_from_it(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The reader's other settings do not reach the lab, nor the lab them."""
    monkeypatch.setenv(name, "/home/ada/x")
    _, variables = cluster.kubectl_command(["get", "pods"])

    assert variables[name] == ""
