"""Ask machines what they are, by commands that change nothing."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network

from k8slab.core.patience import stretched
from k8slab.lab_record import MachineRecord
from k8slab.ssh.shell import Shell

from ..host.doctor import KERNEL_LOG

TREES = (
    "/etc/kubernetes",
    "/etc/cni",
    "/etc/cni/net.d",
    "/opt/cni",
    "/opt/containerd",
    "/var/lib/kubelet",
    "/var/lib/etcd",
    "/var/lib/cni",
    "/var/lib/containerd",
    "/var/lib/k8slab",
    "/var/log/pods",
    "/var/log/containers",
    "/run/flannel",
    "/root/.kube",
)
"""What an installation fills; a machine must have nothing in the important ones."""
FOREIGN = (
    *("kubelet", "kubeadm", "kubectl", "crictl", "containerd", "crio"),
    *("k3s", "rke2", "microk8s"),
)
NEEDED = (
    *("conntrack", "ebtables", "ethtool", "iptables", "iproute2", "socat"),
    *("mount", "util-linux", "kmod", "curl"),
)
"""What our packages stand on, beside what they bring themselves."""
SETTINGS = ("/etc/containerd/config.toml", "/etc/crictl.yaml", "/etc/default/kubelet")
"""The settings that our packages bring; dpkg asks whether it may replace others, and
where a package that was removed, but not purged, had them and they are gone."""
RESOLV = "/etc/resolv.conf"
"""Where a machine names its name servers; no Pod can ask one on its loopback."""
UFW = "/etc/ufw/ufw.conf"
"""Where ufw says whether it is enabled; its unit is active in any case."""
OLD_TABLES = "/proc/net/ip_tables_names"
"""Which tables of the older iptables there are; to ask for them would make them."""
REACH_S = 5.0
"""Seconds in which one machine has to reach another."""

_SCRIPT = """\
export LC_ALL=C
say() { printf '%s=%s\\n' "$1" "$2"; }
say uid "$(id -u)"
. /etc/os-release; say os "${ID:-} ${VERSION_ID:-}"; say like "${ID_LIKE:-}"
say name "${PRETTY_NAME:-an unknown system}"
say arch "$(dpkg --print-architecture 2>/dev/null || uname -m)"
say memory_kb "$(awk '/^MemTotal/ {print $2}' /proc/meminfo)"
say disk_kb "$(df -Pk /var/lib | awk 'NR == 2 {print $4}')"
say cores "$(nproc)"
say hostname "$(cat /proc/sys/kernel/hostname)"
say time "$(date +%s)"
say container "$(systemd-detect-virt --container 2>/dev/null || true)"
say systemd "$(test -d /run/systemd/system && echo yes || true)"
say cgroup "$(stat -fc %T /sys/fs/cgroup)"
say controllers "$(cat /sys/fs/cgroup/cgroup.controllers 2>/dev/null ||
    awk '$4 == 1 {print $1}' /proc/cgroups | xargs)"
say users "$(xargs < /proc/self/uid_map)"
say kmsg "$(test -e __KERNEL_LOG__ && echo yes)"
say swap "$(awk 'NR > 1 {print $1}' /proc/swaps | xargs)"
say ports "$(ss -Htln 2>/dev/null | awk '{n = split($4, a, ":"); print a[n]}' | xargs)"
say device "$(ip -o -4 address show to __ADDRESS__/32 | awk '{print $2}' | head -n 1)"
say routes "$(ip -4 route show table all | \
awk '$1 != "default" {print ($1 ~ /^[a-z]/) ? $2 : $1}' |
    grep -E '^[0-9.]+(/[0-9]+)?$' | xargs || true)"
resolv=__RESOLV__  # or what kubeadm has the kubelet read in its place
systemctl --quiet is-active systemd-resolved 2>/dev/null &&
    resolv=/run/systemd/resolve/resolv.conf
say servers "$(cat $resolv 2>/dev/null |
    awk '$1 == "nameserver" && $2 !~ /^(127[.]|::1$)/ {n++} END {print n + 0}')"
for tool in __FOREIGN__; do command -v $tool >/dev/null && say found $tool; done
for tree in __TREES__; do
    test -e $tree && say there $tree
    test -n "$(ls -A $tree 2>/dev/null)" && say full $tree
done
for file in __SETTINGS__; do
    test -e $file && say settings $file
    say owners "$(dpkg-query --search $file 2>/dev/null | sed 's/: .*//; s/,//g')"
done
for other in __OTHERS__; do
    ip -4 route get $other 2>/dev/null | grep -q ' via ' && say routed $other
done
for unit in ufw firewalld; do
    systemctl --quiet is-active $unit 2>/dev/null || continue
    [ $unit = ufw ] && ! grep -qi '^ENABLED=yes' __UFW__ 2>/dev/null && continue
    say firewall $unit
