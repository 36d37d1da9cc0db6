"""The diagnosis, on computers that lack what a lab needs."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import labs
import pytest
from fakes.host import CACHE, IMAGES, STATE, FakeHost
from typer.testing import CliRunner

from k8slab.core import outside
from k8slab.core.process import Completed, LocalRunner
from k8slab.errors import CommandTimeout, HostProblem
from labmaker import cli, computer, providers
from labmaker.computer import ThisComputer
from labmaker.host import doctor, mounts, rules, setup
from labmaker.host.doctor import (
    CAPABILITIES,
    DISK_TO_RUN,
    INODES,
    Finding,
    diagnose,
    raise_on_errors,
)
from labmaker.lifecycle import preflight
from labmaker.plan import AddressPlan
from labmaker.providers import provider_of

PLAN = AddressPlan(0)


def _diagnose(
    host: FakeHost,
    *,
    has_bundle: bool = False,
    plan: AddressPlan = PLAN,
    provider: str = "podman",
    packages: Sequence[str] = (),
) -> list[Finding]:
    return diagnose(
        plan,
        bridge="k8slab0",
        folders=[CACHE, STATE],
        has_bundle=has_bundle,
        provider=provider_of(provider, "test", host, host=host),
        packages=packages,
        host=host,
    )


def _bad(findings: Sequence[Finding]) -> list[tuple[str, str]]:
    return [(f.name, f.severity) for f in findings if not f.ok]


def _only(host: FakeHost) -> Finding:
    """Return the one bad finding; a second one fails the test."""
    (bad,) = [f for f in _diagnose(host) if not f.ok]
    return bad


def test_a_sound_computer_has_no_finding() -> None:
    """A computer with all that is needed passes, without CAP_SYS_RESOURCE too."""
    findings = _diagnose(FakeHost())
    raise_on_errors(findings)

    assert _bad(findings) == []
    assert {f.cure for f in findings} == {""}
    assert len(findings) >= 10


@pytest.mark.parametrize(
    ("provider", "command", "package"),
    [
        ("podman", "podman", "podman"),
        ("podman", "runc", "runc"),
        ("docker", "docker", "docker.io"),
        ("docker", "dockerd", "docker.io"),
    ],
)
def test_a_missing_provider_is_told_with_its_cure(
    provider: str, command: str, package: str
) -> None:
    """The one finding names the command, and its package is the cure."""
    host = FakeHost()
    host.commands |= {"docker", "dockerd"}
    host.commands.discard(command)
    (finding,) = [f for f in _diagnose(host, provider=provider) if not f.ok]

    assert (finding.name, finding.severity) == ("provider", "error")
    assert finding.seen == f"there is no {command}"
    assert finding.cure == f"apt-get install --yes {package}"


def test_a_provider_that_fails_is_quoted() -> None:
    """A provider that is there and unusable shows its own complaint."""
    host = FakeHost()
    host.engine_code = 125
    finding = _only(host)

    assert (finding.name, finding.severity) == ("provider", "error")
    assert "cannot connect to the storage" in finding.seen


def test_a_provider_that_hangs_is_told() -> None:
    """A provider that does not answer is an error, not a hanging diagnosis."""
    host = FakeHost()
    host.engine_hangs = True

    assert "did not end within 5 s" in _only(host).seen


def test_only_the_chosen_provider_is_asked() -> None:
    """With docker chosen, podman may be missing, and is never run."""
    host = FakeHost()
    host.commands = {"ip", "iptables", "iptables-restore", "docker", "dockerd"}
    findings = _diagnose(host, provider="docker")

    assert _bad(findings) == []
    assert not any("podman" in argv for argv in host.asked)
    assert any("docker" in argv for argv in host.asked)


@pytest.mark.parametrize("command", ["iptables", "iptables-restore"])
def test_a_missing_command_names_its_package(command: str) -> None:
    """Each command that is missing is one finding."""
    host = FakeHost()
    host.commands.discard(command)
    finding = _only(host)

    assert finding.name == f"command {command}"
    assert finding.cure.startswith("apt-get install --yes ")


def test_a_computer_without_ip_is_told() -> None:
    """Without the command that tells the routes the addresses are not called free."""
    host = FakeHost()
    host.commands.discard("ip")

    assert _bad(_diagnose(host)) == [("command ip", "error"), ("addresses", "error")]


@pytest.mark.parametrize("name", CAPABILITIES)
def test_a_missing_capability_is_named(name: str) -> None:
    """Root without one of its powers is told which one."""
    host = FakeHost()
    host.capabilities &= ~(1 << CAPABILITIES[name])
    finding = _only(host)

    assert (finding.name, finding.seen) == ("capabilities", f"missing: {name}")


def test_packages_that_setup_installs_are_told_before_a_build_lacks_them() -> None:
    """By one question, with the command that installs them; nothing is stopped."""
    host, wanted = FakeHost(), ("gnupg", "mmdebstrap", "zstd")
    host.packages = {"bash", "gnupg"}
    (finding,) = [f for f in _diagnose(host, packages=wanted) if not f.ok]
    asked = [argv for argv in host.asked if argv[0] == "dpkg-query"]
    host.packages |= set(wanted)
    after = _diagnose(host, packages=wanted)
    host.commands.discard("dpkg-query")

    assert (finding.name, finding.severity) == ("packages", "warning")
    assert finding.seen == "missing: mmdebstrap, zstd"
    assert finding.cure == "'k8slab setup'"
    assert len(asked) == 1
    assert _bad(after) == []
    assert _bad(_diagnose(host, packages=["other"])) == []  # as on Fedora


@pytest.mark.slow
def test_the_doctor_looks_for_what_setup_installs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No more, or it would still warn after a setup; and no less."""
    seen: list[list[str]] = []

    def look(*_: object, packages: Sequence[str], **__: object) -> list[Finding]:
        seen.append(list(packages))
        return []

    monkeypatch.setenv("K8SLAB_HOME", str(tmp_path))
    monkeypatch.setenv("K8SLAB_PROVIDER", "podman")
    monkeypatch.setattr(computer, "ThisComputer", FakeHost)
    monkeypatch.setattr(preflight, "choose_plan", lambda *_: PLAN)
    monkeypatch.setattr(providers, "networks", lambda *_: ())
    monkeypatch.setattr(doctor, "diagnose", look)
    monkeypatch.setattr(setup, "prepare", lambda names, *_: seen.append(list(names)))
    for word in ("doctor", "setup"):
        said = CliRunner().invoke(cli.app, [word])
        assert said.exit_code == 0, said.output
    found, installed = seen

    assert found == installed
    assert {"zstd", "mmdebstrap"} <= set(found)


