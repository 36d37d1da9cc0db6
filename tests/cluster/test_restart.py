"""A lab survives a stop, a crash of its machines and a restart of this computer."""

import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from labs import Allowance, Lab, podman, route, wait_for_names

from k8slab import lab, probe, wait
from k8slab.errors import ApiUnreachable, RangeInUse
from k8slab.kube.cluster import Cluster
from k8slab.kube.namespace import Namespace
from k8slab.kube.objects import Pod
from labmaker.plan import AddressPlan

KEPT = "what was written before"


@pytest.fixture(scope="module")
def work(main: Lab) -> Iterator[Lab]:
    """Put work on the lab: three echo Pods, a file on a machine's disk, an object."""
    with main.cluster() as cluster:
        ns = cluster.scratch("restart")
        for body in (controller("echo", 3), controller("keeper", 1, "/data/t-kept")):
            path = f"/api/v1/namespaces/{ns.name}/replicationcontrollers"
            cluster.connection.send("POST", path, body=body)
        wait.pods(ns, "app=echo", ready=3)
        (keeper,) = wait.pods(ns, "app=keeper", ready=1)
        write = f"echo '{KEPT}' > /kept/file"
        cluster.kubectl(["exec", keeper.name, "--", "sh", "-c", write])
        cluster.kubectl(["create", "configmap", "kept", f"--from-literal=key={KEPT}"])
    yield main
    assert main.run("up").returncode == 0  # other tests need it, whatever happened
    with main.cluster() as cluster:
        cluster.scratch("restart").remove()
        cluster.on("node1").run(["rm", "-rf", "/data/t-kept"])


def controller(name: str, replicas: int, folder: str = "") -> dict[str, Any]:
    """Return a ReplicationController of echo Pods, with a host's folder or without."""
    echo: dict[str, Any] = {
        "name": "echo",
        "image": "registry.lab/echo:1",
        "readinessProbe": {"tcpSocket": {"port": 12345}, "periodSeconds": 1},
        "securityContext": {"runAsUser": 0},
    }
    spec: dict[str, Any] = {"containers": [echo], "terminationGracePeriodSeconds": 1}
    if folder:
        echo["volumeMounts"] = [{"name": "kept", "mountPath": "/kept"}]
        where = {"path": folder, "type": "DirectoryOrCreate"}
        spec |= {
            "nodeName": "node1",
            "volumes": [{"name": "kept", "hostPath": where}],
        }
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": spec}
    return {
        "apiVersion": "v1",
        "kind": "ReplicationController",
        "metadata": {"name": name},
        "spec": {"replicas": replicas, "selector": labels, "template": template},
    }


def assert_whole(work: Lab) -> None:
    """Nodes, Pods on both workers, names, objects and files are there and answer."""
    with work.cluster() as cluster:
        wait.nodes(cluster, ready=3, timeout=30)
        cluster.namespace = "restart"
        ns = namespace(cluster)
        pods = wait.until(
            partial(answering, ns),
            what="the echo Pods",
            want="an answer of each",
            timeout=60,
        )
        assert {p.node for p in pods} == {"node1", "node2"}
        wait_for_names(pods[0])
        assert ns.get("ConfigMap", "kept")["data"]["key"] == KEPT
        (keeper,) = wait.pods(ns, "app=keeper", ready=1, timeout=60)
        read = ["exec", keeper.name, "--", "cat", "/kept/file"]
        wait.until(
            lambda: cluster.kubectl(read, check=False).stdout.strip(),
            what="the keeper's file",
            want=KEPT,
            done=lambda said: said == KEPT,
            timeout=60,  # that it is ready may have been said before
        )
    assert set(work.states().values()) == {"running"}
    assert route(work.plan.network[11]).startswith("podman")
    assert {route(work.plan.pods[257]), route(work.plan.services[1])} == {"refused"}
    with work.shell("node1") as shell:
        assert route(work.plan.pods[2 * 256 + 0], shell) in ("refused", "cni0")


def answering(ns: Namespace) -> list[Pod]:
    """Return the echo Pods when each answers; their status may be that of before."""
    pods = wait.pods(ns, "app=echo", ready=3, timeout=60)
    said = [probe.echo(p.ip, 12345, from_="master", strict=False) for p in pods]
    return pods if {each.pod for each in said} == {p.name for p in pods} else []


