"""Machines that only SSH reaches become a lab, and are left as they were found."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from inventories import document, machines, pod_network, powered, sudo, write
from labs import Home, Lab

from k8slab import wait
from k8slab.errors import BadInput
from k8slab.ssh.client import SSHShell
from labmaker import lifecycle
from labmaker.inventory.journal import SYSCTLS

# Caches of dpkg, apt and the linker, and what programs write while they run.
_VOLATILE = (
    *("/var/lib/apt/extended_states", "/var/lib/apt/periodic", "/etc/ld.so.cache"),
    *("/var/lib/dpkg/status-old", "/var/lib/dpkg/lock*", "/var/lib/dpkg/triggers/*"),
    *("/var/lib/dpkg/diversions-old", "/var/lib/dpkg/statoverride-old"),
    *("/var/lib/dpkg/available", "/var/lib/dpkg/status", "/var/lib/apt/lists/lock"),
    *("/var/lib/systemd/*", "/root/.bash_history", "/var/lib/dpkg/info/format"),
    *("/var/lib/apt/lists/auxfiles", "/var/lib/apt/lists/partial"),
    *("/var/log/apt/eipp.log.xz", "/var/lib/dpkg/updates/*"),
)
_SNAPSHOT = f"""\
cd /
# The kernel adds an IPv6 address's routes when it has seen that nobody else has it.
for _ in $(seq 100); do
    [ -n "$(ip -6 -o address show tentative)" ] || break
    sleep 0.1
done
dpkg-query --show --showformat='package ${{Package}} ${{Version}} ${{Status}}\\n'
find etc opt usr/local root home var/lib var/log -xdev \
{" ".join(f"! -path '{path[1:]}'" for path in _VOLATILE)} ! -path 'var/log/*.log' \
-printf 'file /%p %m %u %l\\n'
find etc -xdev -type f ! -path etc/ld.so.cache -exec sha256sum {{}} + | sed 's/^/sum /'
systemctl list-unit-files --no-legend --no-pager | sed 's/^/unit file /'
systemctl list-units --state=running,failed --plain --no-legend --no-pager |
    awk '{{print "unit " $1}}'
sysctl --ignore {" ".join(SYSCTLS)} 2> /dev/null | sed 's/^/setting /'
# Whose power was cut gets another card.
ip route show table all | sed 's/^local fe80::[^ ]*/local link/; s/^/route /'
ip -o link show | awk '{{sub("@.*", "", $2); print "link " $2}}'
for tool in iptables ip6tables; do
    $tool-save 2> /dev/null | grep ^-A | sed "s/^/$tool /" || true
done
awk '{{print "mount " $2}}' /proc/self/mounts
ps -e -o comm= | grep -E 'kube|containerd|etcd|registry' | sed 's/^/process /' || true
"""


@pytest.fixture(scope="module")
def foreign(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Return bare machines, with somebody's user on one of them."""
    package = sudo(tmp_path_factory.mktemp("sudo"))
    if package is None:
        pytest.skip("this computer knows no mirror that has the package sudo")
    with machines(home, package) as made:
        yield made


@pytest.fixture
def inventory(foreign: Lab, tmp_path: Path) -> Path:
    """Write the inventory of those machines; what it does not say is usual."""
    write(tmp_path / "hosts.yaml", document(foreign))
    return tmp_path / "hosts.yaml"


def snapshot(foreign: Lab) -> dict[str, set[str]]:
    """Return what is on each machine: packages, files, units, settings, rules."""
    found = {}
    for machine in foreign.record.nodes:
        with foreign.shell(machine.name) as shell:
            found[machine.name] = set(shell.script(_SNAPSHOT).stdout.splitlines())
    return found


def difference(before: dict[str, set[str]], after: dict[str, set[str]]) -> str:
    """Return what came and went, machine by machine; nothing is empty."""
    lines = []
    for name, lines_before in before.items():
        lines += [f"{name} - {line}" for line in sorted(lines_before - after[name])]
        lines += [f"{name} + {line}" for line in sorted(after[name] - lines_before)]
    return "\n".join(lines)


def test_machines_become_a_lab_and_are_left_as_they_were(
    home: Home, foreign: Lab, inventory: Path
) -> None:
    """The folder is all that commands need; 'down' asks, and undoes everything."""
    write(inventory, powered(document(foreign), foreign))
    before = snapshot(foreign)
    own = home.up("own", "--inventory", str(inventory), measure="up --inventory")

    assert [m.name for m in own.record.machines] == ["master", "node1", "node2"]
    nodes = own.kubectl("get", "nodes", "--no-headers")
    assert nodes.stdout.count(" Ready ") == 3, nodes.text
    assert own.run("status").stdout.count("answers") == 3
    assert own.run("ssh", "node1", "id -un; cat /etc/sudoers.d/ada").stdout.startswith(
        "root\n"
    )
    again = own.run("up", "--timings", "json")
    phases = json.loads(again.stdout)["phases"]
    assert {phase["outcome"] for phase in phases} == {"unchanged"}
    stop = own.run("stop")
    assert stop.returncode == 2
    assert "not ours to switch" in stop.text
    with own.cluster() as cluster:
        assert cluster.on("node1").run(["id", "-u"]).stdout == "0\n"
        cluster.machine("node2").power_off()
        assert foreign.states()["node2"] != "running"
        cluster.machine("node2").power_on()
        wait.nodes(cluster, ready=3, timeout=60)
    asked = own.run("down")
    assert asked.returncode == 2
    assert "--yes" in asked.text
    assert own.folder.root.exists()

    down = own.run("down", "--yes", measure="down --yes")
    assert down.returncode == 0, down.text
    assert not own.folder.root.exists()
    assert difference(before, snapshot(foreign)) == ""


