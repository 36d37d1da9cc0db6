"""Machines of an inventory are judged together, by what they said, and profiled."""

from __future__ import annotations

import socket
import time
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from fakes.shell import FakeShell
from paths import BUNDLE

from k8slab.core.process import LocalRunner
from k8slab.errors import CommandFailed, HostProblem, LabError
from labmaker.bundle.architecture import architecture
from labmaker.inventory import facts, preflight
from labmaker.inventory.facts import NEEDED, Facts
from labmaker.inventory.schema import Inventory, read

TEXT = """\
machines:
  - {name: master, role: control-plane, address: 127.0.0.1}
  - {name: node1, address: 192.0.2.12, user: ada, sudo: true}
"""


def told(**other: str) -> str:
    """Return what a machine says that can be used, but for what is given."""
    said = {
        "uid": "0",
        "os": "debian 12",
        "name": "Debian GNU/Linux 12 (bookworm)",
        "arch": architecture(),
        "memory_kb": "4000000",
        "disk_kb": "40000000",
        "cores": "2",
        "hostname": "one",
        "time": "1000",
        "container": "none",
        "systemd": "yes",
        "cgroup": "cgroup2fs",
        "controllers": "cpuset cpu io memory pids",
        "users": "0 0 4294967295",
        "kmsg": "yes",
        "swap": "",
        "ports": "22 111",
        "device": "ens3",
        "routes": "192.0.2.0/24",
        "servers": "1",
        "sftp": "yes",
        **other,
    }
    lines = [f"{name}={value}" for name, value in said.items()]
    return "\n".join(lines + [f"package={name}" for name in NEEDED])


def of(**other: str) -> Facts:
    """Return the facts of such a machine."""
    return facts.parse(told(**other), 1000.0)


@pytest.fixture
def inventory(tmp_path: Path) -> Inventory:
    """Return an inventory of two machines."""
    (tmp_path / "hosts.yaml").write_text(TEXT)
    return read(tmp_path / "hosts.yaml")


def judged(inventory: Inventory, **other: str) -> list[str]:
    """Return what is found about a worker that says something else than usual."""
    known = {"master": of(hostname="two"), "node1": of(**other)}
    found = preflight.judge(inventory, known)
    return [f"{each.machine}: {each.seen}; {each.cure}" for each in found]


def test_usual_machines_can_be_used(inventory: Inventory) -> None:
    """A stock Debian with a mirror needs nothing."""
    assert judged(inventory) == []
    assert judged(inventory, os="debian 13") == []


MOVED = "move them away: mv /etc/a /etc/a.before; mv /etc/b /etc/b.before"
PURGED = "move them away: mv /etc/a /etc/a.before; dpkg --purge a b"
NFT = "nft insert rule inet filter forward ip daddr 10.244.0.0/16 accept; and write"
OLDER = "iptables -I FORWARD -d 10.244.0.0/16 -j ACCEPT; and write"
BAD = [
    ({"uid": "1000"}, "not root", "sudo: true"),
    ({"os": "ubuntu 24.04", "name": "Ubuntu 24.04"}, "runs Ubuntu 24.04", "12 or 13"),
    ({"os": "debian 11"}, "it runs", "Debian"),
    ({"arch": "riscv64"}, "its processor is riscv64", "packages"),
    ({"systemd": ""}, "systemd does not run it", ""),
    ({"sftp": ""}, "no sftp-server", "openssh-sftp-server"),
    ({"swap": "/dev/sda2"}, "swap is on: /dev/sda2", "out of /etc/fstab, or remove"),
    ({"lacks": "br_netfilter"}, "no br_netfilter", ""),
    ({"memory_kb": "600000"}, "600 MB of memory", "700 MB"),
    ({"disk_kb": "1000000"}, "1000 MB are free", "4000 MB"),
    ({"found": "crio"}, "it has crio already", "remove"),
    ({"full": "/etc/kubernetes"}, "another cluster are there: /etc/kubernetes", ""),
    ({"settings": "/etc/a /etc/b"}, "installation are there: /etc/a, /etc/b", MOVED),
    ({"settings": "/etc/a", "owners": "a b a"}, "a, those of a, those of b", PURGED),
    ({"owners": "kubelet"}, "are there: those of kubelet", "away: dpkg --purge kubele"),
    ({"ports": "22 10250 10256"}, "ports are in use: 10250, 10256", "ss -tlnp"),
    ({"time": "1090"}, "90 s ahead of", "timedatectl"),
    ({"time": "900"}, "100 s behind", "timedatectl"),
    ({"device": ""}, "no address 192.0.2.12", ""),
    ({"device": "lo"}, "no address 192.0.2.12", "network of the machines"),
    ({"firewall": "ufw"}, "the firewall ufw is active", "disable"),
    ({"routes": "10.0.0.0/8"}, "10.0.0.0/8, which meets the pods", "'pods'"),
    ({"routes": "10.244.1.7"}, "10.244.1.7/32, which meets the pods", "'pods'"),
    ({"routes": "10.96.0.0/24"}, "10.96.0.0/24, which meets the serv", "'services'"),
    ({"users": "0 100000 65536", "kmsg": ""}, "a user namespace", "virtual machine"),
    ({"kmsg": ""}, "no /dev/kmsg, without which", "lxc.mount.entry = /dev/kmsg"),
    ({"controllers": "cpuset cpu io pids"}, "off: memory", "'cgroup_enable=memory'"),
    ({"cgroup": "tmpfs"}, "off: blkio, cpuacct, devices, freezer", "reboot"),
    ({"drops": "inet/filter/forward"}, "its chain inet filter forward drops", NFT),
    ({"drops": "ip/filter/FORWARD,10.9.0.0/16"}, "chain ip filter FORWARD", OLDER),
    ({"unreached": "127.0.0.1/6443"}, "not reach 127.0.0.1, port 6443", "every port"),
    ({"routed": "127.0.0.1"}, "reaches 127.0.0.1 through a router", "cni"),
]