def test_capability_numbers_are_the_kernels() -> None:
    """The numbers agree with the kernel's header where a test can know them."""
    known = {"NET_ADMIN": 12, "SYS_ADMIN": 21, "MKNOD": 27, "NET_RAW": 13}

    assert {name: CAPABILITIES[name] for name in known} == known
    assert "SYS_RESOURCE" not in CAPABILITIES


def test_another_user_than_root_is_told() -> None:
    """A lab needs root; the cure says how."""
    host = FakeHost()
    host.uid = 1000
    finding = _only(host)

    assert (finding.name, finding.seen, finding.cure) == (
        "user",
        "user id 1000",
        outside.root_shell(),
    )


def test_a_missing_cgroup_controller_is_named() -> None:
    """Version 1 without the pids controller is an error."""
    host = FakeHost()
    host.controllers.remove("pids")
    finding = _only(host)

    assert (finding.name, finding.seen) == ("cgroups", "version 1 without pids")


MISSING = """\
Warning: Extension statistic revision 0 not supported, missing kernel module?
iptables-restore v1.8.9 (nf_tables): Could not fetch rule set generation id
"""


@pytest.mark.parametrize(("code", "ok"), [(0, True), (9, False), (1, True)])
def test_a_kernel_that_refuses_the_rules_of_machines_is_told(
    code: int, ok: bool
) -> None:
    """By a trial in a network of its own; where there is none, nothing is known."""

    class Trying(FakeHost):
        def run(self, argv: Sequence[str], **options: object) -> Completed:
            if argv[:2] == ["unshare", "--net"] and "iptables-restore" in argv[-1]:
                return Completed(tuple(argv), self.where, code, "", MISSING, 0.0)
            return super().run(argv, **options)

    host = Trying()
    host.commands.add("unshare")
    bad = [(f.name, f.severity, f.seen) for f in _diagnose(host) if not f.ok]

    assert bad == ([] if ok else [("rules of iptables", "error", MISSING.strip())])


def test_the_trial_of_rules_writes_none_here(tmp_path: Path) -> None:
    """In this computer's own network it ends at once; also as another user."""
    (tmp_path / "iptables-restore").write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    (tmp_path / "iptables-restore").chmod(0o755)
    runner = LocalRunner(env={"PATH": f"{tmp_path}:/usr/bin:/bin"})

    assert runner.run(["sh", "-c", rules._TRY]).stderr == ""
    assert not (tmp_path / "ran").exists()


USERS = "/proc/self/uid_map"


@pytest.mark.parametrize(
    ("users", "ok"),
    [
        ("         0     100000      65536\n", False),
        ("0 0 65536\n65536 165536 1000\n", False),
        ("0 0 4294967295\n", True),
        (None, True),
    ],
)
def test_root_of_a_user_namespace_is_told(users: str | None, ok: bool) -> None:
    """As in an unprivileged container; a kernel may know no such namespaces."""
    host = FakeHost()
    if users is None:
        host.absent.add(USERS)
    else:
        host.files[USERS] = users
    bad = [f for f in _diagnose(host) if not f.ok]

    assert [(f.name, f.seen, f.severity) for f in bad] == (
        [] if ok else [("user", "root of a user namespace", "error")]
    )
    assert all("privileged container" in f.cure for f in bad)


def test_another_user_of_a_user_namespace_is_no_root() -> None:
    """To become root comes first."""
    host = FakeHost()
    host.uid = 1000
    host.files[USERS] = "1000 1000 1\n"

    assert _only(host).cure == outside.root_shell()


