"""Probes: what they see, and that nothing leaves the lab."""

from __future__ import annotations

import base64
import socket
import struct
import threading
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from k8slab import probe
from k8slab.errors import (
    BadInput,
    CommandFailed,
    LabError,
    LabMissing,
    Refused,
    UnknownMachine,
    Unreachable,
)
from k8slab.folder import LabFolder
from k8slab.kube.cluster import Cluster
from k8slab.kube.objects import Pod
from k8slab.magics._result import Result

ENDED = "\ncommand terminated with exit code"


@pytest.fixture
def port(cluster: Cluster) -> Iterator[int]:
    """Serve echo as one Pod does, at the address of a machine of this lab."""
    server = socket.create_server(("127.0.0.1", 0))
    cluster.on("node1").address = "127.0.0.1"

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as lines:
                connection.sendall(b"echo-1\n")
                for line in lines:
                    connection.sendall(b"echo-1: " + line)

    threading.Thread(target=serve, daemon=True).start()
    yield server.getsockname()[1]
    server.shutdown(socket.SHUT_RDWR)
    server.close()


def pod(fake: Any, **changes: Any) -> Pod:
    """Return the record of a Pod."""
    return Pod.read(fake.pod("echo-1", **changes))


def answers(data: bytes) -> tuple[int, str, str]:
    """Return what a machine prints for an answer."""
    return 0, base64.b64encode(data).decode(), ""


def test_echo_names_the_pod_that_answers(port: int) -> None:
    """The server's greeting and its echo are one answer."""
    seen = probe.echo("node1", port)

    assert (seen.ok, seen.pod, seen.seen) == (True, "echo-1", "echo-1 answers")
    assert 0 < seen.milliseconds < 3000


def test_a_closed_port_is_unreachable_in_stable_words(port: int) -> None:
    """The message has the machine's name and the reason, no address."""
    with pytest.raises(Unreachable) as caught:
        probe.echo("node1", 1)

    assert caught.value.what == "nothing answers on node1:1 (connection refused)"


def test_a_closed_port_can_be_an_answer(port: int) -> None:
    """Without strictness a record says that nothing answers."""
    seen = probe.tcp("node1", 1, strict=False)

    assert (bool(seen), seen.seen) == (False, "connection refused")


def test_what_a_command_printed_is_a_target_and_a_port(port: int) -> None:
    """A port in text is one, too."""
    name, number = (
        Result("kubectl get …", text, "", 0, 0.1) for text in ("node1\n", f"{port}\n")
    )
    told: Any = (name, number)

    assert probe.echo(*told).pod == "echo-1"
    for wrong in ("http", ""):
        with pytest.raises(BadInput, match="that is no port"):
            probe.tcp("node1", wrong)  # type: ignore[arg-type]
    with pytest.raises(Refused, match="no such port"):
        probe.tcp("node1", "65536")  # type: ignore[arg-type]