def namespace(cluster: Cluster) -> Namespace:
    """Return the namespace of the work, as it is."""
    return Namespace(cluster, "restart")


def test_a_stopped_lab_says_so_and_sends_nothing(
    work: Lab, allowance: Allowance
) -> None:
    """Then 'start' makes everything work again within 15 s, data included."""
    stopped = work.run("stop", measure="stop")
    states = set(work.states().values())
    way = route(work.plan.network[11])
    asked = work.kubectl("get", "nodes")
    with pytest.raises(ApiUnreachable) as caught:
        lab.connect(work.name)
    started = work.run("start", measure="start")
    limit = allowance.seconds(15)  # as busy as it is now

    assert (stopped.returncode, started.returncode) == (0, 0), started.text
    assert states == {"exited"}
    assert way == "refused" or way.startswith("podman")
    assert asked.returncode == ApiUnreachable.exit_code
    assert "k8slab up" in caught.value.next
    assert_whole(work)
    assert stopped.seconds + started.seconds < limit


def test_killed_machines_come_back(work: Lab) -> None:
    """As after a power cut of the machines alone."""
    podman("kill", *(work.container(m) for m in work.states()))
    # The engine calls one "stopped" until it has cleared up behind it.
    assert set(work.states().values()) <= {"exited", "stopped"}

    said = work.run("up", measure="up after a kill")

    assert said.returncode == 0, said.text
    assert_whole(work)


def test_one_killed_machine_comes_back(work: Lab) -> None:
    """The others run on."""
    podman("kill", work.container("node2"))

    said = work.run("up", measure="up after one kill")

    assert said.returncode == 0, said.text
    assert_whole(work)


def test_a_bridge_that_was_deleted_comes_back(work: Lab) -> None:
    """The machines run on without it; 'start' plugs them in again."""
    bridge = route(work.plan.network[11])
    subprocess.run(["ip", "link", "delete", bridge], check=True)

    said = work.run("start", measure="start without the bridge")

    assert said.returncode == 0, said.text
    assert_whole(work)


@pytest.mark.parametrize("lost", ["kubeconfig", "fingerprint.json", "kubectl"])
def test_a_file_of_the_lab_that_was_lost_comes_back(work: Lab, lost: str) -> None:
    """By the command that the error names."""
    (work.folder.root / lost).unlink()
    asked = work.kubectl("get", "nodes")
    said = work.run("up", measure=f"up without {lost}")

    assert asked.returncode != 0
    assert "k8slab up" in asked.stderr
    assert said.returncode == 0, said.text
    assert_whole(work)


def test_a_restart_of_this_computer_is_repaired(work: Lab, tmp_path: Path) -> None:
    """Machines ended; the bridge, the filters and the routes are gone.

    A lab of another home, made meanwhile, leaves it its addresses.
    """
    bridge = route(work.plan.network[11])
    podman("kill", *(work.container(m) for m in work.states()))
    forget(work.plan, bridge)
    # Of another home, which knows nothing of this lab.
    words = ["up", "--name", "other", "--slot", str(work.plan.slot)]
    other = work.home.run(*words, env={"K8SLAB_HOME": str(tmp_path)})

    said = work.run("up", measure="up after a restart")

    assert other.returncode == RangeInUse.exit_code
    assert "in use by another lab" in other.text
    assert said.returncode == 0, said.text
    assert_whole(work)


def forget(plan: AddressPlan, bridge: str) -> None:
    """Remove what a restart of this computer would."""
    chain = f"K8SLAB-{plan.slot}"
    commands = []
    for table, hook in (("filter", "FORWARD"), ("nat", "POSTROUTING")):
        base = ["iptables", "--wait", "-t", table]
        commands += [[*base, "-D", hook, "-j", chain], [*base, "-F", chain]]
        commands += [[*base, "-X", chain]]
    for network in plan.ranges.all:
        commands.append(["ip", "route", "delete", "unreachable", str(network)])
    # The engine may be taking the bridge away itself, as the last machine has ended.
    delete = ["ip", "link", "delete", bridge]
    subprocess.run(delete, capture_output=True, check=False)
    for command in commands:
        subprocess.run(command, capture_output=True, check=True)
