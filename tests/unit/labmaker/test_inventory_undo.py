"""What is changed on a machine is noted before, and undone in the other order."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from k8slab.core.process import Completed
from k8slab.errors import CommandFailed, LabError
from labmaker.install.steps.system import with_hosts
from labmaker.inventory import journal as journal_module
from labmaker.inventory import undo
from labmaker.inventory.journal import Journal, NotingShell

# Scripts that touch only the paths that they are given.
HARMLESS = (journal_module._FILE, journal_module._TREE, undo._TREE)
RANGES = {"pods": "10.244.0.0/16", "services": "10.96.0.0/16"}


class Machine:
    """A machine whose files are in a folder of the test; its commands are noted."""

    lab, address, where = "own", "192.0.2.11", "node1"

    def __init__(self, root: Path) -> None:
        self.root = root
        self.ran: list[str] = []
        self.says: dict[str, str] = {}
        self.broken, self.code = "", 1

    def run(self, argv: Sequence[str], **_: Any) -> Completed:
        """Run a script of ours below the folder; answer other commands."""
        line = " ".join(argv)
        self.ran.append(line)
        if self.broken and self.broken in line:
            raise CommandFailed(argv, where=self.where, returncode=self.code)
        if argv[:2] == ["sh", "-c"] and argv[2] in HARMLESS:
            words = [*argv[:4], *(str(self.root) + word for word in argv[4:])]
            if argv[-1] == "none" or argv[-1].isdigit():
                words[-1] = argv[-1]
            done = subprocess.run(words, capture_output=True, text=True, check=True)
            said = done.stdout.replace(str(self.root), "")
            return Completed(tuple(argv), self.where, 0, said, "", 0.0)
        if argv[0] in ("rm", "rmdir"):
            paths = [str(self.root) + w for w in argv[1:] if w.startswith("/")]
            flags = [word for word in argv[1:] if word.startswith("-")]
            subprocess.run([argv[0], *flags, *paths], check=False, capture_output=True)
        said = next((s for start, s in self.says.items() if start in line), "")
        return Completed(tuple(argv), self.where, 0, said, "", 0.0)

    def by_hand(self) -> str:
        """Return how to log in."""
        return "ssh root@192.0.2.11"

    def script(self, text: str, **_: Any) -> Completed:
        """Note a script."""
        return self.run(["script", text])

    def put(self, path: str, data: str | bytes, *, mode: int = 0o644) -> bool:
        """Write a file below the folder."""
        target = Path(f"{self.root}{path}")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data.encode() if isinstance(data, str) else data)
        target.chmod(mode)
        return True


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Return a machine that has a hosts file and a folder for Pods, with a mode."""
    made = Machine(tmp_path / "root")
    made.put("/etc/hosts", "127.0.0.1 localhost\n", mode=0o640)
    (made.root / "var/lib/kubelet").mkdir(parents=True)
    return made


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """Return the journal of that machine."""
    return Journal(tmp_path / "undo" / "node1.jsonl")


def noting(machine: Any, journal: Journal) -> NotingShell:
    """Return the shell that install steps get."""
    return NotingShell(machine, journal)


def undone(shell: Any, journal: Journal) -> bool:
    """Undo all that was noted; nothing is skipped."""
    skipped: list[str] = []
    anything = undo.machine(shell, journal, RANGES, skipped.append)
    assert skipped == []
    return anything


def files(machine: Machine) -> dict[str, str]:
    """Return what files and folders there are, with modes and contents."""
    return {
        str(path.relative_to(machine.root)): f"{path.stat().st_mode:o} "
        + (path.read_text() if path.is_file() else "")
        for path in sorted(machine.root.rglob("*"))
    }


