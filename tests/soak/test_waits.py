"""Waits hold: the API server is restarted twenty times during each kind of wait."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from labs import Lab

from k8slab import wait
from k8slab.errors import ApiError
from k8slab.kube.cluster import Cluster
from k8slab.kube.namespace import Namespace

ROUNDS = 20
LIMIT_S = 120.0
LABELS = {"app": "echo"}
SCALERS = "autoscaling/v2"
# A manifest that changes makes another Pod: one that is only killed again and again is
# started ever later. The file is moved there, for the kubelet reads whatever it finds.
RESTART = r"""
file=/etc/kubernetes/manifests/kube-apiserver.yaml
sed -e '/k8slab.dev.restart/d' -e 's|^  annotations:$|&\n    k8slab.dev/restart: "@"|' \
  "$file" > /etc/kubernetes/next.yaml
chmod --reference="$file" /etc/kubernetes/next.yaml
mv /etc/kubernetes/next.yaml "$file"
kill -KILL "$(pidof kube-apiserver)"
"""

WAITS: dict[str, Callable[[Namespace], Any]] = {
    "pods": lambda ns: wait.pods(ns, "app=echo", ready=1, timeout=LIMIT_S),
    "pod": lambda ns: wait.pod(ns, "echo", ready=True, timeout=LIMIT_S),
    "restarts": lambda ns: wait.restarts(ns, "app=echo", at_least=0, timeout=LIMIT_S),
    "gone": lambda ns: wait.gone(ns, "ConfigMap", "old", timeout=LIMIT_S),
    "endpoints": lambda ns: wait.endpoints(ns, "echo", want=1, timeout=LIMIT_S),
    "nodes": lambda ns: wait.nodes(ns.cluster, ready=4, timeout=LIMIT_S),
    "for_object": lambda ns: wait.for_object(
        ns, "ConfigMap", "new", want="there", timeout=LIMIT_S
    ),
    "scaler": lambda ns: wait.scaler(
        ns, "shop", want="there", done=lambda seen: True, timeout=LIMIT_S
    ),
    "until": lambda ns: wait.until(
        lambda: ns.ready_pods(), what="a Pod", want="one", timeout=LIMIT_S
    ),
}


@pytest.fixture(scope="module")
def cluster(main: Lab) -> Iterator[Cluster]:
    """Return the lab's cluster."""
    with main.cluster() as made:
        yield made


def test_every_wait_is_tried() -> None:
    """A wait that is added is added here, too."""
    assert set(WAITS) == set(wait.__all__) - {"Waited"}


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("name", WAITS)
def test_a_wait_outlasts_twenty_restarts(cluster: Cluster, name: str) -> None:
    """It begins before the restart, and what it waits for happens after it."""
    for number in range(ROUNDS):
        ns = cluster.scratch(f"waits-{name.replace('_', '-')}")
        _before(ns)
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(WAITS[name], ns)
            restart = RESTART.replace("@", f"{name}-{number}")
            cluster.on("master").script(restart)
            _after(ns)
            waiting.result()
        _send(ns, "DELETE", "/api/v1/nodes/extra", None)
        ns.remove()


def _before(ns: Namespace) -> None:
    """Make what is there when the wait begins."""
    spec = {"selector": LABELS, "ports": [{"port": 80}]}
    service = {"kind": "Service", "metadata": {"name": "echo"}, "spec": spec}
    _make(ns, "services", {"apiVersion": "v1", **service})
    _make(ns, "configmaps", _config_map("old"))


def _after(ns: Namespace) -> None:
    """Make true what the wait is for."""
    assert isinstance(ns.cluster, Cluster)
    image = ns.cluster.record.images["echo"]
    meta = {"name": "echo", "labels": LABELS}
    spec = {
        "containers": [{"name": "echo", "image": image}],
        "terminationGracePeriodSeconds": 0,
    }
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop"}
    scaler = {"maxReplicas": 2, "scaleTargetRef": target}
    shop = {"kind": "HorizontalPodAutoscaler", "metadata": {"name": "shop"}}
    whole = {"apiVersion": SCALERS, **shop, "spec": scaler}
    _make(ns, "horizontalpodautoscalers", whole, SCALERS)
    _make(ns, "configmaps", _config_map("new"))
    _make(ns, "pods", pod)
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    # No DaemonSet of the lab has a Pod for it.
    labelled = {"name": "extra", "labels": {"kubernetes.io/os": "windows"}}
    node = {"kind": "Node", "metadata": labelled, "status": ready}
    _send(ns, "POST", "/api/v1/nodes", {"apiVersion": "v1", **node})
    _send(ns, "DELETE", "configmaps/old", None)


def _config_map(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}


def _make(
    ns: Namespace, plural: str, body: dict[str, Any], version: str = "v1"
) -> None:
    _send(ns, "POST", plural, body, version)


def _send(
    ns: Namespace,
    method: str,
    path: str,
    body: dict[str, Any] | None,
    version: str = "v1",
) -> None:
    """Send a request until a server that starts takes it; once is enough."""

    def look() -> bool:
        try:
            group = "apis" if "/" in version else "api"
            inside = f"/{group}/{version}/namespaces/{ns.name}/{path}"
            url = path if path.startswith("/") else inside
            ns.cluster.connection.send(method, url, body=body)
        except ApiError as error:
            # A server that starts answers 404, too, and then names no object.
            named = (error.answer.get("details") or {}).get("name")
            if not named or error.status != (404 if method == "DELETE" else 409):
                raise
            return True  # the first answer was lost, not the request
        return True

    wait.until(look, what=f"{method} {path}", want="an answer", timeout=LIMIT_S)
