"""Greet an echo server and hear which Pod it is."""

from __future__ import annotations

from dataclasses import dataclass

from ..kube.cluster import Cluster
from ..kube.objects import Pod
from ._exchange import Target, exchange


@dataclass(frozen=True)
class Greeting:
    """What an echo server said.

    Attributes:
        pod: The name of the Pod that answered; empty when none did.
        failure: Why there is no answer, in stable words; empty when there is one.
        milliseconds: How long it took.
    """

    pod: str
    failure: str
    milliseconds: float


def greet(
    cluster: Cluster, place: Target, *, from_: str | Pod | None = None, timeout: float
) -> Greeting:
    """Connect, say hello, and read the server's name and its echo.

    Args:
        cluster: The lab.
        place: Where to.
        from_: A machine's name or a Pod; None is this computer.
        timeout: Seconds until giving up.

    Raises:
        UnknownMachine: There is no machine of the name in ``from_``.
        MachineUnreachable: That machine does not answer.
    """
    answer = exchange(
        cluster, place, data=b"hello\n", lines=2, from_=from_, timeout=timeout
    )
    name, _, back = answer.data.decode("utf-8", "replace").partition("\n")
    if answer.failure or back.strip() == f"{name}: hello":
        pod = "" if answer.failure else name
        return Greeting(pod, answer.failure, answer.milliseconds)
    said = "it is no echo server" if answer.data else "it closed the connection"
    return Greeting("", said, answer.milliseconds)