def test_silence_ends_at_the_deadline(cluster: Cluster) -> None:
    """A server that accepts and says nothing is given up."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        cluster.on("node1").address = "127.0.0.1"
        seen = probe.echo("node1", server.getsockname()[1], timeout=0.3, strict=False)

    assert (seen.ok, seen.seen) == (False, "no answer in time")


def test_everywhere_names_the_silent(cluster: Cluster, port: int) -> None:
    """Each machine is asked, and those that do not answer are named."""
    for machine in ("master", "node2"):
        cluster.on(machine).address = "127.0.0.1"
    all_three = probe.echo_everywhere(port)
    cluster.on("node2").address = "127.0.0.2"
    without = probe.echo_everywhere(port, timeout=0.5)

    assert (all_three.ok, all_three.pods) == (True, frozenset({"echo-1"}))
    assert (without.ok, without.seen) == (False, "silent: node2")


@pytest.mark.parametrize(
    "target", ["8.8.8.8", "192.168.1.1", "172.30.2.11", "172.30.1.1", "example.com", ""]
)
def test_targets_outside_the_lab_are_refused(cluster: Cluster, target: str) -> None:
    """Other addresses, another lab's, this computer's and names are refused."""
    with pytest.raises(Refused):
        probe.tcp(target, 80)
    with pytest.raises(Refused):
        probe.tcp(target, 80, from_="master")
    assert cluster.on("master").asked == []  # type: ignore[attr-defined]


@pytest.mark.parametrize("target", ["10.244.1.7", "10.96.0.10"])
def test_inner_addresses_are_asked_from_inside(cluster: Cluster, target: str) -> None:
    """This computer does not ask for Pods and Services; a machine does."""
    machine = cluster.on("master")
    machine.answer = lambda text: answers(b"")  # type: ignore[attr-defined]

    # While a lab is up here, this computer's routes refuse before the probe does.
    with pytest.raises((Refused, Unreachable), match='from_="master"'):
        probe.tcp(target, 80)
    assert probe.tcp(target, 80, from_="master").ok
    assert len(machine.asked) == 1  # type: ignore[attr-defined]


class Routes:
    """The routing table as a datagram socket asks it; it sends nothing."""

    refusal: OSError | None = None
    kinds: ClassVar[list[int]] = []

    def __init__(self, family: int, kind: int) -> None:
        self.kinds.append(kind)

    def __enter__(self) -> Routes:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def connect(self, address: tuple[str, int]) -> None:
        """Refuse as the kernel does, or find a route."""
        if self.refusal:
            raise self.refusal


@pytest.mark.parametrize(
    ("refusal", "error", "words"),
    [
        (OSError(113, "No route to host"), Unreachable, "(no route to it)"),
        (OSError(101, "Network is unreachable"), Unreachable, "network unreachable"),
        (None, Refused, "inside the cluster only"),
    ],
)
def test_a_pod_is_unreachable_where_routes_refuse_it(
    cluster: Cluster,
    monkeypatch: pytest.MonkeyPatch,
    refusal: OSError | None,
    error: type[LabError],
    words: str,
) -> None:
    """The reason is the route when there is one; no packet is sent in any case."""
    monkeypatch.setattr(Routes, "refusal", refusal)
    monkeypatch.setattr(Routes, "kinds", [])
    monkeypatch.setattr(socket, "socket", Routes)

    with pytest.raises(error) as caught:
        probe.tcp("10.244.1.7", 80)
    assert words in caught.value.what
    assert Routes.kinds == [socket.SOCK_DGRAM]


def test_a_machine_asks_for_a_pod(cluster: Cluster, fake: Any) -> None:
    """The answer that comes back through a machine is read like any other."""
    machine = cluster.on("node2")
    machine.answer = lambda text: answers(b"echo-1\necho-1: hello\n")  # type: ignore[attr-defined]

    assert probe.echo(pod(fake), 12345, from_="node2").pod == "echo-1"


@pytest.mark.parametrize(
    ("code", "complaint", "words"),
    [
        (1, "bash: connect: Connection refused", "connection refused"),
        (1, "bash: connect: No route to host", "no route to it"),
        (1, "bash: connect: Network is unreachable", "network unreachable"),
        (124, "", "no answer in time"),
    ],
)
def test_reasons_are_the_same_words_everywhere(
    cluster: Cluster, fake: Any, code: int, complaint: str, words: str
) -> None:
    """What a machine's shell says becomes the words this computer uses."""
    cluster.on("master").answer = lambda text: (code, "", complaint)  # type: ignore[attr-defined]

    with pytest.raises(Unreachable) as caught:
        probe.echo(pod(fake), 12345, from_="master")
    assert caught.value.what == f"nothing answers on the Pod's port 12345 ({words})"


def test_a_pod_without_an_address_is_unreachable(cluster: Cluster, fake: Any) -> None:
    """A Pod that has no address yet is not asked."""
    with pytest.raises(Unreachable, match="no address yet"):
        probe.tcp(pod(fake, ip=""), 80, from_="master")


