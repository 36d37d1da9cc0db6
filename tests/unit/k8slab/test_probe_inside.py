"""Probes from a Pod: what it is asked with there, and when nobody was asked."""

from __future__ import annotations

import shutil
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from k8slab import probe
from k8slab.errors import CommandFailed
from k8slab.kube.cluster import Cluster
from k8slab.kube.objects import Pod
from k8slab.probe._exchange import Exchange, Target, exchange

Ask = Callable[..., Exchange]
PROGRAMS = ("bash", "timeout", "base64", "dd", "head")
ENDED = "command terminated with exit code"
# A kubectl whose Pods are this computer with a few programs.
KUBECTL = """
while [ "$1" != -- ]; do shift; done
shift
PATH={programs}
"$@" && exit
code=$?
echo "command terminated with exit code $code" >&2
exit $code
"""
REPLY = b"no line ends here"


@pytest.fixture
def pod(cluster: Cluster, fake: Any) -> Pod:
    """Return a Pod that asks."""
    return Pod.read(fake.pod("client"))


@pytest.fixture(params=["python3", "bash", "this computer"])
def ask(
    request: pytest.FixtureRequest,
    cluster: Cluster,
    pod: Pod,
    kubectl: Callable[[str], None],
    tmp_path: Path,
) -> Ask:
    """Return what asks a port of the loopback, in each of the three ways."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in PROGRAMS:
        (programs / name).symlink_to(shutil.which(name) or "")
    if request.param == "python3":
        python = programs / "python3"
        python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        python.chmod(0o755)
    kubectl(KUBECTL.format(programs=programs))
    from_ = None if request.param == "this computer" else pod

    def asked(port: int, **options: Any) -> Exchange:
        target = Target("127.0.0.1", port, "a port")
        return exchange(cluster, target, from_=from_, timeout=3, **options)

    return asked


def server(kind: int, answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """Answer once on a port of the loopback; yield its number."""
    with socket.socket(socket.AF_INET, kind) as made:
        made.bind(("127.0.0.1", 0))
        made.settimeout(20)
        if kind == socket.SOCK_STREAM:
            made.listen()
        serving = threading.Thread(target=answer, args=(made,), daemon=True)
        serving.start()
        yield made.getsockname()[1]


@pytest.fixture
def datagrams() -> Iterator[int]:
    """Answer one datagram with one that holds no end of a line."""

    def answer(made: socket.socket) -> None:
        made.sendto(REPLY, made.recvfrom(100)[1])

    yield from server(socket.SOCK_DGRAM, answer)


@pytest.fixture
def resets() -> Iterator[int]:
    """Take what one client sends, and cut the connection."""

    def answer(made: socket.socket) -> None:
        connection, _ = made.accept()
        connection.recv(100)
        at_once = struct.pack("ii", 1, 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
        connection.close()

    yield from server(socket.SOCK_STREAM, answer)


@pytest.fixture
def closed() -> int:
    """Return a port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as made:
        return int(made.getsockname()[1])


def test_a_datagram_is_a_whole_answer(ask: Ask, datagrams: int) -> None:
    """Whether or not a byte in it happens to end a line."""
    answer = ask(datagrams, kind="udp", data=b"question", lines=1)

    assert (answer.data, answer.failure) == (REPLY, "")


@pytest.mark.parametrize("kind", ["tcp", "udp"])
def test_a_closed_port_is_refused_however_it_is_asked(
    ask: Ask, closed: int, kind: str
) -> None:
    """In the same words, for datagrams too."""
    answer = ask(closed, kind=kind, data=b"question", lines=1)

    assert (answer.data, answer.failure) == (b"", "connection refused")


def test_a_connection_that_is_cut_is_said_to_be(ask: Ask, resets: int) -> None:
    """It is no answer that came to its end."""
    assert ask(resets, data=b"question", lines=1).failure == "connection reset"


@pytest.mark.parametrize(
    "words",
    [
        "The connection to the server 172.30.1.11:6443 was refused - did you "
        "specify the right host or port?",
        "Unable to connect to the server: net/http: TLS handshake timed out",
        'Error from server (NotFound): pods "client" not found',
    ],
)
@pytest.mark.parametrize("strict", [True, False])
def test_what_kubectl_says_is_no_answer_of_the_target(
    cluster: Cluster, pod: Pod, kubectl: Any, words: str, strict: bool
) -> None:
    """Nobody was asked, so nobody refused: no claim of that kind comes true."""
    kubectl(f"echo '{words}' >&2; exit 1")

    for ask in (
        lambda: probe.tcp(pod, 12345, from_=pod, strict=strict),
        lambda: probe.echo(pod, 12345, from_=pod, strict=strict),
        lambda: probe.dns("echo", from_=pod, strict=strict),
        lambda: probe.echoes(pod, 12345, count=2, from_=pod),
    ):
        with pytest.raises(CommandFailed) as caught:
            ask()
        assert caught.value.seen == words
        assert caught.value.where.endswith("kubectl exec client -n '' -q")


def test_a_pod_without_the_programs_asked_nobody(
    cluster: Cluster, pod: Pod, kubectl: Any
) -> None:
    """As a machine without them."""
    words = "bash: line 1: exec: timeout: not found"
    kubectl(f"echo '{words}' >&2; echo '{ENDED} 127' >&2; exit 127")
    machine: Any = cluster.on("master")
    machine.answer = lambda text: (127, "", words)

    for from_ in (pod, "master"):
        with pytest.raises(CommandFailed, match="timeout: not found"):
            probe.tcp(pod, 12345, from_=from_, strict=False)


def test_a_reason_without_words_of_ours_is_the_pods_own(
    cluster: Cluster, pod: Pod, kubectl: Any
) -> None:
    """And not the line that kubectl adds below it."""
    words = "[Errno 1] Operation not permitted"
    kubectl(f"echo '{words}' >&2; echo '{ENDED} 1' >&2; exit 1")

    assert probe.tcp(pod, 12345, from_=pod, strict=False).seen == words


def test_a_pod_that_gets_no_answer_says_so(
    cluster: Cluster, pod: Pod, kubectl: Any
) -> None:
    """The deadline inside the Pod is no failure of kubectl."""
    kubectl(f"echo '{ENDED} 124' >&2; exit 124")

    seen = probe.tcp(pod, 12345, from_=pod, strict=False)
    assert seen.seen == "no answer in time"