def test_a_computer_without_the_kernels_log_is_told() -> None:
    """Kubelets end without it; machines have the devices that this computer has."""
    host = FakeHost()
    host.devices.clear()
    finding = _only(host)

    assert (finding.name, finding.severity) == ("kernel log", "error")
    assert (finding.seen, finding.wanted) == ("no /dev/kmsg", "/dev/kmsg")
    assert "--device=/dev/kmsg" in finding.cure


def test_a_kernel_without_limits_of_inotify_is_told() -> None:
    """As gVisor's, which is none of Linux; the diagnosis goes on."""
    host = FakeHost()
    host.absent.add("/proc/sys/fs/inotify/max_user_instances")
    finding = _only(host)

    assert (finding.name, finding.severity) == ("inotify instances", "error")
    assert "max_user_instances" in finding.seen
    assert "gVisor" in finding.cure


def test_cgroups_of_version_2_are_told_apart() -> None:
    """Version 2 names its controllers in a file of its own."""
    host = FakeHost()
    host.controllers = []
    host.unified = "cpuset cpu io memory pids\n"
    sound = {f.name: f.seen for f in _diagnose(host) if f.ok}
    host.unified = "cpu pids\n"

    assert sound["cgroups"] == "version 2, all controllers"
    assert _only(host).seen == "version 2 without cpuset, memory"


def test_no_cgroups_at_all_is_told() -> None:
    """A computer with neither version is an error, not a crash."""
    host = FakeHost()
    host.controllers = []

    assert _only(host).name == "cgroups"


@pytest.mark.parametrize(
    ("allowed", "used", "severity", "cure"),
    [
        (1023, 10, "warning", 1024),
        (128, 68, "warning", 1024),
        (128, 69, "error", 1024),
        (1024, 965, "error", 2048),
    ],
)
def test_few_inotify_instances_are_told(
    allowed: int, used: int, severity: str, cure: int
) -> None:
    """A low limit is a warning; fewer free ones than a lab takes stop it."""
    host = FakeHost()
    host.inotify, host.inotify_used = allowed, used
    finding = _only(host)

    assert (
        finding.seen,
        finding.severity,
        finding.cure,
    ) == (
        f"{allowed} allowed, {allowed - used} of them free",
        severity,
        f"sysctl -w fs.inotify.max_user_instances={cure}",
    )


def test_a_process_that_ends_while_it_is_looked_at_holds_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its folder is gone then, which is no error of this computer."""
    gone, asked = f"/proc/{os.getpid()}/fd", list[str]()

    def until_it_ends(look: Callable[[str], object]) -> Callable[[str], object]:
        def looked(folder: str) -> object:
            if str(folder) == gone:
                asked.append(gone)
                raise FileNotFoundError(gone)
            return look(folder)

        return looked

    monkeypatch.setattr(os, "scandir", until_it_ends(os.scandir))
    monkeypatch.setattr(os, "listdir", until_it_ends(os.listdir))

    ThisComputer().inotify_in_use()
    assert asked != []


@pytest.mark.parametrize(("limit", "ok"), [("4096", False), ("unlimited", True)])
def test_a_low_limit_of_open_files_is_told(limit: str, ok: bool) -> None:
    """The hard limit counts, not the soft one, where root may not raise it."""
    host = FakeHost()
    host.open_files = limit
    bad = [f for f in _diagnose(host) if not f.ok]

    assert [(f.name, f.seen, f.severity) for f in bad] == (
        [] if ok else [("limit of open files", "machines are given 4096", "error")]
    )
    assert all("--ulimit nofile=20000:20000" in f.cure for f in bad)


def test_too_little_memory_is_told() -> None:
    """Less than 3 GiB available is an error that shows both numbers."""
    host = FakeHost()
    host.memory_kb = 2 * 1024 * 1024
    finding = _only(host)

    assert (finding.seen, finding.wanted) == ("2.0 GiB available", "3.0 GiB")


@pytest.mark.parametrize(
    ("size", "least", "seen"),
    [(2048, 1024, ""), (2000, 1024, "3.0 GiB available"), (9, 99, "2.0 GiB available")],
)
def test_memory_that_zfs_gives_back_is_available(
    size: int, least: int, seen: str
) -> None:
    """Its cache counts as used, down to what it always keeps."""
    host = FakeHost()
    host.memory_kb = 2 * 1024 * 1024
    host.files["/proc/spl/kstat/zfs/arcstats"] = (
        "13 1 0x01 147 39984 9 9\nname                            type data\n"
        f"hits                            4    99\nc_min     4    {least << 20}\n"
        f"size                            4    {size << 20}\n"
        f"compressed_size                 4    {99 << 30}\n"
    )
    bad = [f for f in _diagnose(host) if not f.ok]

    assert [(f.name, f.seen) for f in bad] == ([("memory", seen)] if seen else [])


@pytest.mark.parametrize(
    "files",
    [
        {"memory.max": "4294967296\n", "memory.current": "2147483648\n"},
        {
            "memory/memory.limit_in_bytes": "4294967296\n",
            "memory/memory.usage_in_bytes": "2147483648\n",
        },
    ],
    ids=["version 2", "version 1"],
)
def test_a_containers_memory_is_judged(files: dict[str, str]) -> None:
    """The computer around it may have more; what its files take is given back."""
    host = FakeHost()
    host.files = {f"/sys/fs/cgroup/{name}": text for name, text in files.items()}
    finding = _only(host)
    start = "total_" if "memory.max" not in files else ""
    cached = f"{start}inactive_file 1073741824\n{start}active_file 1\nshmem 7\n"
    stat = "memory.stat" if "memory.max" in files else "memory/memory.stat"
    host.files[f"/sys/fs/cgroup/{stat}"] = cached

    assert (finding.name, finding.seen) == ("memory", "2.0 GiB available")
    assert finding.cure == "end other programs, or give this container more memory"
    assert _bad(_diagnose(host)) == []


@pytest.mark.parametrize("folder", ["", "pids/"], ids=["version 2", "version 1"])
@pytest.mark.parametrize(
    ("most", "ok"), [("8099", False), ("8100", True), ("max", True)]
)
def test_a_containers_processes_are_judged(folder: str, most: str, ok: bool) -> None:
    """Its limit holds beside root's own."""
    host = FakeHost()
    place = f"/sys/fs/cgroup/{folder}"
    host.files = {f"{place}pids.max": f"{most}\n", f"{place}pids.current": "100\n"}
    bad = [f for f in _diagnose(host) if not f.ok]

    assert [(f.name, f.seen) for f in bad] == (
        [] if ok else [("limit of processes", "7999 more in this container")]
    )
    assert all("--pids-limit=-1" in f.cure for f in bad)


