"""Compare what is in the cluster and on its machines before and after a chapter."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..core.parallel import in_parallel
from ..errors import ApiError
from .cluster import Cluster
from .discovery import Resource
from .namespace import LABEL
from .objects import Object

# What changes by itself does not count:
#
# - Events, Leases, metrics and component statuses are left out.
# - Pods count by their controller and number, for a replaced Pod has a new name; the
#   same holds for EndpointSlices and their Service. Neither state nor age counts.
# - Of other objects labels and content count, without status, managed fields, node
#   heartbeats, conditions' taints, and the signatures of bootstrap tokens in
#   cluster-info.
# - Bootstrap tokens and certificate requests expire, so only new ones count; requests
#   that kubelets make for themselves are left out.
#
# On machines these count:
#
# - The files in the folders of `FOLDERS` and the kubelet's configuration with their
#   content, and the names of what lies in the folders of `NAMES`.
# - The state of the units of `UNITS`, and units that failed.
# - Routes, and rules of iptables, without those that follow Pods and Services.
# - Pod addresses that no container holds, and containers that run in namespaces of
#   chapters.
#
# A machine without power does not answer, which is an error.
FOLDERS = ("/etc/kubernetes/manifests", "/etc/cni/net.d", "/data")
NAMES = ("/etc/kubernetes", "/etc/cni")
UNITS = ("containerd", "kubelet", "pod-routes", "ssh")
_CHANGING = frozenset(
    (
        "Event",
        "Lease",
        "LeaseCandidate",
        "ComponentStatus",
        "NodeMetrics",
        "PodMetrics",
        "Endpoints",
    )
)
_NAMES_ONLY = frozenset(("Pod", "EndpointSlice", "ServiceAccount", "IPAddress"))
_WORKERS = 6

_LOOK = r"""
export LC_ALL=C
for folder in __NAMES__; do
  if [ -d "$folder" ]; then
    find "$folder" -mindepth 1 -maxdepth 1 -printf 'file %y - %p\n'
  fi
done
config=/var/lib/kubelet/config.yaml
if [ -f $config ]; then
  echo "file f $(sha256sum < $config | cut -c1-12) $config"
fi
for unit in __UNITS__; do
  echo "unit $unit $(systemctl is-active "$unit" || true)"
done
systemctl list-units --failed --plain --no-legend | sed 's/ .*/ failed/; s/^/unit /'
ip route show | grep -v ' dev cni0 ' | sed 's/ linkdown//; s/ *$//; s/^/route /'
iptables-save | grep '^-A' | grep -v -e KUBE- -e CNI- | sed 's/^-A/rule/' || true
for folder in __FOLDERS__; do
  if [ -d "$folder" ]; then find "$folder" -mindepth 1 -printf '%y %s %p\n'; fi
done | while read -r kind size path; do
  case "$kind $path" in
    d*) size=- ;;
    *" /data/"*) ;;
    f*) size=$(sha256sum < "$path" | cut -c1-12) ;;
  esac
  echo "file $kind $size $path"
