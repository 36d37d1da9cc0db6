"""Undo what was changed on machines, by their journals, the last change first."""

from __future__ import annotations

import shlex
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from ipaddress import IPv4Network

from k8slab.errors import CommandFailed, LabError
from k8slab.ssh.client import SSHShell

from ..apt import once_free
from ..install.steps.system import without_hosts
from .journal import Entry, Journal, is_tree

# Nothing of it fails where a part is gone already: it may have been ended half way.
_CLUSTER = """\
if command -v kubeadm > /dev/null; then
    kubeadm reset --force --cri-socket=unix:///run/containerd/containerd.sock || true
fi
for unit in kubelet containerd; do systemctl stop $unit 2> /dev/null || true; done
for pid in $(pgrep -f '^/usr/bin/containerd-shim-runc-v2 ' || true); do
    kill -KILL "$pid" 2> /dev/null || true
done
awk '{print $2}' /proc/self/mounts |
    grep -E '^/(var/lib/kubelet|run/containerd)/|^/run/netns/cni-' | sort -r |
    while read -r mount; do umount "$mount" 2> /dev/null || true; done
rm -rf /run/containerd /run/nri /run/netns/cni-*
ip link delete cni0 2> /dev/null || true
for range in RANGES; do
    ip -4 route flush root "$range" 2> /dev/null || true
    ip -4 route flush type unreachable root "$range" 2> /dev/null || true
done
for tool in iptables ip6tables; do
    command -v $tool-save > /dev/null || continue
    $tool-save 2> /dev/null | grep -v -E -e 'KUBE-|CNI-' -e '-d SERVICES .*-j REJECT' \\
        -e '-s PODS ! -d PODS .*-j MASQUERADE' | $tool-restore || true
done
if command -v nft > /dev/null; then
    for family in ip ip6; do
        nft delete table $family kube-proxy 2> /dev/null || true
    done
fi
"""
# A folder that is a mount of its own, as a disk for images, stays with its mount, and
# so does a link to another disk. What is mounted inside and busy may be a volume on
# another computer, with somebody's data.
_TREE = """\
at=$(readlink -m "$1")
[ "${at#/}" ] || exit 1  # or all that is mounted would be inside
inside() { awk '{print $2}' /proc/self/mounts | grep "^$at/" | sort -r; }
inside | while read -r mount; do umount "$mount" 2> /dev/null || true; done
left=$(inside)
if [ -n "$left" ]; then
    echo "these are still mounted, so nothing is removed:" $left >&2
    exit 32
fi
if [ "$2" = none ]; then
    rm -rf "$1"
else
    mkdir -p "$at"
    find "$at" -xdev -mindepth 1 -delete
    chmod "$2" "$at"
fi
"""
_MOUNTED = 32
"""How that ends where something stays mounted, as ``umount`` itself does."""
# What apt keeps of a source has its address in its name, with '_' for each '/'.
_LISTS = """\
sed -n 's#^deb .*[ ]\\(file:\\|https*://\\)\\([^ ]*\\) .*#\\2#p' "$1" 2> /dev/null |
    sed 's#/*$##; s#/#_#g' | while read -r name; do
    rm -f /var/lib/apt/lists/"$name"_*
done
"""
_PACKAGES_S = 300.0


def machine(
    shell: SSHShell,
    journal: Journal,
    ranges: Mapping[str, str],
    skipped: Callable[[str], None],
) -> bool:
    """Undo what was changed on one machine; return whether there was anything.

    It may be ended at any point, and then goes on with what was being undone.

    Args:
        shell: The machine.
        journal: What was changed on it; forgotten at the end.
        ranges: The cluster's ``pods`` and ``services``.
        skipped: Called with each noted folder that is none of those filled here, as
            the words of a login file may be; nothing is done to it.

    Raises:
        MachineUnreachable: It does not answer; its journal stays.
        CommandFailed: Something cannot be undone; its journal stays.
        LabError: Its journal cannot be read, or is another version's; nothing is
            undone.
    """
    is_noted = journal.file.exists()
    entries = journal.entries()
    _refuse_unknown(journal, entries)
    for number, entry in reversed([*enumerate(entries)]):
        if entry["kind"] == "tree" and not is_tree(entry["path"], _mode(entry)):
            skipped(str(entry["path"]))
        else:
            _UNDO[str(entry["kind"])](shell, entry, ranges)
        journal.keep(entries[:number])  # twice would undo what others did since
    if is_noted:  # also where an earlier removal was ended just here
        shell.run(["systemctl", "daemon-reload"])
        shell.run(["systemctl", "reset-failed"], check=False)
    journal.forget()
    return is_noted


