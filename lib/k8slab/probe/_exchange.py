"""Exchange a few bytes with an address of the lab: from here, a machine or a Pod."""

from __future__ import annotations

import base64
import socket
import time
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address

from ..core.patience import stretched
from ..core.process import Completed
from ..errors import BadInput, CommandFailed, LabError, Refused, Unreachable
from ..kube.cluster import Cluster
from ..kube.follow import check_timeout
from ..kube.objects import Pod
from . import _route

# Both print the answer in base64, so that no byte is lost or shown on the way.
_BASH = r"""
set -o pipefail
exec 3<>"/dev/$1/$2/$3" || exit 1
if [ -n "$4" ]; then base64 -d <<< "$4" >&3; fi
case $1/$5 in
  tcp/0) ;;
  udp/*) dd bs=4096 count=1 status=none <&3 | base64 -w0 ;;
  *) head -n "$5" <&3 | base64 -w0 ;;
esac
"""
_PYTHON = r"""
import base64, socket, sys
kind, host, port, data, lines, limit = sys.argv[1:]
types = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
answer = b""
try:
    with socket.socket(socket.AF_INET, types[kind]) as s:
        s.settimeout(float(limit))
        s.connect((host, int(port)))
        if data:
            s.sendall(base64.b64decode(data))
        while (not answer) if kind == "udp" else answer.count(b"\n") < int(lines):
            part = s.recv(4096)
            if not part:
                break
            answer += part
except OSError as error:
    sys.exit(str(error))
print(base64.b64encode(answer).decode())
"""
_EITHER = (
    'if command -v python3 > /dev/null; then exec python3 -I -c "$1" "${@:3}"; fi; '
    'exec timeout -k 1 "${@: -1}" bash -c "$2" probe "${@:3}"'
)
_WORDS = (
    ("refused", "connection refused"),
    ("timed out", "no answer in time"),
    ("no route", "no route to it"),
    ("unreachable", "network unreachable"),
    ("reset", "connection reset"),
)
# kubectl's last line where a command ran in a Pod and failed; -q leaves it in place.
_ENDED = "command terminated with exit code"
# What shells and timeout end with when a program is missing: nothing was sent.
_NOT_RUN = (125, 126, 127)


@dataclass(frozen=True)
class Target:
    """Where a probe goes.

    Attributes:
        address: The address.
        port: The port.
        label: What messages call it; the same in every run.
    """

    address: str
    port: int
    label: str


@dataclass(frozen=True)
class Exchange:
    """What came back.

    Attributes:
        data: The bytes; empty when none were asked for or none came.
        failure: Why there is no answer, in stable words; empty when there is one.
        milliseconds: How long it took.
    """

    data: bytes
    failure: str
    milliseconds: float


def resolve(cluster: Cluster, target: str | Pod, port: int, from_: object) -> Target:
    """Return where a probe goes, or refuse it; sends nothing.

    Args:
        cluster: The lab.
        target: A machine's name, a Pod, or an address of the lab; a command's result
            that is one of them, too.
        port: The port, 1 to 65535.
        from_: Where the probe starts; None is this computer.

    Raises:
        BadInput: The port is no number.
        Refused: The target is not in the lab, or not to be reached from this computer,
            or the way to it leads elsewhere.
        NoMachines: The cluster was adopted, and it is not a Pod that asks a Pod.
        Unreachable: The Pod has no address yet, or this computer's own routes refuse
            the target.
    """
    target = target if isinstance(target, Pod) else str(target).strip()
    port = _port(port)
    if isinstance(target, Pod):
        if not target.ip:
            raise Unreachable(
                "the Pod has no address yet",
                where=target.name,
                seen=target.state,
                next="wait until it is ready: wait.pod(ns, name, ready=True)",
            )
        text, label = target.ip, "the Pod's port"
        if cluster.record.is_adopted and from_ is not None:
            return Target(text, port, f"{label} {port}")
    elif target in cluster.machines:
        return Target(cluster.address(target), port, f"{target}:{port}")
    else:
        text, label = target, "port"
    try:
        address = IPv4Address(text)
    except AddressValueError:
        raise _refusal(cluster, text) from None
    ranges = cluster.ranges
    machines = {cluster.address(name) for name in cluster.machines}
    balanced = ranges.load_balancers is not None and address in ranges.load_balancers
    inside = address in ranges.pods or address in ranges.services
    if not (inside or balanced or text in machines):
        raise _refusal(cluster, text)
    if address in ranges.pods:
        label = "the Pod's port"
    elif address in ranges.services:
        label = "the Service's port"
    elif balanced:
        label = "the load balancer's port"
    place = Target(text, port, f"{label} {port}")
    if from_ is None and inside:
        raise _from_here(place)
    if from_ is None and balanced:
        _route.require(cluster, text)
    return place


