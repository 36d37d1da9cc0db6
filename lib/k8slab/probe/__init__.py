"""Ask the lab's own addresses from this computer, a machine or a Pod for an answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address

from ..core import given
from ..errors import BadInput, CommandFailed, Unreachable
from ..kube import current
from ..kube.cluster import Cluster
from ..kube.follow import count
from ..kube.objects import Pod
from . import _dns as _dns
from . import _route
from ._curl import Page as Page
from ._curl import curl as curl
from ._echo import greet
from ._exchange import Target, complaint, exchange, own_failure, resolve
from ._route import Route as Route
from ._rules import rules as rules
from ._series import Asking as Asking
from ._series import Requests as Requests
from ._series import asking as asking
from ._series import echoes as echoes

TIMEOUT_S = 3.0
_ESCAPES = {"n": "\n", "t": "\t", "0": "\0", "\\": "\\"}
"""What the database's client writes in other letters, for a row to be one line."""
_QUOTED = "a text, in quotes"
_ASK = """
case $1 in
  own) MYSQL_PWD=${MYSQL_ROOT_PASSWORD-} ;;
  *) IFS= read -r MYSQL_PWD ;;
esac
export MYSQL_PWD
shift
exec mariadb "$@"
"""


@dataclass(frozen=True)
class Probe:
    """What a probe saw; true when it is as it should be.

    Attributes:
        ok: Whether the answer was as it should be.
        seen: The answer in words.
        milliseconds: How long it took.
    """

    ok: bool
    seen: str
    milliseconds: float

    def __bool__(self) -> bool:
        return self.ok


@dataclass(frozen=True)
class Echo(Probe):
    """An echo server's answer.

    Attributes:
        pod: The name of the Pod that answered; empty when none did.
    """

    pod: str = ""


@dataclass(frozen=True)
class Names(Probe):
    """The cluster's name service's answer.

    Attributes:
        addresses: The addresses of the name, sorted.
    """

    addresses: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rows(Probe):
    """A database's answer.

    Attributes:
        rows: The rows, each a tuple of texts.
    """

    rows: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Everywhere(Probe):
    """The answers of one port on every machine.

    Attributes:
        answers: The answer by machine.
        pods: The names of all Pods that answered.
    """

    answers: Mapping[str, Echo] | None = None
    pods: frozenset[str] = frozenset()


def tcp(
    target: str | Pod,
    port: int,
    *,
    from_: str | Pod | None = None,
    timeout: float = TIMEOUT_S,
    strict: bool = True,
) -> Probe:
    """Open a connection and close it.

    Args:
        target: A machine's name, a Pod, or an address of the lab.
        port: The port.
        from_: A machine's name or a Pod; None is this computer.
        timeout: Seconds until giving up.
        strict: Raise when nothing answers; else a false record says so.

    Raises:
        BadInput: The port is no number, or the timeout none of seconds.
        Refused: The target is not in the lab; nothing was sent.
        Unreachable: Nothing answers and ``strict`` is true; or, whatever it is, a Pod
            has no address yet, or this computer's own routes refuse the target.
        UnknownMachine: The lab has no machine of the name in ``from_``.
        MachineUnreachable: That machine does not answer.
        NoMachines: The cluster was adopted, and it is not a Pod that asks a Pod.
        CommandFailed: Nothing could be asked from there, as where kubectl does not
            reach the Pod.
    """
    cluster = current.current()
    place = resolve(cluster, target, port, from_)
    answer = exchange(cluster, place, from_=from_, timeout=timeout)
    _require(answer.failure, place, from_, strict=strict)
    return Probe(not answer.failure, answer.failure or "open", answer.milliseconds)


def echo(
    target: str | Pod,
    port: int,
    *,
    from_: str | Pod | None = None,
    timeout: float = TIMEOUT_S,
    strict: bool = True,
) -> Echo:
    """Greet an echo server and hear which Pod it is.

    Arguments and errors are those of `tcp`.

    Example:
        ``probe.echo("node1", 31245).pod``
    """
    cluster = current.current()
    place = resolve(cluster, target, port, from_)
    heard = greet(cluster, place, from_=from_, timeout=timeout)
    _require(heard.failure, place, from_, strict=strict)
    seen = heard.failure or f"{heard.pod} answers"
    return Echo(not heard.failure, seen, heard.milliseconds, heard.pod)


def echo_everywhere(port: int, *, timeout: float = TIMEOUT_S) -> Everywhere:
    """Greet the echo server behind one port on every machine, from this computer.

    Args:
        port: The port, as a Service of type NodePort opens it.
        timeout: Seconds until giving up, for each machine.

    Raises:
        BadInput: The port is no number, or the timeout none of seconds.
        NoMachines: The cluster was adopted.
    """
    machines = current.current().machines
    answers = {m: echo(m, port, timeout=timeout, strict=False) for m in machines}
    silent = [m for m, answer in answers.items() if not answer.ok]
    return Everywhere(
        not silent,
        "silent: " + ", ".join(silent) if silent else "every machine answers",
        sum(answer.milliseconds for answer in answers.values()),
        answers,
        frozenset(answer.pod for answer in answers.values() if answer.ok),
    )


def route(target: str) -> Route:
    """Return by which interface this computer would send to an address; sends nothing.

    Args:
        target: A machine's name, or an address.

    Raises:
        BadInput: That is neither.
        NoMachines: The cluster was adopted.
        CommandFailed: The routing table was not asked; ``ip`` says why.

    Example:
        ``probe.route("master").device``
    """
    cluster, target = current.current(), str(target).strip()
    if target in cluster.machines:
        return _route.look(cluster.address(target))
    try:
        address = str(ip_address(target))
    except ValueError as error:
        raise BadInput(
            "that is no address",
            wanted=f"one of {', '.join(cluster.machines)}, or an address",
            seen=target,
        ) from error
    return _route.look(address)


