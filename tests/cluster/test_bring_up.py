"""What 'up' makes, and what it must not leave behind."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from labs import Allowance, Home, Lab, podman, route

from booktools.lint import secrets
from k8slab import wait
from k8slab.kube import snapshot
from labmaker.bundle import opened

GIB = 1024**3
NAME = "kubernetes.default.svc.cluster.local"


def asking(node: str) -> dict[str, Any]:
    """Return a Pod that ends well when CoreDNS has told it an address."""
    ask = {
        "name": "ask",
        "image": "registry.lab/echo:1",
        "command": ["echo-client", "resolve", NAME, "30"],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"ask-{node}"},
        "spec": {"nodeName": node, "restartPolicy": "Never", "containers": [ask]},
    }


def test_every_machine_is_a_node_that_is_ready(main: Lab) -> None:
    """Three machines by default, under their own names."""
    with main.cluster() as cluster:
        nodes = {node.name: node.ready for node in cluster.nodes()}

    assert nodes == {"master": True, "node1": True, "node2": True}


def test_names_resolve_in_a_pod_on_every_worker(main: Lab) -> None:
    """CoreDNS answers; the Pod ends well only when it does."""
    with main.cluster() as cluster:
        ns = cluster.scratch("names")
        for node in ("node1", "node2"):
            path = f"/api/v1/namespaces/{ns.name}/pods"
            cluster.connection.send("POST", path, body=asking(node))
        phases = {
            node: wait.pod(ns, f"ask-{node}", phase="Succeeded").node
            for node in ("node1", "node2")
        }
        ns.remove()

    assert phases == {"node1": "node1", "node2": "node2"}


def test_the_ledger_is_json_and_adds_up(main: Lab) -> None:
    """Each phase has a name, a place, a time and an outcome."""
    ledger = main.ledger
    ends = [phase["started_s"] + phase["seconds"] for phase in ledger["phases"]]

    assert ledger["total_s"] == pytest.approx(max(ends), abs=0.01)
    assert {phase["outcome"] for phase in ledger["phases"]} == {"changed", "unchanged"}
    assert {"kubeadm init", "kubeadm join"} <= {p["name"] for p in ledger["phases"]}
    assert set(main.outcomes("Kubernetes packages").values()) == {"unchanged"}


def test_a_second_up_is_quick_and_changes_nothing(
    main: Lab, allowance: Allowance
) -> None:
    """Less than 2 s; the cluster and the machines are the same before and after."""
    with main.cluster() as cluster:
        before = snapshot.take(cluster)
        said = main.run("up", "--timings", "json", measure="up again")
        limit = allowance.seconds(2)  # as busy as it is now
        after = snapshot.take(cluster)
    outcomes = {phase["outcome"] for phase in json.loads(said.stdout)["phases"]}

    assert said.returncode == 0
    assert outcomes == {"unchanged"}
    assert snapshot.difference(before, after) == []
    assert "nothing was changed" in said.stderr
    assert said.seconds < limit


def test_status_shows_each_machine(main: Lab) -> None:
    """Name, state, network and version."""
    said = main.run("status")

    assert said.returncode == 0
    for word in ("master", "node1", "node2", "depot", str(main.plan.network)):
        assert word in said.stdout
    assert said.stdout.count("running") == 4


def test_ssh_runs_a_command_and_passes_its_exit_code_on(main: Lab) -> None:
    """The real ssh, with the lab's own key and known hosts."""
    said = main.run("ssh", "node1", "--", "hostname; exit 3")

    assert said.stdout.strip() == "node1"
    assert said.returncode == 3


def test_kubectl_passes_its_exit_code_on(main: Lab) -> None:
    """The kubectl of the bundle, on this lab."""
    good = main.kubectl("get", "nodes", "-o", "name")
    bad = main.kubectl("get", "pod", "nobody")

    assert good.stdout.split() == ["node/master", "node/node1", "node/node2"]
    assert (bad.returncode, "NotFound" in bad.stderr) == (1, True)


def test_no_bootstrap_token_is_left_in_the_cluster(main: Lab) -> None:
    """The token that the workers showed is deleted, and signs nothing any more."""
    with main.cluster() as cluster:
        kinds = [each["type"] for each in cluster.find("Secret")]
        info = cluster.get("ConfigMap", "cluster-info", namespace="kube-public")

    assert "bootstrap.kubernetes.io/token" not in kinds
    assert [key for key in info["data"] if key.startswith("jws-")] == []