def test_an_unknown_machine_asks_nobody(cluster: Cluster) -> None:
    """A probe from a machine that is not there is refused by name."""
    with pytest.raises(UnknownMachine):
        probe.tcp("node1", 22, from_="node9")


def test_a_name_is_looked_up_by_the_clusters_server(cluster: Cluster) -> None:
    """A short name is completed, and the addresses are read from the packet."""
    asked: list[bytes] = []

    def answer(text: str) -> tuple[int, str, str]:
        question = base64.b64decode(text.split()[-2])
        asked.append(question)
        record = struct.pack(">HHHIH4s", 0xC00C, 1, 1, 5, 4, bytes([10, 96, 0, 77]))
        header = question[:2] + struct.pack(">HHHHH", 0x8180, 1, 1, 0, 0)
        return answers(header + question[12:] + record)

    cluster.on("master").answer = answer  # type: ignore[attr-defined]
    cluster.namespace = "chapter"
    found = probe.dns("echo")

    assert found.addresses == ("10.96.0.77",)
    assert b"\x04echo\x07chapter\x03svc\x07cluster\x05local\x00" in asked[0]


@pytest.mark.parametrize(
    ("name", "asked_for"),
    [
        ("echo.shop.svc", "echo.shop.svc.cluster.local"),
        ("echo-0.echo.shop.svc", "echo-0.echo.shop.svc.cluster.local"),
        ("echo.svc", "echo.svc.svc.cluster.local"),
        ("svc", "svc.chapter.svc.cluster.local"),
        ("shop.example.org", "shop.example.org"),
    ],
)
def test_a_name_is_completed_as_in_a_pod(
    cluster: Cluster, name: str, asked_for: str
) -> None:
    """By what a Pod's resolver tries and finds."""
    cluster.namespace = "chapter"
    with pytest.raises(Unreachable):
        probe.dns(name)
    asked: Any = cluster.on("master")
    question = base64.b64decode(asked.asked[-1].split()[-2])
    labels = [bytes([len(each)]) + each.encode() for each in asked_for.split(".")]

    assert b"".join(labels) + b"\0" in question


def test_a_name_that_is_not_there_is_an_answer(cluster: Cluster) -> None:
    """NXDOMAIN raises, or is a record that is false."""
    reply = b"\0\0" + struct.pack(">HHHHH", 0x8183, 0, 0, 0, 0)
    cluster.on("master").answer = lambda text: answers(reply)  # type: ignore[attr-defined]

    assert probe.dns("nothing.x", strict=False).seen == "no such name"
    with pytest.raises(Unreachable, match=r"nothing\.x has no address"):
        probe.dns("nothing.x")


BROKEN = b"\0\0\x81\x80\0\1\0\1\0\0\0\0\x04abc"


@pytest.mark.parametrize("packet", [BROKEN, b"\0", BROKEN[:12] + b"\xff" * 9])
def test_a_broken_packet_is_no_answer(cluster: Cluster, packet: bytes) -> None:
    """What is no DNS answer is said to be none; nothing else is raised."""
    cluster.on("master").answer = lambda text: answers(packet)  # type: ignore[attr-defined]

    assert probe.dns("echo", strict=False).seen == "no DNS answer"
    with pytest.raises(Unreachable, match="no DNS answer"):
        probe.dns("echo")


@pytest.mark.parametrize("name", ["a..b", "x" * 64, ""])
def test_what_cannot_be_a_name_is_not_asked_for(cluster: Cluster, name: str) -> None:
    """It is bad input, and no machine hears of it."""
    with pytest.raises(BadInput, match="cannot be a DNS name"):
        probe.dns(name)

    assert cluster.on("master").asked == []  # type: ignore[attr-defined]