def dns(
    name: str,
    *,
    from_: str | Pod = "master",
    timeout: float = TIMEOUT_S,
    strict: bool = True,
) -> Names:
    """Ask the cluster's name service for a name's addresses.

    Args:
        name: The name; one without a dot, ``service.namespace``, or one that ends in
            ``.svc`` is completed.
        from_: The machine or the Pod that asks.
        timeout: Seconds until giving up.
        strict: Raise when there is no address.

    Raises:
        BadInput: That cannot be a DNS name; nothing was sent.
        Unreachable: There is no answer or no address, and ``strict`` is true.
        UnknownMachine: The lab has no machine of the name in ``from_``.
        MachineUnreachable: That machine does not answer.
        NoMachines: The cluster was adopted.
        CommandFailed: Nothing could be asked from there.
    """
    name = given.text("name", name, "a name, as web or web.shop")
    cluster = current.current()
    place = resolve(cluster, str(cluster.ranges.dns), 53, from_)
    packet = _dns.question(_complete(cluster, name))
    answer = exchange(
        cluster, place, kind="udp", data=packet, lines=1, from_=from_, timeout=timeout
    )
    if answer.failure or not answer.data:
        failure = answer.failure or "no answer in time"
        reply = _dns.Reply((), failure)
    else:
        reply = _dns.read(answer.data)
    if reply.failure and strict:
        raise Unreachable(
            f"the name {name} has no address ({reply.failure})",
            where=f"asked from {_from(from_)}",
            wanted="an address",
            seen=reply.failure,
        )
    seen = reply.failure or ", ".join(reply.addresses)
    return Names(not reply.failure, seen, answer.milliseconds, reply.addresses)


def sql(
    pod: Pod,
    statement: str,
    *,
    container: str = "",
    database: str = "",
    user: str = "root",
    password: str | None = None,
    timeout: float = 15,
) -> Rows:
    """Run a statement in a database's Pod, with the client that is in it.

    Args:
        pod: The Pod.
        statement: The statement, or several with semicolons.
        container: The container that has the database; the Pod's first by default.
        database: The database to use.
        user: Who asks.
        password: The password; None takes the one in the container's environment.
            It travels by standard input and is part of no message.
        timeout: Seconds until giving up.

    Raises:
        BadInput: That is no Pod.
        Unreachable: The server does not accept connections.
        CommandFailed: The server refuses the statement, or the user; or it was not
            asked, for kubectl or the client failed, whose words are shown then.
    """
    if not isinstance(pod, Pod):
        raise BadInput(
            "that is no Pod",
            wanted="a Pod, as wait.pod returns one",
            seen=repr(pod),
            next=f'take it from its namespace: wait.pod(ns, "{str(pod).strip()}")',
        )
    statement = given.text("statement", statement, _QUOTED)
    container = given.text("container", container, _QUOTED)
    database = given.text("database", database, _QUOTED)
    user = given.text("user", user, _QUOTED)
    if password is not None:
        password = given.text("password", password, _QUOTED)
    options = [f"--user={user}", "--batch", "--skip-column-names"]
    options += [f"--database={database}"] if database else []
    source = "own" if password is None else "given"
    typed = "" if password is None else f"{password}\n"
    argv = ["exec", "-i", pod.name, "-n", pod.namespace, "-q"]
    argv += ["-c", container] if container else []
    argv += ["--", "sh", "-c", _ASK, "sql", source, *options]
    done = current.current().kubectl(
        argv, input=typed + statement, check=False, timeout=timeout
    )
    said = complaint(done)
    if not done.ok and "ERROR " not in said:
        raise own_failure(done)
    if not done.ok and ("ERROR 2002" in said or "ERROR 2003" in said):
        raise Unreachable(
            "the database does not accept connections",
            where=f"Pod {pod.name}",
            seen=said,
            next="wait until it is ready, then look at its logs",
        )
    if not done.ok:
        raise CommandFailed(
            ["mariadb", statement],
            where=f"Pod {pod.name}",
            returncode=done.returncode,
            stderr=said,
            what="the database refused",
        )
    # Nothing but \n ends a row; a value may hold other ends of lines.
    lines = done.stdout.removesuffix("\n").split("\n") if done.stdout else []
    rows = tuple(tuple(map(_value, line.split("\t"))) for line in lines)
    return Rows(True, count(len(rows), "row"), round(1000 * done.seconds, 1), rows)


def _value(text: str) -> str:
    """Return a value as the database has it, of what its client wrote."""
    return re.sub(r"\\([nt0\\])", lambda found: _ESCAPES[found[1]], text)


def _complete(cluster: Cluster, name: str) -> str:
    parts = name.rstrip(".").split(".")
    if len(parts) == 1:
        parts.append(cluster.namespace)
    if len(parts) == 2:
        parts.append("svc")
    if parts[-1] == "svc":
        parts += ["cluster", "local"]
    return ".".join(parts)


def _from(from_: str | Pod | None) -> str:
    if isinstance(from_, Pod):
        return f"Pod {from_.name}"
    return from_ or "this computer"


def _require(
    failure: str, place: Target, from_: str | Pod | None, *, strict: bool
) -> None:
    if failure and strict:
        raise Unreachable(
            f"nothing answers on {place.label} ({failure})",
            where=f"{place.address}:{place.port}, asked from {_from(from_)}",
            wanted="an answer",
            seen=failure,
        )
