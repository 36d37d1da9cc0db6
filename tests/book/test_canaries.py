"""No secret in what a reader can see: planted ones are found, and none is there."""

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from nbformat import NotebookNode

from booktools import notebooks
from booktools.lint import secrets
from booktools.notebooks import Chapter


def web_token() -> str:
    """Return a token that looks like a ServiceAccount's."""
    parts = [{"alg": "RS256"}, {"iss": "kubernetes/serviceaccount"}]
    coded = [base64.urlsafe_b64encode(json.dumps(p).encode()).decode() for p in parts]
    return ".".join([*(c.rstrip("=") for c in coded), "c2lnbmF0dXJl" * 3])


def planted() -> dict[str, str]:
    """Return each kind of secret with one that was made up."""
    return {
        "private key": "-----BEGIN OPENSSH " + "PRIVATE KEY-----\nb3BlbnNz",
        "bootstrap token": "kubeadm join --token abcdef" + ".0123456789abcdef",
        "web token": web_token(),
        "client key": "client-key-" + "data: LS0tLS1CRUdJTiBSU0E",
        "bearer": "Authorization: " + "Bearer c2VjcmV0LXdvcmQ",
        "coded key": f"tls.key: {coded('-----BEGIN EC ' + 'PRIVATE KEY-----')}",
        "coded token": f"token: {coded(web_token())}",
        "password": "MYSQL_ROOT_PASSWORD=" + "hunter22",
    }


def coded(text: str) -> str:
    """Return a text as a Secret holds it."""
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize("kind", planted())
def test_a_planted_secret_is_found(kind: str) -> None:
    """In the middle of other text, with its line."""
    text = f"first\nsecond {planted()[kind]} more\n"

    found = [(leak.kind, leak.line) for leak in secrets.leaks(text)]

    assert (kind, 2) in found


@pytest.mark.parametrize("kind", planted())
def test_a_planted_secret_in_a_notebook_is_found(
    make: Callable[..., Chapter], good: list[NotebookNode], kind: str
) -> None:
    """In the file as it is stored, where text is JSON."""
    good[4].outputs[0].text = planted()[kind]

    stored = make(good).path.read_text(encoding="utf-8")

    assert kind in {leak.kind for leak in secrets.leaks(stored)}


def test_an_event_is_no_bootstrap_token() -> None:
    """Its name ends in a time: etcd's log, the journal and chapters show such names."""
    event = "/registry/events/shop/client.18a0b1c2d3e4f506"
    token = "abcdef" + ".18a0b1c2d3e4f50g"

    assert secrets.leaks(f"{event.rpartition('/')[2]} and {event}") == []
    assert [leak.kind for leak in secrets.leaks(token)] == ["bootstrap token"]


def test_a_canary_is_found_word_by_word() -> None:
    """A password may stand anywhere; tests plant one and look for it."""
    found = secrets.leaks("the shop took canary-7", canaries=("canary-7",))

    assert [leak.kind for leak in found] == ["canary"]


def test_a_leak_shows_no_secret() -> None:
    """The report itself gives nothing away."""
    secret = planted()["web token"]

    (leak,) = secrets.leaks(secret)

    assert len(leak.start) < 10
    assert secret not in repr(leak)


@pytest.mark.parametrize(
    "text",
    [
        '{"root-password": "' + 'hunter"}',
        "  root-password: " + "aHVudGVyMjI=\n",
        "password = '" + "secrets'",
        "PASSWORD=" + "hunter22 mariadb -uroot",
    ],
)
def test_a_password_is_found_however_it_is_set(text: str) -> None:
    """In JSON, in YAML, in Python and before a command."""
    assert {leak.kind for leak in secrets.leaks(text)} == {"password"}


@pytest.mark.parametrize(
    "text",
    [
        "registry.lab/kube-apiserver:v1.37.2",
        "Authorization: Bearer ***",
        "-----BEGIN CERTIFICATE-----",
        "kubectl.kubernetes.io/last-applied",
        "client-key-data: REDACTED",
        f"ca.crt: {coded('-----BEGIN CERTIFICATE-----')}",
        "MYSQL_ROOT_PASSWORD=$(cat /run/password) exec entrypoint",
        "--from-file=root-password=/dev/stdin",
        "MYSQL_PWD=$MYSQL_ROOT_PASSWORD mariadb -uroot",
        "root-password:  22 bytes",
        'node2.shell.read("/data/password"), password=password2)',
    ],
)
def test_ordinary_words_are_no_secret(text: str) -> None:
    """What a chapter really prints passes."""
    assert secrets.leaks(text) == []


def test_every_kind_has_a_canary() -> None:
    """No pattern is there that was never seen to match."""
    assert set(planted()) == set(secrets.KINDS)


def test_chapters_hold_no_secret(root: Path) -> None:
    """The stored notebooks, as files."""
    paths = notebooks.chapter_paths(root)

    found = [leak for path in paths for leak in secrets.leaks(path.read_text("utf-8"))]

    assert paths
    assert found == []