def test_a_single_processor_is_told() -> None:
    """With one, 'kubeadm init' would end in an error after all machines are made."""
    host = FakeHost()
    host.cpus = 1
    finding = _only(host)

    assert (finding.name, finding.severity) == ("processors", "error")
    assert (finding.seen, finding.wanted) == ("1", "at least 2")


ROOT = "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw"


@pytest.mark.parametrize(
    ("mount", "ok"),
    [
        (ROOT, True),
        ("30 27 0:9 / /state rw - xfs /dev/vdb rw", True),
        ("30 27 0:9 / /state rw shared:1 master:2 - btrfs /dev/vdb rw", True),
        ("30 27 0:9 / /state/x rw - nfs4 nas:/x rw", True),
        ("30 27 0:9 / /state rw - nfs4 nas:/x rw", False),
        ("30 27 0:9 / /state rw shared:1 - overlay overlay rw,lowerdir=/a", False),
        ("30 27 0:9 / /state rw - fuse.sshfs me@nas:/x rw", False),
        ("30 27 0:9 / /state rw - exfat /dev/sdb1 rw", False),
        ("30 27 0:9 / /state rw - ecryptfs /home/.x rw", False),
        ("30 27 0:9 / /state rw,noexec - ext4 /dev/sdb1 rw", False),
    ],
)
def test_a_file_system_that_carries_no_labs_is_told(mount: str, ok: bool) -> None:
    """Machines' containerd has its overlays there, and a lab its kubectl."""
    host = FakeHost()
    host.files["/proc/self/mountinfo"] = f"{ROOT}\n{mount}\n"
    bad = [f for f in _diagnose(host) if not f.ok]

    assert [(f.name, f.severity) for f in bad] == (
        [] if ok else [("file system of labs", "error")]
    )
    if "noexec" in mount:
        assert bad[0].cure == "mount -o remount,exec /state"
    elif not ok:
        assert bad[0].cure.endswith("export K8SLAB_HOME=/var/lib/k8slab")


def test_no_folder_is_named_where_none_carries_labs() -> None:
    """In a container all lies on its overlay; a place with a space is one."""
    host = FakeHost()
    host.files["/proc/self/mountinfo"] = "9 1 0:9 / / rw - overlay overlay rw\n"
    finding = _only(host)
    spaced = "10 9 0:9 / /my\\040disk rw,noexec - ext4 /dev/sdb1 rw\n"
    host.files["/proc/self/mountinfo"] += spaced

    assert "export" not in finding.cure
    assert "ext4 or xfs" in finding.cure
    assert mounts.look(host, Path("/my disk/labs"))[1] == (
        "mount -o remount,exec '/my disk'"
    )


SHIMS = {
    "unshare": 'shift; exec "$@"',
    "mount": """[ "$2" = overlay ] || exit 0
case $PWD in */memory) {memory} ;; */fit/*) ;; *) {disk} ;; esac
cp -r low/. top""",
    "umount": 'rm -rf "$1"/*',
}
"""What a computer's own programs do for an overlay, without the right to mount."""


class MountingHost(FakeHost):
    """A computer that lays an overlay when it is asked to.

    Args:
        folder: Where its programs lie.
        disk: What ``mount`` does for an overlay on a disk; nothing is well. Below a
            folder ``fit`` all is.
        memory: What it does for one in memory.
    """

    def __init__(self, folder: Path, disk: str = ":", memory: str = ":") -> None:
        super().__init__()
        self.commands.add("unshare")
        self._programs = folder / "bin"
        self._programs.mkdir()
        for name, text in SHIMS.items():
            program = self._programs / name
            filled = text.replace("{disk}", disk).replace("{memory}", memory)
            program.write_text(f"#!/bin/sh\n{filled}\n")
            program.chmod(0o755)

    def run(self, argv: Sequence[str], **options: object) -> Completed:
        """Run what lays the overlay; answer the rest as others do."""
        if argv[0] != "unshare":
            return super().run(argv, **options)
        self.asked.append(tuple(argv))
        path = f"{self._programs}:{os.environ['PATH']}"
        return LocalRunner(env={"PATH": path}).run(argv, check=False)