done
{
    nft --stateless list ruleset
    grep -qx filter __OLD_TABLES__ && echo "table ip iptables-legacy" &&
        iptables-legacy -S FORWARD
} 2>/dev/null | awk '
    $1 == "table" {table = $2 ~ /^(ip|inet|bridge)$/ ? $2 "/" $3 : ""}
    $1 == "chain" {chain = table "/" $2; forward = 0}
    / hook forward / {forward = 1}
    forward && (/policy drop/ || $1 $2 ~ /^(counter)?(drop|reject)/) {drops[chain]}
    $1 $2 $3 == "-PFORWARDDROP" {drops[table "/FORWARD"]}
    {gsub(/[,;"]/, ""); for (i = 1; i <= NF; i++) {
        if ($i == "cni0") named[table] = named[table] ",0.0.0.0/0"
        if ($i ~ /^[0-9]+[.][0-9]+[.][0-9]+[.][0-9]+[/][0-9]+$/)
            named[table] = named[table] "," $i}}
    END {for (chain in drops) {split(chain, at, "/")
        if (at[3]) print "drops=" chain named[at[1] "/" at[2]]}}'
for place in __PLACES__; do
    {
        tried=$(timeout __REACH_S__ bash -c "exec 3<>/dev/tcp/$place" 2>&1)
        case $?:$tried in 0:* | *refused*) ;; *) say unreached $place ;; esac
    } &
done
wait
test -e /proc/sys/net/bridge/bridge-nf-call-iptables ||
    modprobe --dry-run br_netfilter 2>/dev/null || say lacks br_netfilter
grep -q overlay /proc/filesystems ||
    modprobe --dry-run overlay 2>/dev/null || say lacks overlay
apt-cache policy __NEEDED__ 2>/dev/null | awk '
    /^[^ ]/ {name = $1; sub(":$", "", name)}
    /Candidate:/ && $2 != "(none)" {print "package=" name}'
test -x /usr/lib/openssh/sftp-server && say sftp yes
true
"""


@dataclass(frozen=True)
class Facts:
    """What a machine said of itself.

    Attributes:
        said: What it said once, by name.
        lists: What it may say several times, by name.
        skew_s: Seconds by which its clock is ahead of this computer's.
    """

    said: Mapping[str, str]
    lists: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    skew_s: float = 0.0

    def number(self, name: str) -> int:
        """Return a number; 0 where it said none."""
        text = self.said.get(name, "")
        return int(text) if text.isdigit() else 0

    def words(self, name: str) -> tuple[str, ...]:
        """Return what it said in several words, or several times."""
        return self.lists.get(name, ())

    @property
    def is_container(self) -> bool:
        """Whether it is a container, whose kernel is another's."""
        return self.said.get("container", "none") not in ("", "none")

    @property
    def has_systemd_cgroups(self) -> bool:
        """Whether systemd manages its control groups, of version 2."""
        return self.has_cgroup_v2 and self.said.get("systemd") == "yes"

    @property
    def has_cgroup_v2(self) -> bool:
        """Whether its control groups are of version 2."""
        return self.said.get("cgroup") == "cgroup2fs"

    @property
    def routes(self) -> tuple[IPv4Network, ...]:
        """The ranges that it has routes to."""
        return tuple(
            IPv4Network(each, strict=False) for each in self.words("routes") if each
        )


def ask(
    machine: MachineRecord,
    others: list[MachineRecord],
    shell: Shell,
    *,
    places: Sequence[str] = (),
) -> Facts:
    """Ask one machine.

    Args:
        machine: What the inventory says of it.
        others: The other machines, which it has to reach.
        shell: It, over SSH.
        places: Their ports that it has to reach, as in ``192.0.2.11/6443``.

    Raises:
        MachineUnreachable: It does not let us in.
        CommandFailed: It cannot be asked, as when it has no bash.
    """
    text = _SCRIPT
    for word, values in (
        ("__ADDRESS__", [str(machine.address)]),
        ("__OTHERS__", [str(other.address) for other in others]),
        ("__FOREIGN__", FOREIGN),
        ("__TREES__", TREES),
        ("__NEEDED__", NEEDED),
        ("__RESOLV__", [RESOLV]),
        ("__SETTINGS__", SETTINGS),
        ("__UFW__", [UFW]),
        ("__OLD_TABLES__", [OLD_TABLES]),
        ("__KERNEL_LOG__", [KERNEL_LOG]),
        ("__PLACES__", places),
        ("__REACH_S__", [f"{stretched(REACH_S):g}"]),
    ):
        text = text.replace(word, " ".join(values))
    before = time.time()
    told = shell.run(["sh", "-c", text], timeout=30).stdout
    return parse(told, (before + time.time()) / 2)


def parse(told: str, now: float) -> Facts:
    """Return what a machine's answer says.

    Args:
        told: What the script printed.
        now: This computer's time meanwhile, in seconds since 1970.
    """
    said: dict[str, str] = {}
    lists: dict[str, tuple[str, ...]] = {}
    for line in told.splitlines():
        name, _, value = line.partition("=")
        said[name] = value
        lists[name] = (*lists.get(name, ()), *value.split())
    skew = float(said["time"]) - now if said.get("time", "").isdigit() else 0.0
    return Facts(said, lists, skew)
