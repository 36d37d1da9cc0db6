"""How add-ons are enabled, used and disabled, and what is left of them."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from functools import partial
from ipaddress import ip_address

from labs import Lab, route
from paths import K8SLAB, ROOT

from k8slab import probe, wait
from k8slab.core.env import Environment
from k8slab.core.phases import Ledger
from k8slab.core.poll import until
from k8slab.kube import snapshot
from k8slab.kube.cluster import Cluster
from k8slab.kube.namespace import Namespace
from labmaker.addons import ADDONS, find
from labmaker.addons.local_path_provisioner import FOLDER
from labmaker.bundle import Bundle, opened, source

NAMES = tuple(each.name for each in ADDONS)
BUILD_S = 3600


def build() -> None:
    """Have the bundle with what all add-ons need."""
    bundle = opened()
    images = [name for each in ADDONS for name in each.components]
    kinds = [name for each in ADDONS for name in each.kinds]
    there = [*map(bundle.has_images_of, images), *map(bundle.has_manifests_of, kinds)]
    if not all(there):
        used = [*images, *kinds]
        Bundle.build(Environment.read().cache, source(), Ledger(), also=used)


def addon(lab: Lab, verb: str, name: str) -> str:
    """Enable or disable an add-on, and return what was said."""
    measure = f"{verb} {name}"
    said = lab.home.run("addon", verb, "--name", lab.name, name, measure=measure)
    assert said.returncode == 0, said.text
    return said.text


def remains(lab: Lab) -> dict[str, list[str]]:
    """Return what lies where add-ons leave something: on the nodes, in the depot."""
    look = f"crictl images; ls -d {FOLDER} /var/lib/kubelet/pki/kubelet-server* || true"
    with lab.cluster() as cluster:
        seen = {
            name: cluster.on(name).script(look).stdout.splitlines()
            for name in cluster.machines
        }
    depot = lab.folder.machine("depot") / "registry"
    return {**seen, "depot": sorted(str(p) for p in depot.rglob("*") if p.is_file())}


CLAIM = """\
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec:
  storageClassName: local-path
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 10Mi}}
"""
WRITER = """\
apiVersion: v1
kind: Pod
metadata: {name: writer}
spec:
  terminationGracePeriodSeconds: 0
  containers:
    - name: writer
      image: registry.lab/echo:1
      command: [sh, -c, "echo kept >> /data/file; touch /tmp/written; sleep 1000"]
      readinessProbe: {exec: {command: [test, -e, /tmp/written]}, periodSeconds: 1}
      volumeMounts: [{name: data, mountPath: /data}]
  volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]
"""


def use_volume(cluster: Cluster, space: Namespace) -> None:
    """What one Pod wrote, the next one reads: on the same node, in the same file."""
    cluster.kubectl(["apply", "--filename=-"], namespace=space.name, input=CLAIM)
    for _ in range(2):
        cluster.kubectl(["apply", "--filename=-"], namespace=space.name, input=WRITER)
        wait.pod(space, "writer", ready=True)
        read = cluster.kubectl(
            ["exec", "writer", "--", "cat", "/data/file"], namespace=space.name
        ).stdout
        cluster.kubectl(["delete", "pod", "writer"], namespace=space.name)
    assert read == "kept\nkept\n"
    cluster.kubectl(["delete", "pvc", "data"], namespace=space.name)


def use_figures(cluster: Cluster, space: Namespace) -> None:
    """There are figures of every node; the kubelets' certificates are checked."""
    nodes = cluster.kubectl(["top", "nodes", "--no-headers"]).stdout.splitlines()
    told = cluster.get("Deployment", "metrics-server", namespace="kube-system")
    arguments = told["spec"]["template"]["spec"]["containers"][0]["args"]
    assert [row.split()[0] for row in nodes] == list(cluster.machines)
    assert [word for word in arguments if "insecure" in word] == []


ECHO = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: echo}
spec:
  selector: {matchLabels: {app: echo}}
  template:
    metadata: {labels: {app: echo}}
    spec: {containers: [{name: echo, image: "registry.lab/echo:1"}]}
---
apiVersion: v1
kind: Service
metadata: {name: echo}
spec: {type: LoadBalancer, selector: {app: echo}, ports: [{port: 12345}]}
"""


def balanced(space: Namespace, name: str) -> str:
    """Return the address that a Service of type LoadBalancer gets."""
    served = wait.for_object(
        space,
        "Service",
        name,
        want="an address",
        done=lambda seen: bool(seen["status"]["loadBalancer"].get("ingress")),
    )
    return str(served["status"]["loadBalancer"]["ingress"][0]["ip"])


def greeted(address: str) -> str:
    """Return which Pod answers this computer at an address of the lab in use."""
    return until(
        lambda: probe.echo(address, 12345, strict=False).pod,
        what="the Service does not answer at its address",
        want="a greeting",
        timeout=30,
        where=address,
    )


def use_address(cluster: Cluster, space: Namespace) -> None:
    """A Service gets an address of the plan, and is reached by the lab's bridge."""
    cluster.kubectl(["apply", "--filename=-"], namespace=space.name, input=ECHO)
    address = balanced(space, "echo")
    ranges = cluster.ranges
    assert ranges.load_balancers is not None
    assert ip_address(address) in ranges.load_balancers
    assert route(address) == route(cluster.address("master"))
    (pod,) = wait.pods(space, "app=echo", ready=1)
    assert greeted(address) == pod.name


