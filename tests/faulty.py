"""Prove faults on a lab: what was healthy is broken, seen, repaired, healthy again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

from k8slab import fault
from k8slab.errors import LabError
from k8slab.kube.cluster import Cluster
from k8slab.kube.namespace import Namespace, scratch

# Which may be broken at the same time, and where. Those of namespaces are beside them.
GROUPS = (
    {"kubelet-stopped": "node1", "powered-off": "node2"},
    {"kubelet-misconfigured": "node1", "containerd-stopped": "node2"},
    {"pod-network-away": "node1", "disk-pressure": "node2"},
    {"dns-broken": "", "pending-taints": "t-taints", "pod-route-away": "node1"},
    {"expired-certificate": ""},
    {"bad-static-manifest": ""},
)
# It writes and is evicted by the kubelet's own slow rounds: beside others that takes
# longer than its deadline, and alone most of two minutes. Soak has it.
ALONE = "disk-full"
APART = {ALONE, *(name for group in GROUPS for name in group)}
# Those that any lab can have; the others break an add-on.
ANYWHERE = tuple(each.name for each in fault.every() if not each.addon)
OF_ADDONS = tuple(each.name for each in fault.every() if each.addon)
SIDE_BY_SIDE = {
    name: f"t-{name}" for name in fault.names(fault.NAMESPACE) if name not in APART
}

DRAWN = tuple(
    each
    for each in (*fault.names(fault.MACHINE), *fault.names(fault.CLUSTER))
    if each in ANYWHERE
)
# What an operator types for each fault that can be drawn of machines and the cluster,
# and where: a worker is broken, or something on the master repairs the cluster.
BY_HAND = {
    "kubelet-stopped": "systemctl start kubelet",
    "kubelet-misconfigured": "sed -i 's/1sec/1s/' /var/lib/kubelet/config.yaml; "
    "systemctl restart kubelet",
    "containerd-stopped": "systemctl start containerd",
    "pod-network-away": "mv /etc/cni/*.conflist /etc/cni/net.d/; "
    "systemctl restart containerd",
    "pod-route-away": "systemctl restart pod-routes",
    "powered-off": "",
    "disk-pressure": "rm /var/lib/kubelet/old-backup.tar",
    "dns-broken": "export KUBECONFIG=/etc/kubernetes/admin.conf; "
    "kubectl get configmap coredns -n kube-system -o yaml | "
    "sed 's/kubernets /kubernetes /' | kubectl replace -f -; "
    "kubectl delete pods -n kube-system -l k8s-app=kube-dns",
    "bad-static-manifest": "cd /etc/kubernetes; umask 077; "
    "sed s/--secure-prot/--secure-port/ manifests/kube-apiserver.yaml > new.yaml; "
    "mv new.yaml manifests/kube-apiserver.yaml",
    "expired-certificate": "kubeadm certs renew apiserver-kubelet-client; "
    "crictl ps -q --name kube-apiserver | xargs crictl stop",
}

KILLED = Path(__file__).parent / "killed.py"
AT_ONCE = 4


@dataclass(frozen=True)
class Proof:
    """How one fault went.

    Attributes:
        injected_s: Seconds until it was broken, after it was seen healthy.
        symptom_s: Seconds until the symptom was seen.
        healthy_s: Seconds from the repair until it was healthy.
        undone_s: Seconds until nothing was left.
        problem: What went wrong; empty when nothing did.
    """

    injected_s: float = 0
    symptom_s: float = 0
    healthy_s: float = 0
    undone_s: float = 0
    problem: str = ""


def prove_all(cluster: Cluster, faults: Iterable[tuple[str, str]]) -> dict[str, Proof]:
    """Prove several faults side by side, each at its place; return them by name."""
    pairs = list(faults)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        proofs = pool.map(lambda pair: prove(cluster, *pair), pairs)
        return {name: proof for (name, _), proof in zip(pairs, proofs, strict=True)}


def prove(cluster: Cluster, name: str, where: str) -> Proof:
    """Prove one fault; a namespace is made for it, and removed."""
    own = fault.find(name).needs == fault.NAMESPACE
    try:
        if own:
            scratch(cluster, where)
        laps = [time.monotonic()]
        lap = partial(_lap, laps)
        with fault.inject(name, where, cluster=cluster, awaited=False) as injected:
            lap()
            injected.await_symptom()
            lap()
            if injected.health:
                return Proof(problem="it looks healthy while the symptom is there")
            injected.repair()
            lap()
        lap()
        first, second, third, fourth = (b - a for a, b in pairwise(laps))
        return Proof(first, second, third, fourth)
    except LabError as error:
        return Proof(problem=str(error))
    finally:
        if own:
            Namespace(cluster, where).remove()


def kill(lab: str, home: Path, faults: Sequence[tuple[str, str]]) -> None:
    """Inject faults in a process that is killed then."""
    arguments = [f"{name}={where}" for name, where in faults]
    done = subprocess.run(
        [sys.executable, str(KILLED), lab, *arguments],
        env={**os.environ, "K8SLAB_HOME": str(home)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


def _lap(laps: list[float]) -> None:
    laps.append(time.monotonic())