def test_files_come_back_and_folders_go(machine: Machine, journal: Journal) -> None:
    """A file is as it was with its mode; what was not there is not there any more."""
    before = files(machine)
    shell = noting(machine, journal)
    shell.begin()
    shell.put("/etc/hosts", "first\n")
    shell.put("/etc/hosts", "second\n")
    shell.put("/etc/k8slab/deep/ca.crt", "x")
    shell.put("/var/lib/kubelet/config.yaml", "x")
    shell.put("/var/lib/etcd/member/snap", "x")
    (machine.root / "var/lib/kubelet").chmod(0o700)
    kinds = [entry["kind"] for entry in journal.entries()]
    assert kinds.count("file") == 2  # once each, and none in a noted folder

    shells: Any = machine
    assert undone(shells, journal)

    assert files(machine) == before
    assert not journal.file.exists()
    assert not undone(shells, journal)


def test_a_link_to_another_disk_leads_to_what_was_there(
    machine: Machine, journal: Journal
) -> None:
    """It stays, and its folder is emptied and as closed as it was."""
    disk = machine.root / "data" / "containerd"
    disk.mkdir(parents=True)
    disk.chmod(0o710)
    link = machine.root / "var/lib/containerd"
    link.symlink_to(disk)
    shell, before = noting(machine, journal), files(machine)
    shell.begin()
    shell.put("/var/lib/containerd/meta.db", "x")
    disk.chmod(0o700)

    shells: Any = machine
    assert undone(shells, journal)

    assert link.is_symlink()
    assert files(machine) == before


@pytest.mark.parametrize(
    ("now", "left"),
    [
        ("127.0.0.1 localhost\n{ours}", "127.0.0.1 localhost\n"),
        ("127.0.0.1 localhost\n10.0.0.9 db\n{ours}", None),
        ("127.0.0.1 localhost\n{ours}10.0.0.9 db\n", None),
        ("something else\n", "127.0.0.1 localhost\n"),
    ],
    ids=["ours", "before", "behind", "without ours"],
)
@pytest.mark.parametrize(
    "path", ["/etc/hosts", "/etc/cloud/templates/hosts.debian.tmpl"]
)
def test_what_others_wrote_into_the_hosts_file_stays(
    machine: Machine, journal: Journal, path: str, now: str, left: str | None
) -> None:
    """Only the lab's part goes; weeks may lie between."""
    machine.put(path, "127.0.0.1 localhost\n")
    shell = noting(machine, journal)
    shell.begin()
    shell.put(path, "ours")
    text = now.format(ours=with_hosts("", "10.0.0.1 cp1\n"))
    machine.says[f"cat {path}"] = text

    shells: Any = machine
    undone(shells, journal)

    wanted = left or "127.0.0.1 localhost\n10.0.0.9 db\n"
    assert Path(f"{machine.root}{path}").read_text() == wanted


def test_a_folder_that_went_meanwhile_comes_back(
    machine: Machine, journal: Journal
) -> None:
    """Removing a package takes a folder along that is empty then."""
    before = files(machine)
    noting(machine, journal).begin()
    (machine.root / "var/lib/kubelet").rmdir()

    shells: Any = machine
    undone(shells, journal)

    assert files(machine) == before


def test_packages_that_are_only_made_newer_are_not_ours(
    machine: Machine, journal: Journal
) -> None:
    """They were there, and would be missed."""
    machine.says["--simulate"] = (
        "Inst socat (1.7 Debian:12/stable [amd64])\n"
        "Inst curl [7.88-1] (7.88-2 Debian:12/stable [amd64])\n"
        "Conf socat (1.7 Debian:12/stable [amd64])\n"
    )
    noting(machine, journal).run(["apt-get", "install", "socat", "curl"])

    assert journal.entries()[-1] == {"kind": "packages", "names": ["socat"]}