SITE = (
    "configmap-web",
    "deployment-news",
    "service-news",
    "gateway-door",
    "httproute-news",
    "ingress-magazine",
)


def use_door(cluster: Cluster, space: Namespace) -> None:
    """A Gateway's route and an Ingress lead to a site, at an address of the plan."""
    for name in SITE:
        file = ROOT / "manifests" / "ingress-and-load-balancer" / f"{name}.yaml"
        cluster.kubectl(["apply", f"--filename={file}"], namespace=space.name)
    wait.pods(space, "app=news", ready=1)
    door = wait.for_object(
        space,
        "Gateway",
        "door",
        want="an address",
        done=lambda seen: bool((seen.get("status") or {}).get("addresses")),
    )
    address = door["status"]["addresses"][0]["value"]
    ranges = cluster.ranges
    assert ranges.load_balancers is not None
    assert ip_address(address) in ranges.load_balancers
    assert route(address) == route(cluster.address("master"))
    hosts = ("news.example", "magazine.example")
    served = {page(address, host, 200) for host in hosts}
    nowhere = page(address, "other.example", 404)
    cluster.kubectl(["scale", "deployment/news", "--replicas=0"], namespace=space.name)
    empty = {page(address, host, 503) for host in hosts}
    assert (served, nowhere) == ({"news /"}, "404 page not found")
    assert empty == {"no available server"}


def page(address: str, host: str, status: int) -> str:
    """Return what a host's page says, once it has a status."""
    return until(
        partial(probe.curl, f"http://{host}/", at=address, strict=False),
        what=f"{host} does not answer",
        want=f"status {status}",
        done=lambda seen: seen.status == status,
        timeout=30,
        where=address,
    ).text


USES: dict[str, Callable[[Cluster, Namespace], None]] = {
    "local-path-provisioner": use_volume,
    "metallb": use_address,
    "metrics-server": use_figures,
    "traefik": use_door,
}


def use(lab: Lab, name: str) -> None:
    """Use an add-on as a chapter does, and leave nothing."""
    with lab.cluster() as cluster:
        space = cluster.scratch("addons")
        USES[name](cluster, space)
        space.remove()


def come_and_gone(lab: Lab, name: str, *, stopped: bool = False) -> list[str]:
    """Enable an add-on, use it and disable it; return what is left in the cluster.

    Args:
        lab: The lab.
        name: The add-on.
        stopped: Whether the lab is stopped and started meanwhile.
    """
    needs = find(name).needs
    with lab.cluster() as cluster:
        before = snapshot.take(cluster)
    addon(lab, "enable", name)
    assert lab.record.addons == (*needs, name)
    use(lab, name)
    if stopped:
        assert lab.run("stop").returncode == 0
        started = lab.run("start")
        assert (started.returncode, f"{name}: see it work" in started.text) == (
            0,
            True,
        ), started.text
        use(lab, name)
    for each in (name, *needs[::-1]):
        addon(lab, "disable", each)
    assert lab.record.addons == ()
    with lab.cluster() as cluster:
        return snapshot.difference(before, snapshot.take(cluster))


def killed(lab: Lab, verb: str, name: str, after: str) -> None:
    """Kill the command, and nothing else, when one of its phases has ended."""
    argv = [str(K8SLAB), "addon", verb, "--name", lab.name, name]
    env = {**os.environ, "K8SLAB_HOME": str(lab.home.folder)}
    with subprocess.Popen(argv, env=env, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if f"{name}: {after}" in line:
                process.kill()
    assert process.returncode == -signal.SIGKILL


def listed(lab: Lab, name: str) -> str:
    """Return the row of an add-on in the list."""
    said = lab.home.run("addon", "list", "--name", lab.name).stdout
    return next(row for row in said.splitlines() if name in row)


def killed_and_made_whole(lab: Lab, name: str) -> None:
    """Kill an add-on's commands in their middle, and see what the next ones do.

    Enabling it again makes it whole; disabling it or 'up' removes it.
    """
    with lab.cluster() as cluster:
        before = snapshot.take(cluster)
    clean = remains(lab)
    killed(lab, "enable", name, "prepare the machines")
    half = listed(lab, name)
    addon(lab, "enable", name)
    use(lab, name)
    killed(lab, "disable", name, "remove its objects")
    addon(lab, "disable", name)
    killed(lab, "enable", name, "make its objects")
    said = lab.run("up")
    for each in find(name).needs[::-1]:  # what it needs was whole, and stays
        addon(lab, "disable", each)
    with lab.cluster() as cluster:
        lost = snapshot.difference(before, snapshot.take(cluster))

    assert "half done" in half
    assert f"{name}: remove its objects" in said.text
    assert (lost, remains(lab), lab.record.addons) == ([], clean, ())