def exchange(
    cluster: Cluster,
    target: Target,
    *,
    kind: str = "tcp",
    data: bytes = b"",
    lines: int = 0,
    from_: str | Pod | None = None,
    timeout: float = 3,
) -> Exchange:
    """Connect, send bytes and read an answer.

    Args:
        cluster: The lab.
        target: Where to.
        kind: ``tcp`` or ``udp``.
        data: What to send.
        lines: How many lines to read; a UDP answer is one datagram.
        from_: A machine's name or a Pod; None is this computer.
        timeout: Seconds until giving up.

    Raises:
        UnknownMachine: There is no machine of the name in ``from_``.
        MachineUnreachable: That machine does not answer.
        CommandFailed: Nothing could be asked from there, as where kubectl fails.
    """
    check_timeout(timeout)
    started, timeout = time.monotonic(), stretched(timeout)
    if from_ is None:
        answer, failure = _here(target, kind, data, lines, timeout)
    else:
        answer, failure = _there(cluster, target, kind, data, lines, from_, timeout)
    return Exchange(answer, failure, round(1000 * (time.monotonic() - started), 1))


def _here(
    target: Target, kind: str, data: bytes, lines: int, timeout: float
) -> tuple[bytes, str]:
    deadline = time.monotonic() + timeout
    types = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
    answer = b""
    try:
        with socket.socket(socket.AF_INET, types[kind]) as connection:
            connection.settimeout(timeout)
            connection.connect((target.address, target.port))
            connection.sendall(data)
            while not _is_whole(answer, kind, lines):
                connection.settimeout(max(0.01, deadline - time.monotonic()))
                part = connection.recv(4096)
                if not part:
                    break
                answer += part
    except OSError as error:
        return b"", _in_words(str(error))
    return answer, ""


def _is_whole(answer: bytes, kind: str, lines: int) -> bool:
    """Say whether an answer is there: one datagram, or so many lines."""
    return bool(answer) if kind == "udp" else answer.count(b"\n") >= lines


def _there(
    cluster: Cluster,
    target: Target,
    kind: str,
    data: bytes,
    lines: int,
    from_: str | Pod,
    timeout: float,
) -> tuple[bytes, str]:
    words = [kind, target.address, str(target.port)]
    words += [base64.b64encode(data).decode(), str(lines)]
    spare = timeout + 10
    if isinstance(from_, Pod):
        inside = [
            "bash",
            "-c",
            _EITHER,
            "probe",
            _PYTHON,
            _BASH,
            *words,
            f"{timeout:g}",
        ]
        pod = ["exec", from_.name, "-n", from_.namespace, "-q", "--", *inside]
        done = cluster.kubectl(pod, check=False, timeout=spare)
        said = complaint(done)
    else:
        limited = ["timeout", "-k", "1", f"{timeout:g}", "bash", "-c", _BASH, "probe"]
        done = cluster.on(from_).run([*limited, *words], check=False, timeout=spare)
        said = done.stderr
    if done.returncode in (124, 137):
        return b"", "no answer in time"
    if done.returncode in _NOT_RUN:
        raise own_failure(done)
    if not done.ok:
        return b"", _in_words(said)
    return base64.b64decode(done.stdout), ""


def complaint(done: Completed) -> str:
    """Return what a command that kubectl ran in a Pod complained of.

    Raises:
        CommandFailed: kubectl itself failed, so nobody was asked.
    """
    said, ended, _ = done.stderr.rpartition(_ENDED)
    if not done.ok and not ended:
        raise own_failure(done)
    return said.strip()


def own_failure(done: Completed) -> CommandFailed:
    """Return the failure of a command itself, without the script that it was given."""
    begins = (done.argv.index(each) for each in ("--", "-c") if each in done.argv)
    return CommandFailed(
        done.argv[: next(begins, None)],
        where=done.where,
        returncode=done.returncode,
        stdout=done.stdout,
        stderr=done.stderr,
    )


def _in_words(error: str) -> str:
    """Return why a connection failed, in words that are the same on every system."""
    for sign, words in _WORDS:
        if sign in error.lower():
            return words
    lines = error.strip().splitlines()
    return lines[-1] if lines else "no answer"


def _from_here(place: Target) -> LabError:
    """Return why this computer asks for no Pod or Service; sends nothing."""
    inside = 'a probe from inside, as in from_="master"'
    try:
        # To connect a datagram socket asks the routing table and nobody else.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
            asked.connect((place.address, place.port))
    except OSError as error:
        return Unreachable(
            f"nothing answers on {place.label} ({_in_words(str(error))})",
            where=f"{place.address}:{place.port}, asked from this computer",
            wanted=inside,
            seen="this computer's own routes refuse it",
        )
    return Refused(
        "a Pod's or Service's address exists inside the cluster only",
        where=f"{place.address}:{place.port}",
        wanted=inside,
        seen="a probe from this computer",
    )


def _port(port: object) -> int:
    try:
        number = int(str(port).strip())
    except ValueError as error:
        raise BadInput(
            "that is no port", wanted="1 to 65535", seen=str(port) or "nothing"
        ) from error
    if not 0 < number < 65536:
        raise Refused("there is no such port", wanted="1 to 65535", seen=str(number))
    return number


def _refusal(cluster: Cluster, seen: str) -> Refused:
    ranges = ", ".join(str(each) for each in cluster.ranges.all)
    return Refused(
        "a probe stays inside the lab",
        wanted=f"one of {', '.join(cluster.machines)}, or an address in {ranges}",
        seen=seen,
    )
