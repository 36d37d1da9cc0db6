"""Read the rules that kube-proxy keeps for a Service on every machine."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ..core.poll import until
from ..kube import current
from ..kube.cluster import Cluster
from ..kube.namespace import Namespace
from ..kube.objects import Pod

TIMEOUT_S = 30.0
_LABEL = "-l kubernetes.io/service-name"
_ENTRY = (
    r'-A KUBE-SVC-\S+ .*--comment "{name}(?::\S+)? -> (?P<endpoint>\S+:\d+)"'
    r"(?P<rest>.*) -j KUBE-SEP-\S+"
)
_ODDS = re.compile(r"--probability (\S+)")


@dataclass(frozen=True)
class Rule:
    """What kube-proxy does for one endpoint.

    Attributes:
        endpoint: The Pod's address and port, where connections are sent.
        probability: How likely this rule takes a connection that comes to it.
        share: Which part of all connections that makes.
    """

    endpoint: str
    probability: float
    share: float


@dataclass(frozen=True)
class Rules:
    """The rules of one Service on one machine.

    Attributes:
        machine: The machine.
        rules: One for each endpoint, in the order they are tried.
        sticky: Whether a client is sent where it was sent before.
    """

    machine: str
    rules: tuple[Rule, ...]
    sticky: bool

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses of the endpoints, sorted."""
        return tuple(sorted({rule.endpoint.rpartition(":")[0] for rule in self.rules}))

    def lead_to(self, addresses: tuple[str, ...], port: int | None = None) -> bool:
        """Say whether they lead to these addresses and no others, sorted."""
        ports = {rule.endpoint.rpartition(":")[2] for rule in self.rules}
        return self.addresses == addresses and (port is None or ports == {str(port)})


def read(saved: str, machine: str, service: str) -> Rules:
    """Read the rules of one Service from what ``iptables-save -t nat`` prints.

    Args:
        saved: What it prints.
        machine: Where it was printed.
        service: The Service's namespace and name, with a slash between them.
    """
    odds: dict[str, float] = {}
    sticky = False
    for match in re.finditer(_ENTRY.format(name=re.escape(service)), saved):
        if "--rcheck" in match["rest"]:
            sticky = True
            continue
        chance = _ODDS.search(match["rest"])
        odds[match["endpoint"]] = float(chance[1]) if chance else 1.0
    rules, left = [], 1.0
    for endpoint, probability in odds.items():
        share = left * probability
        left -= share
        rules.append(Rule(endpoint, round(probability, 3), round(share, 3)))
    return Rules(machine, tuple(rules), sticky)


def rules(
    namespace: Namespace,
    service: str,
    pods: Sequence[Pod],
    *,
    port: int | None = None,
    timeout: float = TIMEOUT_S,
) -> Mapping[str, Rules]:
    """Read a Service's rules on every machine, once they lead to these Pods only.

    A Pod is ready first, then it is in the endpoint list, and a moment later in the
    rules, on each machine by itself. Until then no connection is sent to it.

    Args:
        namespace: The namespace that holds the Service.
        service: Its name.
        pods: The Pods; none when the Service is to know nobody.
        port: The port in the Pods; None takes any.
        timeout: Seconds until giving up.

    Returns:
        The rules by machine.

    Raises:
        NotReady: The rules of a machine lead elsewhere.

    Example:
        ``probe.rules(ns, "echo", pods)["node1"].rules``
    """
    cluster = current.current()
    name = f"{namespace.name}/{service}"
    wanted = tuple(sorted(pod.ip for pod in pods))

    def late(found: Mapping[str, Rules]) -> str:
        machines = [m for m, each in found.items() if not each.lead_to(wanted, port)]
        return f"other addresses on {', '.join(machines)}" if machines else ""

    seen = until(
        lambda: _Seen({m: _on(cluster, m, name) for m in cluster.machines}, late),
        what=f"rules of Service {service}",
        want="the addresses of these Pods and no others, on every machine",
        done=lambda seen: not str(seen),
        timeout=timeout,
        where=namespace.where,
        next=f"look at the list: kubectl get endpointslices {_LABEL}={service}",
    )
    return seen.found


@dataclass(frozen=True)
class _Seen:
    found: Mapping[str, Rules]
    late: Callable[[Mapping[str, Rules]], str]

    def __str__(self) -> str:
        return self.late(self.found)


def _on(cluster: Cluster, machine: str, service: str) -> Rules:
    saved = cluster.on(machine).run(["iptables-save", "-t", "nat"]).stdout
    return read(saved, machine, service)