def test_a_note_that_does_not_fit_on_the_disk_is_none(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk may take a part of it; then nothing is changed on the machine."""
    journal.note("cluster")
    write = os.write
    with monkeypatch.context() as full:
        full.setattr(os, "write", lambda handle, data: write(handle, data[:9]))
        with pytest.raises(OSError, match="No space left"):
            journal.note("packages", names=["socat"])
    journal.note("modules", names=["overlay"])

    assert [entry["kind"] for entry in journal.entries()] == ["cluster", "modules"]


def test_a_folder_that_has_something_keeps_it(
    machine: Machine, journal: Journal
) -> None:
    """Only what we wrote there goes; such as a kubeconfig of root's own stays."""
    machine.put("/root/.kube/config", "mine")
    before = files(machine)
    shell = noting(machine, journal)
    shell.begin()
    shell.put("/root/.kube/config", "ours")
    shell.put("/root/.kube/cache/x", "ours")

    shells: Any = machine
    undone(shells, journal)
    assert files(machine) == before


def test_the_last_change_is_undone_first(machine: Machine, journal: Journal) -> None:
    """The cluster, then packages and units, at last settings and folders."""
    machine.says = {
        "--simulate": "Inst containerd (2.4)\nConf containerd\nInst kubelet (1)\n",
        "dpkg-query": "containerd ii \nkubelet ii \nbash ii \n",
        "sysctl --ignore": "net.ipv4.ip_forward = 0\n",
    }
    shell = noting(machine, journal)
    shell.begin()
    shell.run(["env", "X=1", "apt-get", "install", "--yes", "kubelet=1-*"])
    shell.put("/etc/systemd/system/pod-routes.service", "x")
    shell.run(["kubeadm", "join", "--config=x"])
    machine.says["sysctl --ignore"] = "net.ipv4.ip_forward = 1\n"
    machine.ran.clear()

    shells: Any = machine
    undone(shells, journal)

    marks = ("kubeadm reset", "disable --now pod-routes", "dpkg --purge", "--write")
    places = [
        next(n for n, line in enumerate(machine.ran) if mark in line) for mark in marks
    ]
    assert places == sorted(places)
    assert any(line.endswith("reinstreq containerd kubelet") for line in machine.ran)
    assert "sysctl --quiet --write net.ipv4.ip_forward=0" in machine.ran
    assert "RANGES" not in str(machine.ran)
    assert "-s 10.244.0.0/16 ! -d 10.244.0.0/16" in str(machine.ran)


def test_nothing_is_done_that_was_not_noted(machine: Machine, journal: Journal) -> None:
    """A rehearsal that fails ends the step; nothing was installed."""
    machine.broken = "--simulate"
    shell = noting(machine, journal)
    with pytest.raises(CommandFailed):
        shell.run(["apt-get", "install", "kubelet"])

    assert machine.ran == ["apt-get install kubelet --simulate"]


def test_nothing_new_begins_where_another_step_failed(
    machine: Machine, journal: Journal
) -> None:
    """What runs ends by itself: a package manager is not ended half way."""
    shell = noting(machine, journal)
    shell.refuse()
    works: list[Callable[[], object]] = [
        lambda: shell.run(["true"]),
        lambda: shell.script("true"),
        lambda: shell.put("/etc/hosts", "x"),
        lambda: shell.upload(journal.file, "/x"),
    ]
    for work in works:
        with pytest.raises(LabError, match="goes no further"):
            work()

    assert machine.ran == []
    assert journal.entries() == []


def test_what_cannot_be_undone_stays_in_the_journal(
    machine: Machine, journal: Journal
) -> None:
    """The command can be repeated, and then begins with the last change again."""
    shell = noting(machine, journal)
    shell.put("/etc/hosts", "x")
    shell.run(["kubeadm", "init", "--config=x"])
    before = journal.entries()
    machine.broken = "kubeadm reset"
    shells: Any = machine
    with pytest.raises(CommandFailed):
        undone(shells, journal)
    assert journal.entries() == before

    machine.broken = ""
    undone(shells, journal)
    assert (machine.root / "etc/hosts").read_text() == "127.0.0.1 localhost\n"


def test_what_was_undone_once_is_not_undone_again(
    machine: Machine, journal: Journal
) -> None:
    """A removal that is repeated leaves alone what was written since the first."""
    shell = noting(machine, journal)
    shell.run(["kubeadm", "init", "--config=x"])
    (machine.root / "etc/containerd.conf").write_text("before")
    shell.put("/etc/containerd.conf", "ours")
    machine.broken = "kubeadm reset"
    shells: Any = machine
    with pytest.raises(CommandFailed):
        undone(shells, journal)
    assert (machine.root / "etc/containerd.conf").read_text() == "before"

    machine.broken = ""
    (machine.root / "etc/containerd.conf").write_text("theirs")
    undone(shells, journal)
    assert (machine.root / "etc/containerd.conf").read_text() == "theirs"


def test_a_removal_that_was_ended_at_its_last_step_ends(
    machine: Machine, journal: Journal
) -> None:
    """All entries are undone then, and systemd still knows the units."""
    noting(machine, journal).put("/etc/hosts", "x")
    machine.broken = "daemon-reload"
    shells: Any = machine
    with pytest.raises(CommandFailed):
        undone(shells, journal)
    assert journal.entries() == []

    machine.broken = ""
    machine.ran.clear()
    assert undone(shells, journal) is True
    assert machine.ran == ["systemctl daemon-reload", "systemctl reset-failed"]
    assert undone(shells, journal) is False


def test_machines_are_undone_although_this_computers_disk_is_full(
    machine: Machine, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is undone stays noted meanwhile; another error of the disk is told."""
    shell = noting(machine, journal)
    shell.put("/etc/hosts", "x")
    before = journal.entries()

    def refuse(number: int) -> None:
        def sync(handle: int) -> None:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, "fsync", sync)

    refuse(errno.EIO)
    with pytest.raises(OSError, match="Input/output"):
        journal.keep([])
    refuse(errno.ENOSPC)
    journal.keep([])
    assert journal.entries() == before
    shells: Any = machine
    undone(shells, journal)

    assert (machine.root / "etc/hosts").read_text() == "127.0.0.1 localhost\n"
    assert not journal.file.exists()


def test_an_entry_whose_writing_was_interrupted_is_none(journal: Journal) -> None:
    """What comes after the note was not done then."""
    journal.note("cluster")
    with journal.file.open("a") as file:
        file.write(json.dumps({"kind": "cluster"})[:9])

    assert journal.entries() == [{"kind": "cluster"}]


def test_a_change_that_nothing_here_undoes_is_told_before_any_is_undone(
    machine: Machine, journal: Journal
) -> None:
    """As a later version may note one: half of an undoing would be worse than none."""
    journal.note("firewall", rules=[])
    journal.note("cluster")
    before = journal.entries()
    shells: Any = machine
    with pytest.raises(LabError, match="another version's") as caught:
        undone(shells, journal)

    assert caught.value.seen == "firewall"
    assert (machine.ran, journal.entries()) == ([], before)


def test_modules_are_noted_that_were_not_loaded(
    machine: Machine, journal: Journal
) -> None:
    """Others stay."""
    machine.says = {"/proc/modules": "overlay 1 2 - Live 0x0\n"}
    noting(machine, journal).run(["modprobe", "--all", "overlay", "br_netfilter"])

    assert journal.entries() == [{"kind": "modules", "names": ["br_netfilter"]}]


@pytest.mark.parametrize(
    "said", ["Welcome to node1", "755 /home", "rm /etc/cni", "99 /etc/cni", "x"]
)
def test_only_folders_that_were_asked_about_are_noted(
    machine: Machine, journal: Journal, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    """What a login file prints would be emptied later."""
    answer = Completed(("sh",), "node1", 0, f"{said}\n755 /etc/cni\n", "", 0.0)
    monkeypatch.setattr(machine, "run", lambda *_, **__: answer)
    with pytest.raises(LabError, match="something else") as caught:
        noting(machine, journal).begin()

    assert journal.entries() == []
    assert caught.value.seen == said
    assert "ssh root@192.0.2.11 true" in caught.value.next


def test_a_line_more_does_not_change_what_is_noted_of_a_file(
    machine: Machine, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what the script says counts."""
    answer = Completed(("sh",), "node1", 0, "Welcome\nmode=640\ntext=eA==\n", "", 0.0)
    monkeypatch.setattr(machine, "run", lambda *_, **__: answer)
    noting(machine, journal).put("/etc/hosts", "x")

    (entry,) = journal.entries()
    assert (entry["mode"], entry["text"], entry["missing"]) == ("640", "eA==", [])


def test_a_folder_that_is_none_of_ours_is_left_alone(
    machine: Machine, journal: Journal
) -> None:
    """A journal may have words of a login file; the rest is undone."""
    machine.put("/home/ada/letter", "mine")
    journal.note("tree", path="to node1", mode="Welcome")
    journal.note("tree", path="/home", mode="755")
    journal.note("tree", path="/var/lib/kubelet", mode="Welcome")
    journal.note("tree", path="/var/lib/etcd", mode="")
    machine.put("/var/lib/etcd/member", "x")
    before = files(machine)
    skipped: list[str] = []
    shells: Any = machine
    assert undo.machine(shells, journal, RANGES, skipped.append)

    assert skipped == ["/var/lib/kubelet", "/home", "to node1"]
    assert set(before) - set(files(machine)) == {
        "var/lib/etcd",
        "var/lib/etcd/member",
    }
    assert not journal.file.exists()


@pytest.mark.parametrize("mode", ["none", "755"])
def test_a_folder_in_which_something_is_mounted_keeps_all(
    tmp_path: Path, mode: str
) -> None:
    """A volume that cannot be unmounted, as of a silent NFS server, is not emptied."""
    tree, programs = tmp_path / "kubelet", tmp_path / "bin"
    volume = tree / "pods" / "data"
    volume.mkdir(parents=True)
    (volume / "precious").write_text("x")
    programs.mkdir()
    for name, line in (("awk", f"echo {volume}"), ("umount", "exit 32")):
        (programs / name).write_text(f"#!/bin/sh\n{line}\n")
        (programs / name).chmod(0o755)
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"

    done = subprocess.run(
        ["sh", "-c", undo._TREE, "sh", str(tree), mode],
        env={"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (volume / "precious").exists()
    assert done.returncode == undo._MOUNTED
    assert str(volume) in done.stderr


@pytest.mark.parametrize("tree", ["", "/"])
def test_nothing_is_unmounted_where_no_folder_is_named(
    tmp_path: Path, tree: str
) -> None:
    """All that is mounted would be inside of it."""
    for name in ("readlink", "grep", "sort"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    for name in ("awk", "umount", "rm", "mkdir", "find", "chmod"):  # none the real one
        line = "echo /mounted" if name == "awk" else f": > {tmp_path}/done"
        (tmp_path / name).write_text(f"#!/bin/sh\n{line}\n")
        (tmp_path / name).chmod(0o755)

    done = subprocess.run(
        ["/bin/sh", "-c", undo._TREE, "sh", tree, "755"],
        env={"PATH": str(tmp_path)},
        check=False,
    )

    assert done.returncode == 1
    assert not (tmp_path / "done").exists()


@pytest.mark.parametrize(("code", "step"), [(32, "umount --lazy"), (1, "")])
def test_what_is_still_mounted_has_a_next_step(
    machine: Machine, journal: Journal, code: int, step: str
) -> None:
    """The journal stays, so that the removal can be repeated."""
    journal.note("tree", path="/var/lib/kubelet", mode="755")
    machine.broken, machine.code = "/var/lib/kubelet", code
    shells: Any = machine

    with pytest.raises(CommandFailed) as refused:
        undone(shells, journal)

    assert step in refused.value.next
    assert bool(step) == ("umount" in refused.value.next)
    assert journal.entries()