done
command -v ctr > /dev/null || exit 0
known=$(ctr -n k8s.io containers ls -q)
for file in /var/lib/cni/networks/*/[0-9]*; do
  if [ -f "$file" ]; then
    read -r id < "$file" || true
    case "$known" in *"${id%$'\r'}"*) ;; *) echo address ;; esac
  fi
done
ctr -n k8s.io tasks ls | awk '$3 == "RUNNING" { print "runs " $1 }'
ctr -n k8s.io containers ls -q \
  'labels."io.kubernetes.pod.namespace"!=kube-system' | sed 's/^/chapters /'
"""


@dataclass(frozen=True)
class Snapshot:
    """What was there at one moment.

    Attributes:
        things: A hash for each thing, by its name in words.
        counts: How many there are, of things that have no lasting name.
        expiring: Names of things that go away by themselves.
    """

    things: dict[str, str]
    counts: dict[str, int]
    expiring: frozenset[str]


def take(cluster: Cluster) -> Snapshot:
    """Look at all API objects and at the machines' folders; takes about a second.

    In an adopted cluster others are at work, so only what chapters make is looked at:
    their namespaces, and what carries their label in none.

    Raises:
        ApiUnreachable: The API server does not answer.
        MachineUnreachable: A machine does not answer.
    """
    adopted = cluster.record.is_adopted
    kinds = [
        kind
        for kind in cluster.catalogue.resources()
        if "list" in kind.verbs
        and kind.kind not in _CHANGING
        and not (adopted and kind.namespaced)
    ]
    shares = [kinds[start::_WORKERS] for start in range(_WORKERS)]
    machines = () if adopted else cluster.machines
    tasks: list[Callable[[], Snapshot]] = [
        *(partial(_objects, cluster, share) for share in shares),
        *(partial(_machine, cluster, machine) for machine in machines),
    ]
    things: dict[str, str] = {}
    counts: Counter[str] = Counter()
    expiring: set[str] = set()
    for part in in_parallel(tasks):
        things.update(part.things)
        counts.update(part.counts)
        expiring |= part.expiring
    return Snapshot(things, dict(counts), frozenset(expiring))


def difference(before: Snapshot, after: Snapshot) -> list[str]:
    """Return what differs, a line each; none when the chapter left nothing."""
    old, new = before.things, after.things
    lines = [f"added: {name}" for name in new.keys() - old.keys()]
    lines += [f"removed: {name}" for name in old.keys() - new.keys()]
    lines += [f"changed: {n}" for n in old.keys() & new.keys() if old[n] != new[n]]
    for name in before.counts.keys() | after.counts.keys():
        was, now = before.counts.get(name, 0), after.counts.get(name, 0)
        if was != now:
            word = "added" if now > was else "removed"
            lines.append(f"{word}: {name} ({was} before, {now} after)")
    lines += [f"added: {name}" for name in after.expiring - before.expiring]
    return sorted(lines)


def _objects(cluster: Cluster, kinds: list[Resource]) -> Snapshot:
    things: dict[str, str] = {}
    counts: Counter[str] = Counter()
    expiring: set[str] = set()
    for kind in kinds:
        for obj in _list(cluster, kind):
            meta = obj["metadata"]
            name = f"{meta.get('namespace', '')}/{meta['name']}".lstrip("/")
            label = f"{kind.kind} {name}"
            owner = _kept_by(kind, meta)
            if owner:
                counts[f"{kind.kind}s {meta.get('namespace', '')}/{owner}-…"] += 1
            elif _expires(kind, obj):
                expiring.add(label)
            elif not _of_a_kubelet(kind, obj):
                things[label] = _content(kind, obj)
    return Snapshot(things, dict(counts), frozenset(expiring))


def _list(cluster: Cluster, kind: Resource) -> list[Object]:
    try:
        query = {"labelSelector": LABEL} if cluster.record.is_adopted else {}
        answer = cluster.connection.send("GET", kind.path(), query=query)
    except ApiError as error:
        # Kinds that say they can be listed and then cannot, and groups whose own
        # server is away, hold nothing of a chapter; nor does what it may not see.
        if error.status in (404, 405, 503):
            return []
        if error.status == 403 and cluster.record.is_adopted:
            return []
        raise
    return list(answer.get("items") or [])


def _kept_by(kind: Resource, meta: Object) -> str:
    """Return who makes up this object's name, or nothing."""
    if kind.kind == "EndpointSlice":
        return str((meta.get("labels") or {}).get("kubernetes.io/service-name", ""))
    if kind.kind != "Pod":
        return ""
    owners = meta.get("ownerReferences") or []
    made = [each["name"] for each in owners if each["kind"] != "Node"]
    return str(made[0]) if made else ""


def _expires(kind: Resource, obj: Object) -> bool:
    if kind.kind == "CertificateSigningRequest":
        return not _of_a_kubelet(kind, obj)
    return kind.kind == "Secret" and obj.get("type") == "bootstrap.kubernetes.io/token"


def _of_a_kubelet(kind: Resource, obj: Object) -> bool:
    signer = (obj.get("spec") or {}).get("signerName", "")
    return kind.kind == "CertificateSigningRequest" and "kubelet" in signer


def _content(kind: Resource, obj: Object) -> str:
    """Return a hash of what is stable about an object."""
    meta = obj["metadata"]
    kept: dict[str, Any] = {"labels": meta.get("labels") or {}}
    if kind.kind not in _NAMES_ONLY:
        kept |= {
            key: value
            for key, value in obj.items()
            if key not in ("metadata", "status", "apiVersion", "kind")
        }
    if kind.kind == "Node":
        spec = dict(kept.get("spec") or {})
        taints = [
            taint
            for taint in spec.get("taints") or []
            if not taint["key"].startswith("node.kubernetes.io/")
        ]
        kept["spec"] = {**spec, "taints": taints}
    if kind.kind == "ConfigMap":
        data = kept.get("data") or {}
        kept["data"] = {k: v for k, v in data.items() if not k.startswith("jws-")}
    text = json.dumps(kept, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _machine(cluster: Cluster, machine: str) -> Snapshot:
    script = _LOOK
    for mark, words in (("FOLDERS", FOLDERS), ("NAMES", NAMES), ("UNITS", UNITS)):
        script = script.replace(f"__{mark}__", " ".join(words))
    done = cluster.on(machine).script(script, timeout=20)
    things: dict[str, str] = {}
    counts: Counter[str] = Counter()
    running: set[str] = set()
    for line in done.stdout.splitlines():
        word, *rest = line.split(" ", 3)
        if word == "file":
            kind, size, path = rest
            things[f"{machine}: {path}"] = f"{kind} {size}"
        elif word == "unit":
            things[f"{machine}: unit {rest[0]}"] = rest[1]
        elif word in ("route", "rule"):
            things[f"{machine}: {word} {' '.join(rest)}"] = ""
        elif word == "address":
            counts[f"{machine}: Pod addresses that no container holds"] += 1
        elif word == "runs":
            running.add(rest[0])
        elif word == "chapters" and rest[0] in running:
            counts[f"{machine}: containers that run for a chapter"] += 1
    return Snapshot(things, dict(counts), frozenset())