@pytest.mark.parametrize(("other", "seen", "cure"), BAD, ids=lambda v: str(v)[:40])
def test_each_thing_that_differs_is_found(
    inventory: Inventory, other: dict[str, str], seen: str, cure: str
) -> None:
    """It is named with its machine, and what to do about it."""
    (found, *_) = judged(inventory, **other)

    assert found.startswith("node1: ")
    assert seen in found.partition("; ")[0]
    assert cure in found.partition("; ")[2]


def test_settings_of_a_package_that_is_there_go_with_it(inventory: Inventory) -> None:
    """Who removes containerd need not move them."""
    (found,) = judged(inventory, found="containerd", settings=facts.SETTINGS[0])

    assert found.startswith("node1: it has containerd already")


def test_all_settings_that_packages_bring_are_looked_for() -> None:
    """A package that brings another one brings dpkg's question, too."""
    lists = (BUNDLE / "packages").glob("*/DEBIAN/conffiles")
    brought = [line for each in lists for line in each.read_text().split()]

    assert sorted(brought) == sorted(facts.SETTINGS)


def test_a_control_plane_needs_more(inventory: Inventory) -> None:
    """Two processors, and its own ports and the depot's free."""
    known = {
        "master": of(hostname="two", cores="1", ports="6443 5443"),
        "node1": of(ports="6443 5443"),
    }
    seen = [each.seen for each in preflight.judge(inventory, known)]

    assert seen == ["it has one processor", "ports are in use: 5443, 6443"]


def test_swap_is_a_containers_hosts_business(inventory: Inventory) -> None:
    """A container can switch none off."""
    assert judged(inventory, swap="/dev/sda2", container="podman") == []


def test_packages_that_apt_knows_nowhere_are_named(inventory: Inventory) -> None:
    """Ours stand on them, and do not bring them."""
    text = told().replace("package=socat", "")
    known = {"master": of(hostname="two"), "node1": facts.parse(text, 1000)}
    (found,) = preflight.judge(inventory, known)

    assert found.seen == "apt knows no package socat"


def test_one_name_for_two_machines(inventory: Inventory) -> None:
    """Both are named."""
    known = {"master": of(), "node1": of()}

    found = list(preflight.judge(inventory, known))
    assert [each.machine for each in found] == ["master", "node1"]


class Machine(FakeShell):
    """A machine that says what it is told to, or fails."""

    def __init__(self, name: str, said: str, complaint: str = "") -> None:
        super().__init__(name, "192.0.2.1")
        self.answer = lambda _: (1 if complaint else 0, said, complaint)


