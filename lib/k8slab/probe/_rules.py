"""Read the rules that kube-proxy keeps for a Service on every machine."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from ..core import given
from ..core.poll import until
from ..errors import CommandFailed, NotReady
from ..kube import current
from ..kube.cluster import Cluster
from ..kube.namespace import Namespace
from ..kube.objects import Pod
from ._exchange import Target, exchange

TIMEOUT_S = 30.0
ADOPTED_S = 10.0
_LABEL = "-l kubernetes.io/service-name"
_ENTRY = (
    r'-A (?P<chain>KUBE-SVC-\S+) .*--comment "{name}(?::\S+)? -> (?P<endpoint>\S+:\d+)"'
    r"(?P<rest>.*) -j KUBE-SEP-\S+"
)
_DOOR = (
    r"-A KUBE-SERVICES -d (?P<address>[^/\s]+)/\d+ .*"
    r'--comment "{name}(?::\S+)? cluster IP"'
)
_ODDS = re.compile(r"--probability (\S+)")


@dataclass(frozen=True)
class Rule:
    """What kube-proxy does for one endpoint.

    Attributes:
        endpoint: The Pod's address and port, where connections are sent.
        probability: How likely this rule takes a connection that comes to it.
        share: Which part of all connections to its port of the Service that makes.
        chain: The chain that it stands in; each port of the Service has its own.
    """

    endpoint: str
    probability: float
    share: float
    chain: str = field(default="", repr=False)


@dataclass(frozen=True)
class Rules:
    """The rules of one Service on one machine.

    Attributes:
        machine: The machine.
        rules: One for each endpoint, in the order they are tried; one port of the
            Service after the other.
        sticky: Whether a client is sent where it was sent before.
        service: The Service's own address as this machine knows it; empty where it
            knows none with endpoints.
    """

    machine: str
    rules: tuple[Rule, ...]
    sticky: bool
    service: str = ""

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses of the endpoints, sorted."""
        return tuple(sorted({rule.endpoint.rpartition(":")[0] for rule in self.rules}))

    def lead_to(self, addresses: tuple[str, ...], port: int | None = None) -> bool:
        """Say whether they lead to these addresses and no others, sorted.

        Args:
            addresses: The addresses.
            port: The port in the Pods; only the Service's ports that lead there count.
        """
        if port is None:
            return self.addresses == addresses
        there = [each for each in self.rules if each.endpoint.endswith(f":{port}")]
        chains = {each.chain for each in there}
        found = {each.endpoint for each in self.rules if each.chain in chains}
        return found == {f"{address}:{port}" for address in addresses}


def read(saved: str, machine: str, service: str) -> Rules:
    """Read the rules of one Service from what ``iptables-save -t nat`` prints.

    Args:
        saved: What it prints.
        machine: Where it was printed.
        service: The Service's namespace and name, with a slash between them.
    """
    chains: dict[str, dict[str, float]] = {}
    sticky = False
    for match in re.finditer(_ENTRY.format(name=re.escape(service)), saved):
        if "--rcheck" in match["rest"]:
            sticky = True
            continue
        chance = _ODDS.search(match["rest"])
        odds = chains.setdefault(match["chain"], {})
        odds[match["endpoint"]] = float(chance[1]) if chance else 1.0
    rules = tuple(rule for each in chains.items() for rule in _of_chain(*each))
    door = re.search(_DOOR.format(name=re.escape(service)), saved)
    return Rules(machine, rules, sticky, door["address"] if door else "")


def _of_chain(chain: str, odds: Mapping[str, float]) -> Iterator[Rule]:
    """Yield the rules of one chain, each of which leaves less for the next."""
    left = 1.0
    for endpoint, probability in odds.items():
        share = left * probability
        left -= share
        yield Rule(endpoint, round(probability, 3), round(share, 3), chain)


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
    rules, on each machine by itself. Until then no connection is sent to it. A Service
    that was deleted and made again has another address, and the rules of the old one
    stay for a moment.

    Args:
        namespace: The namespace that holds the Service.
        service: Its name.
        pods: The Pods; none when the Service is to know nobody.
        port: The port in the Pods; None takes any. Of a Service with several ports,
            those that lead to another one do not count.
        timeout: Seconds until giving up.

    Returns:
        The rules by machine.

    Raises:
        BadInput: That is no namespace, or these are no Pods.
        NotReady: The rules of a machine lead elsewhere, or are for another address of
            the Service than it has.
        NoMachines: The cluster was adopted; the Pods were given time to reach the
            Service, for what follows counts on the rules that nobody can read.

    Example:
        ``probe.rules(ns, "echo", pods)["node1"].rules``
    """
    given.of_kind(namespace, Namespace, "that is no namespace", wanted=given.NAMESPACE)
    several = "a list of Pods, as wait.pods returns one"
    given.of_kind(pods, Sequence, "rules lead to several Pods", wanted=several)
    for each in pods:
        given.of_kind(each, Pod, "rules lead to Pods", wanted=several)
    cluster = current.current()
    if cluster.record.is_adopted:
        with suppress(NotReady):  # as where the Service leads nowhere on purpose
            _until_reached(namespace, service, pods, port, min(timeout, ADOPTED_S))
        raise cluster.record.no_machines("whose rules can be read")
    name = f"{namespace.name}/{service}"
    wanted = tuple(sorted(pod.ip for pod in pods))

    def look() -> _Seen:
        spec = namespace.get("service", service)["spec"] if wanted else {}
        found = {m: _on(cluster, m, name) for m in cluster.machines}
        late = [
            machine
            for machine, each in found.items()
            if each.service != spec.get("clusterIP", "")
            or not each.lead_to(wanted, port)
        ]
        return _Seen(found, f"other addresses on {', '.join(late)}" if late else "")

    seen = until(
        look,
        what=f"rules of Service {service}",
        want="the addresses of these Pods and no others, on every machine",
        done=lambda seen: not seen.late,
        timeout=timeout,
        where=namespace.where,
        next=f"look at the list: kubectl get endpointslices {_LABEL}={service}",
    )
    return seen.found


@dataclass(frozen=True)
class _Seen:
    found: Mapping[str, Rules]
    late: str

    def __str__(self) -> str:
        return self.late


def _until_reached(
    namespace: Namespace,
    service: str,
    pods: Sequence[Pod],
    port: int | None,
    timeout: float,
) -> None:
    """Wait until each of some Pods gets a connection to a Service's address."""
    cluster = current.current()
    spec = namespace.get("service", service)["spec"]
    leads = (each for each in spec["ports"] if each.get("targetPort") == port)
    asked_for = next(leads, spec["ports"][0])["port"]
    target = Target(spec["clusterIP"], asked_for, "the Service's port")

    def reached() -> bool:
        asked = (exchange(cluster, target, from_=pod, timeout=1) for pod in pods)
        try:
            return not any(answer.failure for answer in asked)
        except CommandFailed:  # as from a Pod without a shell, or one that begins
            return False

    until(
        reached,
        what=f"Service {service}",
        want="a connection from each of these Pods",
        timeout=timeout,
        where=namespace.where,
    )


def _on(cluster: Cluster, machine: str, service: str) -> Rules:
    saved = cluster.on(machine).run(["iptables-save", "-t", "nat"]).stdout
    return read(saved, machine, service)
