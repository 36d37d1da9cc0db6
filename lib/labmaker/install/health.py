"""Prove that a cluster is up: nodes Ready, and names resolved on every worker."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from functools import partial
from typing import Any

from k8slab.core.hints import command
from k8slab.core.parallel import in_parallel
from k8slab.core.patience import stretched
from k8slab.core.poll import until
from k8slab.errors import CommandFailed, NotReady
from k8slab.kube.validity import not_valid, says_not_valid
from k8slab.lab_record import LabRecord, MachineRecord
from k8slab.ssh.shell import Shell

from .steps.admin import KUBECTL, kubectl
from .steps.control_plane import API_PORT

TIMEOUT_S = 120.0
_LABEL = "k8slab.dev/check=dns"
# With its last dot: no other name is tried first, each of which could get lost.
_NAME = "kubernetes.default.svc.cluster.local."
# etcd, API server, controller manager, scheduler:
# https://kubernetes.io/docs/reference/networking/ports-and-protocols/
_PORTS = (2379, API_PORT, 10257, 10259)


def restore_master(shell: Shell, *, timeout: float = TIMEOUT_S) -> None:
    """Wait for the control plane of a master that was started; start its kubelet anew.

    Its kubelet has asked the API server in vain meanwhile, and would ask again after
    seconds, for Pods and Services each at a time of its own; and a Pod that is known
    before the Services fails, and is tried again after ten. A kubelet that starts anew
    asks for all at once. It must not be ended while it makes a container, so all of
    the control plane must run before.

    Args:
        shell: The master over SSH.
        timeout: Seconds until giving up.

    Raises:
        CertificateExpired: A certificate is not valid now, which no wait will mend.
        NotReady: It does not within the deadline.
    """
    ports = ", ".join(map(str, _PORTS))
    connects = [f"exec 3<>/dev/tcp/127.0.0.1/{port}" for port in _PORTS]
    # The API server listens before it answers; a kubectl waits for that.
    ask = " ".join([*KUBECTL, "get", "--raw=/version"])
    try:
        until(
            lambda: shell.run(
                ["bash", "-c", " && ".join([*connects, ask])], check=False
            ),
            what="the control plane does not answer",
            want=f"connections to the ports {ports}, and a version",
            done=lambda tried: tried.ok,
            failed=lambda tried: says_not_valid(tried.stderr) or None,
            timeout=timeout,
            where=shell.where,
            next=command(
                "ssh", shell.lab, f"{shell.where} journalctl -u kubelet -n 30"
            ),
        )
    except NotReady:
        check_time(shell)
        raise
    shell.run(["systemctl", "restart", "kubelet"])


def ask_names(record: LabRecord, shell: Shell, *, timeout: float = TIMEOUT_S) -> None:
    """Put a Pod on every worker that asks CoreDNS until it answers.

    The Pods name their node themselves, so they may be made before it has joined.
    What an earlier try left is replaced.

    Args:
        record: The lab.
        shell: The master over SSH.
        timeout: Seconds until giving up: an API server that starts takes no Pods yet,
            and one that is new takes none before a controller has made their account.

    Raises:
        NotReady: The API server does not take them within the deadline.
    """
    image = record.images["echo"]
    pods = [_pod(worker, image) for worker in record.nodes if not worker.is_master]
    listing = json.dumps({"apiVersion": "v1", "kind": "List", "items": pods})
    replace = [*KUBECTL, "replace", "--force", "--validate=false", "--filename=-"]
    until(
        lambda: shell.run(replace, input=listing, check=False),
        what="the API server does not take Pods",
        want="a Pod on every worker",
        done=lambda asked: asked.ok,
        timeout=timeout,
        every=0.3,
        where=shell.where,
        next=command("ssh", shell.lab, f"{shell.where} journalctl -u kubelet -n 30"),
    )


def wait_nodes(record: LabRecord, shell: Shell, *, timeout: float = TIMEOUT_S) -> None:
    """Wait until every machine of the lab is a node that is Ready.

    After `wait_names`: a node that has run a Pod has registered.

    Raises:
        NotReady: One is not within the deadline.
    """
    # By name: a wait for 'all' nodes ends happily before the last has registered.
    nodes = [f"node/{machine.name}" for machine in record.nodes]
    _wait(shell, "condition=Ready", nodes, "the nodes are not Ready", timeout)


def wait_names(shell: Shell) -> None:
    """Wait until the Pods of `ask_names` have got their answer.

    Raises:
        NotReady: One got none within the deadline; its Pod stays, to be looked at.
    """
    _wait(
        shell,
        "condition=Ready",
        ["pods", f"--selector={_LABEL}", "--namespace=kube-system"],
        "CoreDNS does not answer a Pod on every worker",
        TIMEOUT_S,
    )


def forget_names(shell: Shell) -> None:
    """Remove the Pods of `ask_names`, from the API at once."""
    delete = ["delete", "pods", f"--selector={_LABEL}", "--namespace=kube-system"]
    kubectl(shell, *delete, "--force", "--grace-period=0", "--wait=false").check()


def is_well(shell: Shell, nodes: Sequence[str]) -> bool:
    """Say whether all nodes are Ready and CoreDNS is available, as of now."""
    limits = [f"--timeout={stretched(1):g}s", f"--request-timeout={stretched(5):g}s"]
    waits = (
        ["--for=condition=Ready", *(f"node/{name}" for name in nodes)],
        ["--for=condition=Available", "--namespace=kube-system", "deployment/coredns"],
    )
    asks = ([*KUBECTL, "wait", *limits, *words] for words in waits)
    said = in_parallel([partial(shell.run, ask, check=False) for ask in asks])
    return all(each.ok for each in said)


def check_time(shell: Shell) -> None:
    """Raise what says so when a certificate of the cluster is not valid now.

    Args:
        shell: The master over SSH.

    Raises:
        CertificateExpired: The administrator's or the API server's is not.
    """
    asked = shell.run([*KUBECTL, "get", "--raw=/version"], check=False)
    if why := says_not_valid(asked.stderr):
        raise not_valid(shell.lab, "a certificate of the cluster", why, shell.address)


def kube_system_uid(shell: Shell) -> str:
    """Return the UID of ``kube-system``: no two clusters have the same."""
    uid = ["get", "namespace", "kube-system", "--output=jsonpath={.metadata.uid}"]
    return kubectl(shell, *uid).check().stdout.strip()


def _wait(
    shell: Shell, condition: str, objects: Sequence[str], what: str, timeout: float
) -> None:
    limit = f"--timeout={stretched(timeout):.0f}s"
    wait = ["wait", f"--for={condition}", limit, *objects]
    try:
        kubectl(shell, *wait, timeout=timeout + 5).check()
    except CommandFailed as error:
        raise NotReady(
            what,
            wanted=f"{' '.join(objects)} to fulfil {condition}",
            seen="\n".join([*error.stderr.splitlines()[-3:], *_scene(shell)]),
            waited_s=stretched(timeout),
            where="the cluster",
            next=command(
                "ssh", shell.lab, " ".join([shell.where, *KUBECTL, "get pods -A"])
            ),
        ) from error


def _scene(shell: Shell) -> list[str]:
    """Return what is not well in the cluster, and its last events."""
    seen: list[str] = []
    for words in (["get", "nodes"], ["get", "pods", "-A", "-o", "wide"]):
        seen += shell.run([*KUBECTL, *words], check=False).stdout.splitlines()[:15]
    events = ["get", "events", "-A", "--sort-by=.lastTimestamp", "--no-headers"]
    asked = shell.run([*KUBECTL, *events, "--field-selector=type!=Normal"], check=False)
    return seen + asked.stdout.splitlines()[-8:]


def _pod(worker: MachineRecord, image: str) -> dict[str, Any]:
    key, _, value = _LABEL.partition("=")
    tries = str(math.ceil(stretched(20)))
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"ask-dns-on-{worker.name}",
            "namespace": "kube-system",
            "labels": {key: value},
        },
        "spec": {
            "nodeName": worker.name,
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 0,
            # A question that gets lost is asked again after one second, not five.
            "dnsConfig": {
                "options": [
                    {"name": "timeout", "value": "1"},
                    {"name": "attempts", "value": "1"},
                ]
            },
            "tolerations": [{"operator": "Exists"}],
            "containers": [
                {
                    "name": "ask",
                    "image": image,
                    # The kubelet tells at once what a probe finds; that a container
                    # has ended it sees when it looks, once a second.
                    "readinessProbe": {
                        "exec": {"command": ["echo-client", "resolve", _NAME, tries]},
                        "timeoutSeconds": math.ceil(stretched(30)),
                        "periodSeconds": math.ceil(stretched(1)),
                    },
                }
            ],
        },
    }