def mounted(host: FakeHost, kind: str, *others: str) -> FakeHost:
    """Give a computer one file system, or more."""
    lines = [f"27 1 254:0 / / rw - {kind} /dev/vda rw", *others]
    host.files["/proc/self/mountinfo"] = "\n".join(lines)
    return host


@pytest.mark.parametrize(
    ("disk", "ok"),
    [(":", True), ("exit 32", False), ("touch top/ghost", False)],
    ids=["lies", "refused", "shows what was removed"],
)
@pytest.mark.parametrize("kind", ["zfs", "xfs", "overlay"])
def test_an_overlay_is_laid_where_labs_will_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, disk: str, ok: bool, kind: str
) -> None:
    """ZFS before 2.2 and XFS with ftype=0 carry none, whatever their types' names.

    The folder of labs is not there yet; nothing is made, and nothing left. Another
    folder is advised where one lies there.
    """
    host = mounted(MountingHost(tmp_path, disk), kind)
    home = tmp_path / "my labs" / "k8slab"
    dataset, fit = tmp_path / "dataset", tmp_path / "fit"
    fit.mkdir()
    monkeypatch.setattr(mounts, "_OTHERS", (dataset / "k8slab", fit / "k8slab"))
    same = f"31 27 0:8 / {dataset} rw - {kind} pool/b rw"
    seen, cure = mounts.look(host, home)
    _, alike = mounts.look(mounted(host, kind, same), home)
    mounted(host, kind, same, f"32 27 0:9 / {fit} rw - ext4 /dev/vdc rw")

    assert (seen, cure == "") == (
        f"{kind} at {home}" + ("" if ok else ", on which no overlays can lie"),
        ok,
    )
    assert "export" not in cure  # it would be a folder on the same file system
    assert "export" not in alike  # nor is it better on its neighbour
    assert ok or mounts.look(host, home)[1].endswith(f"K8SLAB_HOME={fit / 'k8slab'}")
    assert {each.name for each in tmp_path.rglob("*")} == {"bin", "fit", *SHIMS}


def test_what_a_trial_left_that_was_killed_goes(tmp_path: Path) -> None:
    """With the next trial; one that may still run is left alone."""
    host = mounted(MountingHost(tmp_path), "ext4")
    for name in (".overlay.abcdef", ".overlay.ghijkl"):
        (tmp_path / name / "low").mkdir(parents=True)
    os.utime(tmp_path / ".overlay.abcdef", (0, 0))
    mounts.look(host, tmp_path)

    assert {each.name for each in tmp_path.iterdir()} == {"bin", ".overlay.ghijkl"}


@pytest.mark.parametrize(("kind", "ok"), [("ext4", True), ("nfs4", False)])
@pytest.mark.parametrize(
    "lacks", ["memory", "folder", "right", "program", "module", "answer"]
)
def test_what_cannot_be_tried_is_judged_by_its_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, ok: bool, lacks: str
) -> None:
    """Where nothing can be mounted, as in most containers; no module is loaded."""
    memory = "exit 32" if lacks == "memory" else ":"
    host = mounted(MountingHost(tmp_path, "exit 32", memory), kind)
    home = tmp_path / "labs"
    if lacks == "folder":
        home = Path("/proc/sys/labs")
    elif lacks == "right":
        host.capabilities &= ~(1 << CAPABILITIES["SYS_ADMIN"])
    elif lacks == "program":
        host.commands.discard("unshare")
    elif lacks == "module":
        host.kernel.discard("overlay")
    elif lacks == "answer":
        late = CommandTimeout(["unshare"], where="here", timeout=5)
        monkeypatch.setattr(LocalRunner, "run", raising(late))
    tried = lacks in ("memory", "folder", "answer")

    assert (mounts.look(host, home)[1] == "") == ok
    assert [argv[0] for argv in host.asked] == ["unshare"] * tried
    assert [each.name for each in tmp_path.iterdir()] == ["bin"]


def raising(error: Exception) -> Callable[..., None]:
    """Return what raises an error, whatever it is called with."""

    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


OLDER = "/proc/net/ip_tables_names"
RANGES = [str(PLAN.network), str(PLAN.pods)]


def _chain(
    family: str, table: str, name: str, policy: str, hook: str = "forward"
) -> dict[str, object]:
    of = {"family": family, "table": table, "name": name}
    return {"chain": {**of, "hook": hook, "prio": 0, "policy": policy}}


def _beside(command: str) -> FakeHost:
    """Return a computer that has another firewall's command, too."""
    host = FakeHost()
    host.commands.add(command)
    host.says["iptables --version"] = "iptables v1.8.9 (nf_tables)\n"
    return host