def test_rows_come_from_the_client_in_the_pod(
    cluster: Cluster, folder: LabFolder, fake: Any, kubectl: Any
) -> None:
    """Rows are tuples; the password goes by standard input and nowhere else."""
    kubectl(
        '/bin/cat > $HOME/input; echo "$@" > $HOME/args; '
        "printf '1\\ttea\\n2\\tmilk\\n'"
    )
    seen = probe.sql(pod(fake), "select * from orders", password="CANARY")
    home = folder.root / "client" / "home"

    assert seen.rows == (("1", "tea"), ("2", "milk"))
    assert (home / "input").read_text() == "CANARY\nselect * from orders"
    assert "CANARY" not in (home / "args").read_text()


def test_values_are_what_the_database_has(
    cluster: Cluster, fake: Any, kubectl: Any
) -> None:
    """Its client writes a line for each row, and so other letters for some signs."""
    kubectl(
        r"printf '%s\n' 'create table a (\n  id int\n)' 'C:\\new\tz'"
        " 'a\x0cb' ''"
    )
    rows = probe.sql(pod(fake), "show create table a").rows

    assert rows == (
        ("create table a (\n  id int\n)",),
        (r"C:\new" + "\tz",),
        ("a\x0cb",),
        ("",),
    )
    kubectl("exit 0")
    assert probe.sql(pod(fake), "delete from a").rows == ()


def test_rows_come_from_a_pod_alone(cluster: Cluster) -> None:
    """Its name is not enough, for it does not say where."""
    name: Any = "mariadb-0"
    with pytest.raises(BadInput, match="that is no Pod") as caught:
        probe.sql(name, "select 1")

    assert caught.value.next.endswith('wait.pod(ns, "mariadb-0")')


def test_rows_come_from_the_container_that_was_named(
    cluster: Cluster, folder: LabFolder, fake: Any, kubectl: Any
) -> None:
    """Of several containers the named one is asked, by kubectl's own option."""
    kubectl('echo "$@" > $HOME/args')
    probe.sql(pod(fake), "select 1", container="second")
    args = (folder.root / "client" / "home" / "args").read_text()

    assert "-c second -- sh" in args


def test_a_refused_statement_is_an_error_without_the_password(
    cluster: Cluster, fake: Any, kubectl: Any
) -> None:
    """The database's words are shown, the password is not."""
    kubectl(f"echo 'ERROR 1045 (28000): Kubeconfig denied{ENDED} 1' >&2; exit 1")

    with pytest.raises(CommandFailed, match="Kubeconfig denied") as caught:
        probe.sql(pod(fake), "select 1", password="CANARY")
    assert "CANARY" not in repr(vars(caught.value)) + str(caught.value)
    assert caught.value.what == "the database refused"


def test_a_database_that_is_not_up_is_unreachable(
    cluster: Cluster, fake: Any, kubectl: Any
) -> None:
    """The client's own error number for "nobody there" becomes Unreachable."""
    kubectl(f'echo "ERROR 2002 (HY000): Can\'t connect{ENDED} 1" >&2; exit 1')

    with pytest.raises(Unreachable):
        probe.sql(pod(fake), "select 1")


@pytest.mark.parametrize(
    "words",
    [
        'Error from server (NotFound): pods "client" not found',
        f"sh: 8: exec: mariadb: not found{ENDED} 127",
    ],
)
def test_a_database_that_was_not_asked_refused_nothing(
    cluster: Cluster, fake: Any, kubectl: Any, words: str
) -> None:
    """The words of kubectl and of the shell are shown; the password stays unsaid."""
    kubectl(f"echo '{words}' >&2; exit 1")

    with pytest.raises(CommandFailed) as caught:
        probe.sql(pod(fake), "select 1", container="second", password="CANARY")
    assert caught.value.what == "'kubectl' ended with exit code 1"
    assert caught.value.seen == words
    assert caught.value.where.endswith("kubectl exec -i echo-1 -n '' -q -c second")
    assert "CANARY" not in repr(vars(caught.value)) + str(caught.value)


def test_without_a_lab_the_reader_is_told_how_to_connect() -> None:
    """A probe in a session without a lab says what to run."""
    with pytest.raises(LabMissing, match=r"lab\.connect\(\)"):
        probe.tcp("node1", 22)
