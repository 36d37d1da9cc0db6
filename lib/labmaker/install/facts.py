"""Read what an installation made of machines, and compare two of them step by step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from k8slab.core.parallel import in_parallel
from k8slab.core.process import Completed
from k8slab.lab_record import MachineRecord
from k8slab.ssh.shell import Shell

from ..bundle import REGISTRY, components
from ..plan import AddressPlan
from .steps.control_plane import ADMIN_CONF
from .steps.join import CLUSTER_CA

_KUBECTL = f"kubectl --kubeconfig={ADMIN_CONF}"
_NODE = "NAME:.metadata.name,VERSION:.status.nodeInfo.kubeletVersion"
_NODE += ",RUNTIME:.status.nodeInfo.containerRuntimeVersion"
_NODE += ",ADDRESS:.status.addresses[0].address"
_NODE += ",READY:.status.conditions[?(@.type=='Ready')].status"

# What is read, by step: a shell command each. Keys, certificates and tokens are
# different in every cluster, so only their names are looked at. Numbers are sorted as
# numbers, or the order of lines would hang on a lab's addresses.
ON_EACH: Mapping[str, str] = {
    "host name": "hostname",
    "hosts file": "sort --version-sort /etc/hosts",
    "kernel settings": "cat /etc/sysctl.d/90-kubernetes.conf; sysctl -n "
    "net.ipv4.ip_forward net.bridge.bridge-nf-call-iptables",
    "apt source": "cat /etc/apt/sources.list.d/kubernetes.list "
    "/etc/apt/apt.conf.d/50depot; sha256sum < /etc/apt/keyrings/kubernetes.gpg",
    "image registry": f"cat /etc/containerd/certs.d/{REGISTRY}/hosts.toml",
    "packages": f"dpkg-query --show {' '.join(sorted(components.packages()))}",
    "containerd's settings": "sha256sum < /etc/containerd/config.toml",
    "units": "for unit in containerd kubelet pod-routes; do "
    "echo $unit $(systemctl is-enabled $unit) $(systemctl is-active $unit); done",
    "kubelet's settings": "cat /var/lib/kubelet/config.yaml",
    "Pod network": "cat /etc/cni/net.d/*",
    "routes to other Pods": "ip route show | grep -v 'dev cni0\\|^default' | "
    "grep '^10[.]\\|^unreachable' | sort --version-sort",
    "static Pods": "ls /etc/kubernetes/manifests",
}
ON_MASTER: Mapping[str, str] = {
    "certificates": f"find {CLUSTER_CA.rpartition('/')[0]} -type f | sort",
    "nodes": f'{_KUBECTL} get nodes --no-headers --output=custom-columns="{_NODE}"',
    "images": f"{_KUBECTL} get pods --namespace=kube-system --output="
    "jsonpath='{range .items[*]}{.spec.containers[0].image}{\"\\n\"}{end}' | sort -u",
    "kube-proxy's settings": f"{_KUBECTL} get configmap kube-proxy "
    "--namespace=kube-system --output=jsonpath='{.data.config\\.conf}'",
    "CoreDNS's settings": f"{_KUBECTL} get configmap coredns "
    "--namespace=kube-system --output=jsonpath='{.data.Corefile}'",
}
_MARK = "@k8slab@ "
_SHOWN = 44

Facts = Mapping[str, Mapping[str, str]]
"""What was read: by step, then by machine."""


@dataclass(frozen=True)
class Compared:
    """One step of two installations.

    Attributes:
        step: What was read.
        by_hand: What the first one has, shortened.
        by_library: What the second one has, shortened.
        same: Whether all of it is the same, on each machine.
    """

    step: str
    by_hand: str
    by_library: str
    same: bool


def read(
    shells: Mapping[str, Shell], plan: AddressPlan, *machines: MachineRecord
) -> Facts:
    """Read what an installation made of machines.

    Addresses are replaced by what they are the address of, so that two labs can be
    compared.

    Args:
        shells: The machines over SSH, by name.
        plan: Their lab's addresses.
        machines: The machines to look at, the depot among them for its address.
    """
    nodes = [machine for machine in machines if machine.pods is not None]
    tasks = [partial(_ask, shells[m.name], _questions(m)) for m in nodes]
    words = _words(plan, *machines)
    facts: dict[str, dict[str, str]] = {}
    for machine, completed in zip(nodes, in_parallel(tasks), strict=True):
        for step, value in _answers(completed.stdout).items():
            value = value.replace("/var/run/", "/run/")  # the first is a link
            for address, word in words.items():
                value = value.replace(address, word)
            facts.setdefault(step, {})[machine.name] = value
    return facts


def compare(first: Facts, second: Facts) -> list[Compared]:
    """Compare two installations, a record for each step of either."""
    steps = dict.fromkeys([*first, *second])
    return [
        Compared(
            step,
            _short(first.get(step, {})),
            _short(second.get(step, {})),
            first.get(step) == second.get(step),
        )
        for step in steps
    ]


def _questions(machine: MachineRecord) -> Mapping[str, str]:
    return {**ON_EACH, **ON_MASTER} if machine.is_master else ON_EACH


def _ask(shell: Shell, questions: Mapping[str, str]) -> Completed:
    lines = [
        f"echo '{_MARK}'{number}; {{ {command}; }} 2>&1 || true"
        for number, command in enumerate(questions.values())
    ]
    return shell.script("\n".join(lines) + "\n", timeout=30)


def _answers(told: str) -> dict[str, str]:
    steps = [*ON_EACH, *ON_MASTER]
    found = {}
    for part in told.split(_MARK)[1:]:
        number, _, value = part.partition("\n")
        found[steps[int(number)]] = value.strip()
    return found


def _words(plan: AddressPlan, *machines: MachineRecord) -> dict[str, str]:
    """Return a word for each address; those that begin another one come last."""
    words = {str(plan.pods): "PODS", str(plan.services): "SERVICES"}
    words |= {str(m.pods): f"{m.name.upper()}_PODS" for m in machines if m.pods}
    words |= {str(m.address): m.name.upper() for m in machines}
    words[str(plan.dns)] = "DNS"
    words[str(plan.gateway)] = "GATEWAY"
    return dict(sorted(words.items(), key=lambda pair: -len(pair[0])))


def _short(values: Mapping[str, str]) -> str:
    """Return what the first machine has on one line, cut where it is long."""
    text = " ".join(next(iter(values.values()), "nothing").split()) or "nothing"
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