def _other(host: FakeHost, rules: str, said: str) -> str:
    """Return the cure of an other firewall; it is gone as the rules let a lab pass."""
    finding = _only(host)
    host.says[rules] = f"{said}\n{' '.join(RANGES)}\n"

    assert (finding.name, finding.severity) == ("other firewalls", "warning")
    assert _bad(_diagnose(host)) == []
    return finding.cure


def test_an_older_iptables_that_drops_is_told() -> None:
    """What the newer one accepts comes to it, too."""
    host = _beside("iptables-legacy")
    host.files[OLDER] = "nat\nfilter\n"
    host.says["iptables-legacy -S FORWARD"] = "-P FORWARD DROP\n"
    cure = _other(host, "iptables-legacy -S FORWARD", "-P FORWARD DROP")

    assert cure.startswith(
        f"iptables-legacy -I FORWARD -s {','.join(RANGES)} -j ACCEPT"
    )


@pytest.mark.parametrize(
    ("files", "version", "policy"),
    [
        ({}, "nf_tables", "DROP"),
        ({OLDER: "nat\n"}, "nf_tables", "DROP"),
        ({OLDER: "filter\n"}, "nf_tables", "ACCEPT"),
        ({OLDER: "filter\n"}, "legacy", "DROP"),
    ],
)
def test_an_older_iptables_that_drops_nothing_is_none(
    files: dict[str, str], version: str, policy: str
) -> None:
    """Nor one that is not used, which a look would begin, nor the lab's own."""
    host = _beside("iptables-legacy")
    host.files = files
    host.says["iptables --version"] = f"iptables v1.8.9 ({version})\n"
    host.says["iptables-legacy -S FORWARD"] = f"-P FORWARD {policy}\n"

    assert _bad(_diagnose(host)) == []
    asked = ("iptables-legacy", "-S", "FORWARD") in host.asked
    assert asked == (policy == "ACCEPT")


def test_a_chain_of_nft_that_drops_is_told() -> None:
    """As one in /etc/nftables.conf; others in the same listing are no matter."""
    host = _beside("nft")
    chains = [
        {"metainfo": {"version": "1.0.6"}},
        _chain("ip", "filter", "FORWARD", "drop"),  # an engine's, in our iptables
        _chain("ip6", "filter", "FORWARD", "drop"),
        _chain("inet", "filter", "forward", "drop"),
        _chain("inet", "other", "forward", "accept"),
        {"chain": {"family": "inet", "table": "filter", "name": "plain"}},
    ]
    host.says["nft -j list chains"] = json.dumps({"nftables": chains})
    cure = _other(host, "nft list chain inet filter forward", "")

    assert cure.startswith(
        f"nft insert rule inet filter forward ip saddr '{{ {', '.join(RANGES)} }}' "
        "accept"
    )


def test_the_newer_iptables_is_another_firewall_where_the_older_one_is_used() -> None:
    """Then its chain is not the one that has the lab's filters first."""
    host = _beside("nft")
    host.says["iptables --version"] = "iptables v1.8.9 (legacy)\n"
    chains = [_chain("ip", "filter", "FORWARD", "drop")]
    host.says["nft -j list chains"] = json.dumps({"nftables": chains})

    assert "nft insert rule ip filter FORWARD" in _only(host).cure


LEAVES = "iptables --wait -S"
UFW = "-P OUTPUT DROP\n-N ufw-user-output\n-A OUTPUT -j ufw-before-output\n"


@pytest.mark.parametrize(
    ("rules", "cure", "allowed"),
    [
        ("-P OUTPUT DROP\n", "iptables -I OUTPUT -d {} -j ACCEPT; ", "-A OUTPUT -d {}"),
        (UFW, "ufw allow out to {}", "-A ufw-user-output -d {} -j ACCEPT"),
    ],
    ids=["plain", "ufw"],
)
def test_a_firewall_that_drops_what_leaves_is_told(
    rules: str, cure: str, allowed: str
) -> None:
    """This computer speaks to the machines; what an engine forwards is no matter."""
    host = FakeHost()
    host.commands.add("nft")
    ours = [_chain("ip", "filter", "OUTPUT", "drop", "output")]  # told once
    host.says["nft -j list chains"] = json.dumps({"nftables": ours})
    host.says[LEAVES] = f"{rules}-A NETAVARK_FORWARD -d {RANGES[0]} -j ACCEPT\n"
    finding = _only(host)
    host.says[LEAVES] = rules + allowed.format(RANGES[0])

    assert (finding.name, finding.severity) == ("other firewalls", "warning")
    assert finding.seen == "iptables has the policy DROP for OUTPUT"
    assert finding.cure.startswith(cure.format(RANGES[0]))
    assert _bad(_diagnose(host)) == []


@pytest.mark.parametrize(
    ("tables", "version", "asked"),
    [
        ({}, "nf_tables", True),
        ({}, "legacy", False),
        ({OLDER: "filter\n"}, "legacy", True),
    ],
)
def test_no_table_is_made_to_look_for_what_drops(
    tables: dict[str, str], version: str, asked: bool
) -> None:
    """The older iptables makes one where it is asked for its rules."""
    host = FakeHost()
    host.files = tables
    host.says["iptables --version"] = f"iptables v1.8.9 ({version})\n"
    host.says[LEAVES] = "-P OUTPUT DROP\n"

    assert _bad(_diagnose(host)) == ([("other firewalls", "warning")] if asked else [])
    assert (tuple(LEAVES.split()) in host.asked) == asked