def test_all_machines_are_named_in_one_error(inventory: Inventory) -> None:
    """Also one that lets nobody become root; none was changed."""
    shells: dict[str, Any] = {
        "master": Machine("master", told(swap="/dev/sdb")),
        "node1": Machine("node1", "", "sudo: a password is required"),
    }
    with pytest.raises(HostProblem, match="nothing was changed") as caught:
        preflight.look(inventory, shells)

    assert "sudo does not make ada root" in caught.value.seen
    assert "NOPASSWD" in caught.value.next
    assert len(shells["master"].asked) == 1


def found(inventory: Inventory, node: Any) -> str:
    """Return what is found about a worker, and what to do about it."""
    now = str(int(time.time()))
    shells: dict[str, Any] = {
        "master": Machine("master", told(hostname="two", time=now)),
        "node1": node,
    }
    with pytest.raises(HostProblem) as caught:
        preflight.look(inventory, shells)
    return f"{caught.value.seen} | {caught.value.next}"


CLOUD = 'Please login as the user "debian" rather than the user "root".'
LOGINS = [
    ("sudo: a password is required", "NOPASSWD: ALL'"),
    ("ada is not in the sudoers file.", "NOPASSWD: ALL'"),
    ("sh: 1: exec: sudo: not found", "it has no sudo | node1: on it, as root: apt-get"),
    ("sudo: sorry, you must have a tty to run sudo", "'Defaults:ada !requiretty'"),
    (CLOUD, "set 'user: debian' and 'sudo: true'"),
    ("This account is currently not available.", "what it says: ssh root@192.0.2.1"),
    ("all that sudo does is logged", "what it says: ssh root@192.0.2.1"),
]


@pytest.mark.parametrize(("complaint", "cure"), LOGINS)
def test_a_login_that_runs_no_command_has_a_cure(
    inventory: Inventory, complaint: str, cure: str
) -> None:
    """Each has its own; where none is known, a look by hand."""
    seen = found(inventory, Machine("node1", "", complaint))

    assert cure in seen
    assert seen.count("NOPASSWD") == cure.count("NOPASSWD")


