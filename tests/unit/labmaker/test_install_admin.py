"""kubectl on the master, while the API server has no time, and when it says no."""

from __future__ import annotations

import pytest
from fakes.shell import FakeShell, complaining
from paths import BUNDLE

from k8slab.errors import CommandFailed, NotReady
from labmaker.bundle import versions
from labmaker.install.context import InstallContext
from labmaker.install.steps import admin, coredns, join
from labmaker.settings import Settings

SILENT = "Unable to connect to the server: net/http: TLS handshake timeout"


@pytest.mark.parametrize(
    "silence",
    [
        SILENT,
        "dial tcp 172.30.1.11:6443: connect: connection refused",
        "http2: client connection lost",
        "request canceled (Client.Timeout exceeded while awaiting headers)",
        "etcdserver: request timed out",
    ],
)
def test_silence_is_asked_again(silence: str) -> None:
    """One-off questions hold as waits do."""
    shell = complaining("master", silence, silence)

    assert admin.kubectl(shell, "get", "nodes", timeout=5).ok
    assert len(shell.asked) == 3


def test_an_answer_that_says_no_is_an_answer() -> None:
    """Asking again would change nothing."""
    shell = complaining(
        "master", "error: timed out waiting for the condition on nodes/master"
    )

    assert not admin.kubectl(shell, "wait", "node/master", timeout=5).ok
    assert len(shell.asked) == 1


def test_silence_that_lasts_is_told_with_its_words() -> None:
    """What was asked, and what was said last."""
    with pytest.raises(NotReady, match="'kubectl get'") as caught:
        admin.kubectl(
            complaining("master", *[SILENT] * 20), "get", "nodes", timeout=0.2
        )

    assert caught.value.seen == SILENT


def test_a_token_is_deleted_though_nobody_answers_at_first() -> None:
    """And that it is gone already is no failure."""
    shell = complaining("master", SILENT)
    join.delete_token(shell, "abcdef.0123456789abcdef")

    assert "secret/bootstrap-token-abcdef" in shell.asked[-1]
    assert "--ignore-not-found" in shell.asked[-1]
    with pytest.raises(CommandFailed, match="is forbidden"):
        join.delete_token(complaining("master", "secrets is forbidden"), "abcdef.0")


@pytest.mark.parametrize(
    ("deployed", "created", "runs"),
    [
        ("", "", True),
        ("", 'configmaps "coredns" AlreadyExists', True),
        ("deployment.apps/coredns", "", False),
    ],
)
def test_coredns_is_deployed_where_it_is_not(
    deployed: str, created: str, runs: bool
) -> None:
    """Also after an 'up' that was ended between its configuration and itself."""

    def answer(text: str) -> tuple[int, str, str]:
        if " get " in text:
            return 0, deployed, ""
        return (int(bool(created)), "", created) if " create " in text else (0, "", "")

    shell = FakeShell("master", "172.30.1.11")
    shell.answer = answer
    record = Settings("lab", 0, 1, "ready", "podman", "1.37.2").record(
        lambda _: ((), ()), {"echo": "registry.lab/echo:1"}
    )
    context = InstallContext(record, versions.read(BUNDLE), ca="", apt_key=b"")

    assert coredns.apply(context, record.machines[0], shell) is runs
    assert any("addon coredns" in words for words in shell.asked) is runs
