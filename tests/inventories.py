"""Machines that only SSH reaches, and inventories that name them."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from labs import Home, Lab

from labmaker import lifecycle
from labmaker.install.steps.pod_network import conflist

# Somebody else's user on one of the machines, who becomes root by sudo.
USER = "ada"
_USER = f"""\
dpkg --install /root/sudo.deb
rm /root/sudo.deb
useradd --create-home --password '*' {USER}
install -d -m 700 -o {USER} /home/{USER}/.ssh
install -m 600 -o {USER} /root/.ssh/authorized_keys /home/{USER}/.ssh/authorized_keys
echo '{USER} ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/{USER}
"""


def sudo(folder: Path) -> bytes | None:
    """Return Debian's package of sudo, which the machines do not have.

    Args:
        folder: An empty folder for the download.

    Returns:
        The package; None where this computer knows no mirror that has it.
    """
    download = ["apt-get", "download", "--quiet", "sudo"]
    done = subprocess.run(download, cwd=folder, capture_output=True, check=False)
    return None if done.returncode != 0 else next(folder.glob("*.deb")).read_bytes()


@contextmanager
def machines(home: Home, sudo: bytes) -> Iterator[Lab]:
    """Make bare machines, and somebody's user with sudo on one of them."""
    made = home.lab("foreign")
    lifecycle.up(made.name, workers=2, image="bare", cluster=False)
    with made.shell("node1") as shell:
        shell.put("/root/sudo.deb", sudo)
        shell.script(_USER)
    yield made
    made.run("down")


def document(foreign: Lab) -> dict[str, Any]:
    """Return an inventory: one is reached by sudo, one through the lab's depot."""
    ranges = foreign.record.ranges
    assert ranges is not None
    machines: list[dict[str, Any]] = []
    own: dict[str, dict[str, Any]] = {
        "master": {"role": "control-plane"},
        "node1": {"user": USER, "sudo": True},
        "node2": {"jump": "depot"},
    }
    for machine in foreign.record.machines:
        key = foreign.folder.machine(machine.name) / "ssh_host_ed25519_key"
        told = subprocess.run(
            ["ssh-keygen", "-lf", str(key)], capture_output=True, text=True, check=True
        )
        host = {"name": machine.name, "address": str(machine.address)}
        host["host_key"] = told.stdout.split()[1]
        machines.append({**host, **own.get(machine.name, {})})
    return {
        "defaults": {"key": str(foreign.folder.key)},
        "jump_hosts": [machines.pop()],
        "machines": machines,
        # This computer refuses these, as they are of the machines' own lab.
        "pods": str(ranges.pods),
        "services": str(ranges.services),
    }


def powered(content: dict[str, Any], foreign: Lab) -> dict[str, Any]:
    """Return an inventory that says how the power of node2 is cut and given back."""
    (node2,) = (each for each in content["machines"] if each["name"] == "node2")
    engine = ["podman", "--runtime", "runc"]
    node2["power_off"] = [*engine, "kill", foreign.container("node2")]
    node2["power_on"] = [*engine, "start", foreign.container("node2")]
    return content


def pod_network(foreign: Lab) -> str:
    """Return the manifest of a Pod network: what a reader's would do, and no more.

    A Pod of each machine writes the machine's CNI configuration and its routes.
    """
    record = foreign.record
    assert record.ranges is not None
    script = [f"ip route replace {record.ranges.services} dev eth0"]
    for machine in record.nodes:
        text = shlex.quote(conflist(machine))
        others = [m for m in record.nodes if m is not machine]
        ways = [f"ip route replace {m.pods} via {m.address}" for m in others]
        write_it = f"echo {text} > /etc/cni/net.d/10-reader.conflist"
        own = "\n".join([*ways, "mkdir -p /etc/cni/net.d", write_it])
        script.append(f"if [ $NODE = {machine.name} ]; then\n{own}\nfi")
    script.append("exec sleep infinity")
    node = {"fieldRef": {"fieldPath": "spec.nodeName"}}
    container = {
        "name": "network",
        "image": "registry.lab/echo:1",
        "command": ["chroot", "/host", "sh", "-ec", "\n".join(script)],
        "env": [{"name": "NODE", "valueFrom": node}],
        "securityContext": {"privileged": True, "runAsUser": 0},
        "volumeMounts": [{"name": "host", "mountPath": "/host"}],
    }
    pod = {
        "hostNetwork": True,
        "tolerations": [{"operator": "Exists"}],
        "containers": [container],
        "volumes": [{"name": "host", "hostPath": {"path": "/"}}],
    }
    labels = {"app": "network"}
    spec = {
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    about = {"name": "network", "namespace": "kube-system"}
    manifest = {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": about}
    return yaml.safe_dump({**manifest, "spec": spec})


def write(file: Path, content: dict[str, Any]) -> None:
    """Write an inventory."""
    file.write_text(yaml.safe_dump(content, sort_keys=False))