def test_files_that_cannot_be_read_are_found(
    inventory: Inventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server may have no subsystem for them."""
    node = Machine("node1", told(time=str(int(time.time()))))

    def read(path: str) -> str:
        raise LabError("node1 does not take files", seen="no answer", next="mend it")

    monkeypatch.setattr(node, "read", read)

    assert "does not take files: no answer | node1: mend it" in found(inventory, node)


def test_the_api_server_must_be_within_reach(
    inventory: Inventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refused connection says that it is; silence says that it is not."""
    now = str(int(time.time()))
    shells: dict[str, Any] = {
        "master": Machine("master", told(hostname="two", time=now)),
        "node1": Machine("node1", told(time=now)),
    }
    assert set(preflight.look(inventory, shells)) == {"master", "node1"}

    def silence(*_: object) -> None:
        raise TimeoutError("timed out")

    monkeypatch.setattr(socket, "create_connection", silence)
    with pytest.raises(HostProblem) as caught:
        preflight.look(inventory, shells)
    assert "does not reach 127.0.0.1, port 6443" in caught.value.seen


def test_the_profile_follows_from_the_machines(inventory: Inventory) -> None:
    """On cgroup v2 systemd drives; a container's kernel settings are left alone."""
    real = preflight.profile(inventory, {"master": of(), "node1": of()})
    mixed = {"master": of(), "node1": of(cgroup="tmpfs", container="podman")}
    contained = preflight.profile(inventory, mixed)

    assert (real.cgroup_driver, real.cgroup_v1) == ("systemd", False)
    assert (real.contained, real.outside, real.made_here) == (False, True, False)
    assert real.device("node1") == "ens3"
    assert (contained.cgroup_driver, contained.cgroup_v1) == ("cgroupfs", True)
    assert contained.contained


def test_a_manifest_of_a_network_goes_through_routers(inventory: Inventory) -> None:
    """Our Pod network needs machines of one network; others do not."""
    other = replace(inventory, cni=Path("cni.yaml"))

    assert judged(other, routed="127.0.0.1") == []
    assert not preflight.profile(other, {"master": of(), "node1": of()}).pod_network


@pytest.mark.slow
def test_the_script_runs_on_a_debian_and_changes_nothing() -> None:
    """This computer answers it with its own facts."""
    runner: Any = LocalRunner()
    machine: Any = type("M", (), {"address": IPv4Address("127.0.0.1")})
    try:
        seen = facts.ask(machine, [], runner)
    except CommandFailed as error:
        pytest.fail(str(error))

    assert seen.said["uid"].isdigit()
    assert seen.number("memory_kb") > 0
    assert seen.said["device"] == "lo"
    assert abs(seen.skew_s) < 5


APT = """\
#!/bin/sh
shift
case $LC_ALL in C*) word=Candidate ;; *) word=Installationskandidat ;; esac
for name; do printf '%s:\\n  %s: 1.0\\n' "$name" "$word"; done
"""


@pytest.mark.slow
def test_a_debian_of_any_language_has_its_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """German apt calls a candidate by another word, unless it is asked in English."""
    (tmp_path / "apt-cache").write_text(APT)
    (tmp_path / "apt-cache").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin:/usr/sbin:/sbin")
    german: Any = LocalRunner(env={"LC_ALL": "de_DE.UTF-8"})
    machine: Any = type("M", (), {"address": IPv4Address("127.0.0.1")})

    assert facts.ask(machine, [], german).words("package") == NEEDED


@pytest.mark.parametrize(
    ("resolv", "servers"),
    [
        ("nameserver 127.0.0.1", "0"),
        ("nameserver 127.0.0.53", "0"),
        ("nameserver ::1", "0"),
        ("# nameserver 192.0.2.1", "0"),
        ("nameserver 192.0.2.1", "1"),
        ("nameserver 127.0.0.1\nnameserver 2001:db8::1", "1"),
        (None, "0"),
    ],
)
def test_only_name_servers_that_a_pod_can_ask_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, resolv: str | None, servers: str
) -> None:
    """CoreDNS takes over the machine's, and 127.0.0.1 would be CoreDNS itself."""
    monkeypatch.setattr(facts, "RESOLV", str(tmp_path / "resolv.conf"))
    if resolv is not None:
        (tmp_path / "resolv.conf").write_text(f"{resolv}\n")
    said = asked(tmp_path, monkeypatch, systemctl="exit 1").said

    assert said["servers"] == servers


def asked(folder: Path, monkeypatch: pytest.MonkeyPatch, **programs: str) -> Facts:
    """Return what a computer says some of whose programs print something else."""
    for name, text in {"apt-cache": "", "dpkg-query": "", **programs}.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin:/usr/sbin:/sbin")
    runner: Any = LocalRunner()
    machine: Any = type("M", (), {"address": IPv4Address("127.0.0.1")})
    return facts.ask(machine, [], runner)


@pytest.mark.slow
def test_a_route_to_one_address_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A removal flushes all that lie in the ranges; a default route is none."""
    ip = """cat << END
default via 192.0.2.1 dev eth0
10.244.1.7 via 192.0.2.9 dev wg0
blackhole 198.51.100.0/24
local 192.0.2.12 dev eth0 table local
unreachable default dev lo
END"""
    seen = asked(tmp_path, monkeypatch, ip=ip).words("routes")

    assert seen == ("10.244.1.7", "198.51.100.0/24", "192.0.2.12")


RULES = """\
table inet filter {
	set lan {
		elements = { 192.168.1.0/24,
			10.244.0.0/16 }
	}
	chain input {
		type filter hook input priority filter; policy drop;
	}
	chain forward {
		type filter hook forward priority filter; policy drop;
	}
}
table inet last {
	chain forward {
		type filter hook forward priority filter + 10; policy accept;
		oifname "virbr0" drop
		counter reject with icmp admin-prohibited
	}
	chain else {
		drop
	}
}
table ip6 filter {
	chain FORWARD {
		type filter hook forward priority filter; policy drop;
	}
}
"""


@pytest.mark.slow
def test_chains_that_drop_what_is_forwarded_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the ranges that their tables name; of the older iptables only if it is."""
    (tmp_path / "names").write_text("nat\nfilter\n")
    monkeypatch.setattr(facts, "OLD_TABLES", str(tmp_path / "names"))
    nft = f"cat << 'END'\n{RULES}END"
    old = """echo '-P FORWARD DROP'
echo '-A FORWARD -p icmp -m icmp --icmp-type 3/4 -j ACCEPT'
echo '-A FORWARD -s 10.3.0.0/16 -j ACCEPT'"""
    programs = {"nft": nft, "iptables-legacy": old}
    seen = asked(tmp_path, monkeypatch, **programs).words("drops")
    monkeypatch.setattr(facts, "OLD_TABLES", str(tmp_path / "none"))
    other = asked(tmp_path, monkeypatch, **programs).words("drops")

    assert sorted(set(seen) - set(other)) == ["ip/iptables-legacy/FORWARD,10.3.0.0/16"]
    assert sorted(other) == [
        "inet/filter/forward,192.168.1.0/24,10.244.0.0/16",
        "inet/last/forward",
    ]
    bridge = 'iifname "cni0" accept comment "10.1/16"'
    named = RULES.replace('oifname "virbr0" drop', bridge)
    found = asked(tmp_path, monkeypatch, nft=f"cat << 'END'\n{named}END")
    assert sorted(found.words("drops"))[1] == "inet/last/forward,0.0.0.0/0"