def test_a_chain_of_nft_that_drops_what_leaves_is_told() -> None:
    """It has to let pass what goes to the machines; packets of Pods are forwarded."""
    host = _beside("nft")
    chains = [
        _chain("inet", "filter", "input", "drop", "input"),
        _chain("inet", "filter", "output", "drop", "output"),
    ]
    host.says["nft -j list chains"] = json.dumps({"nftables": chains})
    rules = "nft list chain inet filter output"
    finding = _only(host)
    host.says[rules] = f"ip daddr {RANGES[0]} accept\n"

    assert finding.cure.startswith(
        f"nft insert rule inet filter output ip daddr {RANGES[0]} accept"
    )
    assert _bad(_diagnose(host)) == []


@pytest.mark.parametrize("said", ["", "no JSON", '{"nftables": []}'])
def test_a_computer_without_another_firewall_has_no_finding(said: str) -> None:
    """As Debian with nft and none of its rules."""
    host = _beside("nft")
    host.says["nft -j list chains"] = said

    assert _bad(_diagnose(host)) == []


@pytest.mark.parametrize("running", [True, False])
def test_firewalld_is_told_where_it_runs(running: bool) -> None:
    """It rejects what is forwarded in a zone that nobody set up."""
    host = _beside("firewall-cmd")
    host.says["firewall-cmd --state"] = "running\n" if running else "not running\n"
    if not running:
        assert _bad(_diagnose(host)) == []
        return
    cure = _other(host, "firewall-cmd --zone=trusted --list-sources", "")

    added = " ".join(f"--add-source={each}" for each in RANGES)
    assert cure.startswith(f"firewall-cmd --zone=trusted {added}; ")
    assert cure.endswith(f"firewall-cmd --permanent --zone=trusted {added}")


def test_a_full_disk_of_images_is_told() -> None:
    """The provider says where it keeps them, and they need room even when built."""
    host = FakeHost()
    host.free[IMAGES] = DISK_TO_RUN - 1

    assert _only(host).seen == "3.0 GiB free at /images"


def test_a_full_disk_is_told_with_its_folder() -> None:
    """Each folder has its own finding; a built bundle needs less room."""
    host = FakeHost()
    host.free[STATE] = DISK_TO_RUN
    finding = _only(host)
    with_bundle = _diagnose(host, has_bundle=True)
    host.free[STATE] = DISK_TO_RUN - 1

    assert finding.seen == "3.0 GiB free at /state"
    assert _bad(with_bundle) == []
    assert _bad(_diagnose(host, has_bundle=True)) == [("disk", "error")]


@pytest.mark.parametrize(
    "route",
    [
        {"dst": "172.30.1.7", "dev": "eth1"},
        {"dst": "172.30.0.0/22", "dev": "docker1", "scope": "link"},
        {"dst": "10.244.3.0/24", "gateway": "192.0.2.9", "dev": "eth0"},
        {"type": "local", "dst": "10.96.0.1", "dev": "lo", "table": "local"},
    ],
)
def test_a_range_in_use_is_told_with_a_free_slot(route: dict[str, object]) -> None:
    """Somebody else's network in a lab's range stops it; the cure is a free slot."""
    host = FakeHost()
    host.routes.append(route)
    finding = _only(host)
    slot = int(finding.cure.removeprefix("take another slot: --slot "))

    assert (finding.name, finding.severity) == ("addresses", "error")
    assert str(route["dst"]) in finding.seen
    assert _bad(_diagnose(host, plan=AddressPlan(slot))) == []


@pytest.mark.parametrize(
    "route",
    [
        {"dst": "172.30.0.0/16", "dev": "docker1", "scope": "link"},
        {"dst": "10.96.0.0/12", "dev": "tun0", "scope": "link"},
        {"type": "unreachable", "dst": "10.96.0.0/12"},
    ],
)
def test_a_range_that_covers_every_slot_is_told(route: dict[str, object]) -> None:
    """Where no slot is free, the cure does not send the reader to another."""
    host = FakeHost()
    host.routes.append(route)
    finding = _only(host)

    assert (finding.name, finding.severity) == ("addresses", "error")
    assert finding.cure.startswith("remove the routes")


ROUTER = {"gateway": "192.0.2.9", "dev": "eth0"}


@pytest.mark.parametrize(
    "way",
    [
        ROUTER,
        {"nexthops": [ROUTER, {"gateway": "192.0.2.10", "dev": "eth1"}]},
        {"via": {"family": "inet6", "host": "fe80::1"}, "dev": "eth0"},
    ],
)
def test_a_wide_route_by_a_router_is_a_warning(way: dict[str, object]) -> None:
    """A company's route to all of 10/8 is told and does not stop a lab."""
    host = FakeHost()
    host.routes.append({"dst": "10.0.0.0/8", **way})

    assert _bad(_diagnose(host)) == [("addresses", "warning")]