def test_packages_and_images_come_from_where_the_reader_says(
    home: Home, foreign: Lab, tmp_path: Path
) -> None:
    """The lab's own depot stands for the reader's: a repository and a registry.

    So does the Pod network.
    """
    depot = next(m for m in foreign.record.machines if not m.is_node)
    with foreign.shell("depot") as shell:
        key = shell.run(["base64", "/srv/apt/key.gpg"]).stdout
    (tmp_path / "apt.gpg").write_bytes(base64.b64decode(key))
    (tmp_path / "ca.crt").write_text(foreign.folder.ca.read_text())
    line = f"{depot.address} depot.lab registry.lab\n"
    for machine in foreign.record.nodes:
        with foreign.shell(machine.name) as shell:
            shell.put("/etc/hosts", shell.read("/etc/hosts") + line)
    before = snapshot(foreign)
    signed = "signed-by=/etc/apt/keyrings/kubernetes.gpg"
    source = f"deb [{signed}] https://depot.lab/apt lab main"
    packages = {"source": source, "key": "apt.gpg", "ca": "ca.crt"}
    content = {
        **document(foreign),
        "packages": packages,
        "images": {"mirror": "https://registry.lab", "ca": "ca.crt"},
        "cni": "network.yaml",
    }
    (tmp_path / "network.yaml").write_text(pod_network(foreign))
    write(tmp_path / "hosts.yaml", content)

    own = home.up("sources", "--inventory", str(tmp_path / "hosts.yaml"))

    with foreign.shell("node2") as shell:
        policy = shell.run(["apt-cache", "policy", "kubelet"]).stdout
        listening = shell.run(["ss", "-Htln"]).stdout
        networks = shell.run(["ls", "/etc/cni/net.d"]).stdout.split()
    assert "https://depot.lab/apt" in policy
    assert ":5443" not in listening
    assert networks == ["10-reader.conflist"]
    assert own.run("down", "--yes").returncode == 0
    assert difference(before, snapshot(foreign)) == ""


def test_nothing_is_changed_before_all_machines_are_judged(
    home: Home, foreign: Lab, inventory: Path
) -> None:
    """What has to be mended is named together: two machines, three things."""
    with foreign.shell("node2") as two, foreign.shell("node1") as one:
        two.script("mkdir -p /etc/kubernetes; touch /etc/kubernetes/admin.conf")
        one.script("hostname debian")
        two.script("hostname debian")
        before = snapshot(foreign)
        said = home.lab("bad").run("up", "--inventory", str(inventory))
        two.script("rm -r /etc/kubernetes; hostname node2")
        one.script("hostname node1")

    assert said.returncode == 3, said.text
    assert "node2: files of another cluster are there: /etc/kubernetes" in said.text
    assert said.text.count("another machine is called 'debian', too") == 2
    assert not home.lab("bad").folder.root.exists()
    assert "file /etc/kubernetes/admin.conf" in str(before)


def test_host_keys_are_never_blindly_accepted(
    home: Home, foreign: Lab, tmp_path: Path
) -> None:
    """Without a fingerprint and without a terminal, it says what to write."""
    content = document(foreign)
    right = content["machines"][0].pop("host_key")
    write(tmp_path / "hosts.yaml", content)
    said = home.lab("keys").run("up", "--inventory", str(tmp_path / "hosts.yaml"))

    assert said.returncode == 8
    assert f"machines[0]: host_key: {right}" in said.text
    content["machines"][0]["host_key"] = content["machines"][1]["host_key"]
    write(tmp_path / "hosts.yaml", content)
    other = home.lab("keys").run("up", "--inventory", str(tmp_path / "hosts.yaml"))
    assert other.returncode == 8
    assert "another host key than the inventory names" in other.text


def test_an_installation_that_fails_is_undone(
    home: Home, foreign: Lab, inventory: Path
) -> None:
    """A machine that lacks what nobody looked for: the others are cleaned, too."""
    before = snapshot(foreign)
    with foreign.shell("node2") as shell:
        hide(shell, "/usr/bin/dpkg-deb")
        said = home.lab("half").run("up", "--inventory", str(inventory))
        show(shell, "/usr/bin/dpkg-deb")

    assert said.returncode == 8, said.text
    assert "what was done is undone" in said.text
    assert not home.lab("half").folder.root.exists()
    assert difference(before, snapshot(foreign)) == ""


def hide(shell: SSHShell, path: str) -> None:
    """Take a program away from a machine."""
    shell.run(["mv", path, f"{path}.hidden"])


def show(shell: SSHShell, path: str) -> None:
    """Give a program back."""
    shell.run(["mv", f"{path}.hidden", path])


def test_the_foreign_lab_is_no_inventory(foreign: Lab, inventory: Path) -> None:
    """A lab that was made here is not taken for one of somebody's machines."""
    with pytest.raises(BadInput, match="there is a lab named"):
        lifecycle.up(foreign.name, inventory=inventory)