def test_a_chain_that_names_the_pods_lets_them_pass(inventory: Inventory) -> None:
    """By their range or a wider one; a firewall's unit is one finding, not two."""
    assert judged(inventory, drops="inet/f/f,10.244.0.0/16 inet/g/g,10.0.0.0/8") == []
    assert judged(inventory, drops="inet/f/f,0.0.0.0/0") == []
    assert judged(inventory, drops="inet/f/f,999.1.1.1/40") != []
    own = replace(inventory, cni=Path("cni.yaml"))  # which writes into FORWARD
    assert judged(own, drops="ip/filter/FORWARD") == []
    assert judged(own, drops="inet/filter/forward") != []
    (found,) = judged(inventory, drops="inet/firewalld/f", firewall="firewalld")
    assert "systemctl disable --now firewalld" in found


@pytest.mark.slow
def test_machines_try_the_ports_of_the_others(
    inventory: Inventory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refused connection arrived; one that ends otherwise did not."""
    bash = """case $2 in
*/6443*) echo 'connect: Connection refused'; exit 1 ;;
*/5443*) ;;
*) echo 'connect: No route to host'; exit 1 ;;
esac"""
    for name, text in {"bash": bash, "apt-cache": ""}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin:/usr/sbin:/sbin")
    runner: Any = LocalRunner()
    machine: Any = type("M", (), {"address": IPv4Address("127.0.0.1")})
    master, node1 = inventory.machines
    ports = [*preflight._asked(inventory, master)]
    places = [f"192.0.2.1/{port}" for port in ports]

    assert ports == [10250, 6443, 5443]
    assert [*preflight._asked(inventory, node1)] == [10250]
    seen = facts.ask(machine, [], runner, places=places)
    assert seen.words("unreached") == ("192.0.2.1/10250",)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("conf", "firewalls"),
    [
        ("# comment\nENABLED=yes\nLOGLEVEL=low\n", ("ufw",)),
        ("ENABLED=no\n", ()),
        (None, ()),
    ],
)
def test_ufw_is_a_firewall_where_it_is_enabled(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    conf: str | None,
    firewalls: tuple[str, ...],
) -> None:
    """Its unit is active where it is only installed."""
    monkeypatch.setattr(facts, "UFW", str(tmp_path / "ufw.conf"))
    if conf is not None:
        (tmp_path / "ufw.conf").write_text(conf)
    active = "case $* in *is-active*ufw*) ;; *) exit 3 ;; esac"

    assert asked(tmp_path, monkeypatch, systemctl=active).words("firewall") == firewalls


def test_settings_that_are_there_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also whose they were, for dpkg asks about those that are gone, too."""
    names = (str(tmp_path / "there"), str(tmp_path / "not"))
    (tmp_path / "there").touch()
    monkeypatch.setattr(facts, "SETTINGS", names)
    query = f"[ $2 = {names[1]} ] && echo 'kubelet, b:amd64: {names[1]}'"
    seen = asked(tmp_path, monkeypatch, **{"dpkg-query": query})

    assert seen.words("settings") == names[:1]
    assert seen.words("owners") == ("kubelet", "b:amd64")