@pytest.mark.parametrize("machine", ["master", "node1", "node2", "depot"])
def test_no_token_is_left_on_a_machine(main: Lab, machine: str) -> None:
    """In no file that is text, nor in the journal."""
    shape = secrets.KINDS["bootstrap token"].pattern
    places = "/etc /root /home /tmp /run /var/lib/kubelet /var/log /usr/local"
    search = f"grep -rIlP '{shape}' {places} 2>/dev/null || true"
    with main.shell(machine) as shell:
        shell.script("echo abcdef.0123456789abcdef > /root/canary")
        planted = shell.script(search).stdout.split()
        shell.run(["rm", "/root/canary"])
        found = shell.script(search).stdout.split()
        journal = shell.run(["journalctl", "--no-pager", "--output=cat"]).stdout

    assert planted == ["/root/canary"]
    assert found == []
    assert re.findall(shape, journal) == []


def test_the_state_folder_holds_no_token_and_its_keys_are_private(main: Lab) -> None:
    """Keys are where they belong, readable by their owner only."""
    own = [p for p in main.folder.root.iterdir() if p.is_file()]
    own += main.folder.root.glob("machines/*/ssh_host_*")
    own += [p for p in main.folder.root.glob("client/**/*") if p.is_file()]
    kinds = {
        str(p.relative_to(main.folder.root)): {
            leak.kind for leak in secrets.leaks(p.read_text(errors="replace"))
        }
        for p in own
    }
    keys = {name for name, found in kinds.items() if "private key" in found}

    assert "bootstrap token" not in set().union(*kinds.values())
    assert {"id_ed25519", "machines/node1/ssh_host_ed25519_key"} <= keys
    assert not [k for k in keys if main.folder.root.joinpath(k).stat().st_mode & 0o077]
    assert main.folder.root.stat().st_mode & 0o077 == 0


def test_an_idle_lab_needs_little_memory(
    main: Lab, record_property: Callable[[str, object], None]
) -> None:
    """At most 2.5 GiB, page cache included."""
    used = sum(memory(main.container(machine)) for machine in main.states())
    record_property("memory_gib", round(used / GIB, 2))

    assert 0.2 * GIB < used <= 2.5 * GIB


def memory(container: str) -> int:
    """Return what a container's control group holds, in bytes."""
    pid = podman("inspect", "--format={{.State.Pid}}", container).strip()
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        path = path.removesuffix("/init.scope")
        if controllers == "memory":
            base = Path("/sys/fs/cgroup/memory")
            return int((base / path.lstrip("/") / "memory.usage_in_bytes").read_text())
        if not controllers and Path("/sys/fs/cgroup/cgroup.controllers").exists():
            base = Path("/sys/fs/cgroup") / path.lstrip("/")
            return int((base / "memory.current").read_text())
    raise AssertionError("no control group counts memory")


def test_the_bridge_keeps_its_address(main: Lab) -> None:
    """Were it a machine's, all others would be silent for a while as machines come."""
    bridge = Path("/sys/class/net", route(main.plan.network[11]))

    assert (bridge / "address").read_text().strip() == main.plan.bridge_mac
    assert (bridge / "addr_assign_type").read_text().strip() == "3"  # set, not taken


def test_an_attempt_that_nobody_answered_is_forgotten_soon(main: Lab) -> None:
    """The next one from the same port would follow it to a Pod that is gone."""
    nobody = str(main.plan.network[200])
    listing = f"conntrack -L -p tcp --dst {nobody}"
    attempt = f"! timeout 1 bash -c ': < /dev/tcp/{nobody}/81'"
    with main.shell("node1") as shell:
        assert "SYN_SENT" in shell.script(f"{attempt}\n{listing}\n").stdout
        wait.until(
            lambda: shell.script(listing).stdout,
            what=f"the attempt to reach {nobody}",
            want="forgotten",
            timeout=10,
            done=lambda kept: "SYN_SENT" not in kept,
        )


def test_a_new_machine_has_no_packed_layers_to_collect(home: Home) -> None:
    """Its image store has them unpacked; containerd's own rest is a few kilobytes."""
    store = opened().path("store")
    blobs = store / "io.containerd.content.v1.content" / "blobs"
    sizes = [path.stat().st_size for path in blobs.rglob("*") if path.is_file()]

    assert sizes
    assert sum(sizes) < 100_000