def test_the_labs_own_routes_are_not_foreign() -> None:
    """A lab that is up finds its bridge and its refusing routes, and is content."""
    host = FakeHost()
    host.routes += [
        {"dst": "172.30.1.0/24", "dev": "k8slab0", "scope": "link"},
        {"type": "local", "dst": "172.30.1.1", "dev": "k8slab0", "table": "local"},
        {"type": "unreachable", "dst": "172.30.1.0/24", "metric": 4096},
        {"type": "unreachable", "dst": "10.244.0.0/16", "metric": 4096},
        {"type": "unreachable", "dst": "10.96.0.0/16", "metric": 4096},
    ]

    assert _bad(_diagnose(host)) == []


def test_errors_stop_and_are_all_named() -> None:
    """The error names each finding with its cure, and leaves warnings out."""
    host = FakeHost()
    host.commands.discard("podman")
    host.memory_kb = 1024
    host.inotify = 128
    with pytest.raises(HostProblem) as caught:
        raise_on_errors(_diagnose(host))

    text = str(caught.value)
    assert caught.value.what.endswith(": provider, memory")
    assert "apt-get install --yes podman" in text
    assert "inotify" not in text


def test_warnings_alone_stop_nothing() -> None:
    """A lab goes ahead in spite of a warning."""
    host = FakeHost()
    host.inotify = 128
    raise_on_errors(_diagnose(host))

    assert _only(host).severity == "warning"


def test_this_computer_can_be_asked(tmp_path: Path) -> None:
    """The real seam reads files, runs commands and finds disks of new folders."""
    computer = ThisComputer()

    assert computer.read_text("/proc/self/status").startswith("Name:")
    assert (computer.has("sh"), computer.has("no-such-command")) == (True, False)
    assert (computer.is_there("/dev/null"), computer.is_there("/no")) == (True, False)
    assert computer.run(["sh", "-c", "exit 3"]).returncode == 3
    assert computer.free_bytes(tmp_path / "not" / "yet") > 0
    assert computer.free_inodes(tmp_path / "not" / "yet") != 0


@pytest.mark.slow
@pytest.mark.usefixtures("engines")
def test_this_computer_is_diagnosed_in_time(tmp_path: Path) -> None:
    """Whatever this computer lacks, it is said within two seconds, the second time.

    They are of the computer that limits are for.
    """
    for _ in range(2):
        started = time.monotonic()
        findings = diagnose(
            PLAN,
            bridge="b",
            folders=[tmp_path],
            has_bundle=True,
            provider=provider_of("", "test"),
        )
        took = time.monotonic() - started

    assert len(findings) >= 10
    assert took < labs.Allowance().seconds(2)
    assert all(f.cure for f in findings if not f.ok)


@pytest.mark.parametrize("engine", ["podman", "docker"])
def test_an_engines_full_disk_is_told_with_its_engine(engine: str) -> None:
    """The cure is the engine's: other folders for labs would not help."""
    host = FakeHost()
    host.commands |= {"docker", "dockerd"}
    host.free[IMAGES] = DISK_TO_RUN - 1
    (finding,) = [f for f in _diagnose(host, provider=engine) if not f.ok]

    assert (finding.name, finding.severity) == ("disk", "error")
    assert f"where {engine} keeps images" in finding.cure
    assert "K8SLAB_HOME" not in finding.cure


@pytest.mark.parametrize(
    ("free", "ok"), [(INODES, True), (INODES - 1, False), (0, False), (None, True)]
)
def test_a_disk_without_room_for_files_is_told(free: int | None, ok: bool) -> None:
    """It may have bytes enough; some file systems do not count their files."""
    host = FakeHost()
    host.inodes = free
    bad = [f for f in _diagnose(host) if not f.ok]

    assert [(f.name, f.severity) for f in bad] == ([] if ok else [("inodes", "error")])
    assert all("settings of podman" in f.cure for f in bad)


@pytest.mark.parametrize(("machines", "ok"), [(3, True), (4, True), (5, False)])
def test_memory_disk_and_inotify_are_judged_by_the_size_of_the_lab(
    machines: int, ok: bool
) -> None:
    """Enough for four machines is too little for a fifth."""
    host = FakeHost()
    host.memory_kb = 3 * 1024 * 1024
    host.free[STATE] = DISK_TO_RUN
    host.inotify_used = host.inotify - 60
    findings = diagnose(
        PLAN,
        bridge="b",
        folders=[STATE],
        has_bundle=True,
        provider=provider_of("podman", "test", host, host=host),
        machines=machines,
        host=host,
    )

    wanted = [] if ok else ["inotify instances", "memory", "disk"]
    assert [name for name, _ in _bad(findings)] == wanted


def test_a_finding_tells_all_it_knows_on_lines_of_their_own() -> None:
    """However narrow the terminal, the cure is whole."""
    host = FakeHost()
    host.free[IMAGES] = 0
    host.memory_kb = 0
    for finding in _diagnose(host):
        for fact in (finding.seen, *([] if finding.ok else [finding.cure])):
            assert all(line in str(finding) for line in fact.splitlines())
