"""One way to the API server: what it answers, and what it is not able to."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from k8slab.errors import (
    ApiError,
    ApiUnreachable,
    CertificateExpired,
    LabMissing,
    WrongCluster,
)
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
    fake: Any, tmp_path: Path
) -> None:
    """The server only says "Unauthorized"; the certificate's days say why."""
    access = Kubeconfig.read(fake.kubeconfig(tmp_path / "old", days=-1), "default")
    fake.errors["GET /version"] = (401, {"reason": "Unauthorized"}, {})

    with pytest.raises(CertificateExpired, match="administrator's certificate"):
        Connection("default", access, tmp_path / "client").send("GET", "/version")


def test_a_broken_handshake_is_silence(cluster: Cluster, fake: Any) -> None:
    """A server that starts hangs up in the middle; nobody else is there."""
    fake.hang_up = 5

    with pytest.raises(ApiUnreachable):
        cluster.version()


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
