"""Read the rules that kube-proxy keeps for a Service on every machine."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ..cluster import session
from ..cluster.client import Cluster
from ..cluster.namespace import Namespace
from ..records import Endpoints
from ..wait import until

TIMEOUT_S = 30.0
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
    namespace: Namespace, service: str, *, timeout: float = TIMEOUT_S
) -> Mapping[str, Rules]:
    """Read a Service's rules on every machine, once they agree with its endpoints.

    The endpoint list changes first and the rules a moment later, on each machine by
    itself. Until then a connection may be sent to a Pod that is gone.

    Args:
        namespace: The namespace that holds the Service.
        service: Its name.
        timeout: Seconds until giving up.

    Returns:
        The rules by machine.

    Raises:
        NotReady: The rules of a machine do not come to agree.

    Example:
        ``probe.rules(ns, "echo")["node1"].rules``
    """
    cluster = session.current()

    def look() -> _Seen:
        label = f"kubernetes.io/service-name={service}"
        known = Endpoints.read(service, namespace.find("EndpointSlice", label))
        name = f"{namespace.name}/{service}"
        return _Seen(known.ready, {m: _on(cluster, m, name) for m in cluster.machines})

    seen = until(
        look,
        what=f"rules of Service {service}",
        want="the addresses of the endpoint list, on every machine",
        done=lambda seen: not seen.late,
        timeout=timeout,
        where=namespace.where,
        next="look at kube-proxy: kubectl logs -n kube-system -l k8s-app=kube-proxy",
    )
    return seen.found


@dataclass(frozen=True)
class _Seen:
    ready: tuple[str, ...]
    found: Mapping[str, Rules]

    @property
    def late(self) -> list[str]:
        """The machines whose rules differ from the endpoint list."""
        return [m for m, each in self.found.items() if each.addresses != self.ready]

    def __str__(self) -> str:
        return f"other addresses on {', '.join(self.late)}"


def _on(cluster: Cluster, machine: str, service: str) -> Rules:
    saved = cluster.on(machine).run(["iptables-save", "-t", "nat"]).stdout
    return read(saved, machine, service)