def _refuse_unknown(journal: Journal, entries: Sequence[Entry]) -> None:
    """Refuse a journal with a kind of change that nothing here undoes."""
    strange = [str(e["kind"]) for e in entries if str(e["kind"]) not in _UNDO]
    if strange:
        raise LabError(
            f"the notes of what was changed on {journal.file.stem} are another "
            "version's",
            where=str(journal.file),
            wanted="changes of these kinds: " + ", ".join(_UNDO),
            seen=", ".join(dict.fromkeys(strange)),
            next="repeat the command with the version that made the lab",
        )


def _cluster(shell: SSHShell, entry: Entry, ranges: Mapping[str, str]) -> None:
    text = _CLUSTER.replace("RANGES", " ".join(ranges.values()))
    text = text.replace("SERVICES", ranges["services"]).replace("PODS", ranges["pods"])
    shell.script(text, shell="sh", timeout=180)  # noqa: S604 - which of its shells


def _packages(shell: SSHShell, entry: Entry, ranges: Mapping[str, str]) -> None:
    names = list(entry["names"])
    if not names:
        return
    # By dpkg: apt would ask for other sources, and purge what depends on them, too.
    asked = shell.run(
        ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Abbrev}\\n"]
    ).stdout
    there = {line.split()[0] for line in asked.splitlines() if line}
    gone = [name for name in names if name in there]
    if gone:
        purge = ["env", "DEBIAN_FRONTEND=noninteractive", "dpkg", "--purge"]
        purge += ["--force-remove-reinstreq", *gone]  # one that was interrupted
        run = partial(shell.run, purge, check=False, timeout=_PACKAGES_S)
        once_free(run, shell.where)
    kept = [f"/var/cache/apt/archives/{name}_" for name in names]
    remove = " ".join(f"{shlex.quote(path)}*.deb" for path in kept)
    shell.run(["sh", "-c", f"rm -f {remove}"])


def _file(shell: SSHShell, entry: Entry, ranges: Mapping[str, str]) -> None:
    path = str(entry["path"])
    folder, _, name = path.rpartition("/")
    if folder == "/etc/systemd/system" and not entry["mode"]:
        shell.run(["systemctl", "disable", "--now", name], check=False)
    if folder == "/etc/apt/sources.list.d":
        shell.run(["sh", "-c", _LISTS, "sh", path])
    if entry["mode"]:
        text = b64decode(entry["text"])
        if path == "/etc/hosts" or path.startswith("/etc/cloud/templates/"):
            text = _hosts(shell, path, text)
        shell.put(path, text, mode=int(entry["mode"], 8))
    else:
        shell.run(["rm", "-f", path])
    if entry["missing"]:  # the innermost first; what others put there stays
        shell.run(["rmdir", *entry["missing"]], check=False)


def _hosts(shell: SSHShell, path: str, before: bytes) -> bytes:
    """Return a hosts file without the lab's part, with what others wrote since."""
    now = shell.run(["cat", path], check=False).stdout
    kept = without_hosts(now)
    was = before.decode("utf-8", "replace")
    if kept == now or kept.rstrip("\n") == was.rstrip("\n"):
        return before
    return kept.encode()


def _tree(shell: SSHShell, entry: Entry, ranges: Mapping[str, str]) -> None:
    path = str(entry["path"])
    try:
        shell.run(["sh", "-c", _TREE, "sh", path, _mode(entry)], timeout=120)
    except CommandFailed as error:
        if error.returncode == _MOUNTED:
            error.next = "on it, take away what it names: umount --lazy PATH"
        raise


def _mode(entry: Entry) -> str:
    """Return a folder's permissions; ``none`` where it was not there."""
    return str(entry["mode"]) or "none"


def _sysctl(shell: SSHShell, entry: Entry, ranges: Mapping[str, str]) -> None:
    """Set kernel settings back where they differ; a container may not set all."""
    values = dict(entry["values"])
    if not values:
        return
    told = shell.run(["sysctl", "--ignore", *values], check=False).stdout
    now = dict(line.split(" = ", 1) for line in told.splitlines() if " = " in line)
    changed = [f"{k}={v}" for k, v in values.items() if now.get(k, v) != v]
    if changed:
        shell.run(["sysctl", "--quiet", "--write", *changed], check=False)


def _modules(shell: SSHShell, entry: Entry, ranges: Mapping[str, str]) -> None:
    for name in entry["names"]:
        shell.run(["modprobe", "--remove", "--quiet", str(name)], check=False)


_UNDO: Mapping[str, Callable[[SSHShell, Entry, Mapping[str, str]], None]] = {
    "cluster": _cluster,
    "packages": _packages,
    "file": _file,
    "tree": _tree,
    "sysctl": _sysctl,
    "modules": _modules,
}


def ranges_of(pods: IPv4Network, services: IPv4Network) -> Mapping[str, str]:
    """Return the ranges as `machine` takes them."""
    return {"pods": str(pods), "services": str(services)}
