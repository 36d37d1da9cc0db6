"""A stock Debian carries a lab, and so does a container that may do less."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from fakes.host import (
    ALL_CAPABILITIES,
    CACHE,
    MODPROBE,
    NO_SYS_RESOURCE,
    STATE,
    FakeHost,
)

from k8slab.core.phases import Ledger
from k8slab.core.process import Completed, LocalRunner
from k8slab.errors import CommandFailed, HostProblem
from k8slab.folder import LabFolder
from labmaker.host import kernel, setup
from labmaker.host.doctor import CAPABILITIES, Finding, diagnose
from labmaker.lifecycle.transitions import Transitions
from labmaker.plan import AddressPlan
from labmaker.providers import provider_of

PLAN = AddressPlan(0)
NO_SYS_MODULE = ALL_CAPABILITIES & ~(1 << 16)


def debian() -> FakeHost:
    """Return Debian 12 as it is installed, with 7 GiB of memory."""
    host = FakeHost()
    host.capabilities = ALL_CAPABILITIES
    host.controllers = []
    host.unified = "cpuset cpu io memory hugetlb pids rdma misc\n"
    host.open_files = "1048576"
    host.processes = "27578"
    host.kernel = {"overlay"}
    host.modules = {"br_netfilter", "nf_conntrack"}
    host.commands.add(MODPROBE)
    return host


def container() -> FakeHost:
    """Return a computer with all built in, no modules and without CAP_SYS_RESOURCE."""
    host = FakeHost()
    host.capabilities = NO_SYS_RESOURCE
    host.open_files = "20000"
    host.processes = "96365"
    return host


def bad(host: FakeHost, *, machines: int = 4) -> list[Finding]:
    """Return what the doctor finds wrong."""
    found = diagnose(
        PLAN,
        bridge="b",
        folders=[CACHE, STATE],
        has_bundle=False,
        machines=machines,
        provider=provider_of("podman", "test", host, host=host),
        host=host,
    )
    return [finding for finding in found if not finding.ok]


def load(host: FakeHost) -> tuple[str, str]:
    """Load what the kernel lacks; return the phase's outcome and remark."""
    ledger = Ledger()
    kernel.load(host, host, ledger)
    (phase,) = ledger.phases
    return phase.outcome, phase.detail


def loaded(host: FakeHost) -> list[str]:
    """Return what ``modprobe`` was asked to load."""
    runs = [argv for argv in host.asked if argv[0] == MODPROBE]
    return [argv[-1] for argv in runs if "--dry-run" not in argv]


def limits(host: FakeHost) -> list[str]:
    """Return the limits that a new machine is given."""
    provider = provider_of("podman", "test", host, host=host)
    provider.create(PLAN.machines(1, "ready")[0], "image", ())
    return [word for word in host.asked[-1] if word.startswith("--ulimit")]


@pytest.mark.parametrize("host", [debian(), container()], ids=["debian", "container"])
def test_the_doctor_refuses_neither(host: FakeHost) -> None:
    """Its limits and its modules are no findings; it loads nothing itself."""
    assert bad(host) == []
    assert loaded(host) == []


def test_stock_modules_are_loaded_once() -> None:
    """What is a module is loaded and told; a second time finds it there."""
    host = debian()

    assert load(host) == ("changed", "loaded br_netfilter, nf_conntrack")
    assert load(host) == ("unchanged", "all are there")
    assert loaded(host) == ["br_netfilter", "nf_conntrack"]


def test_a_file_system_is_loaded_when_only_others_are_there() -> None:
    """The list of file systems is there without overlay in it."""
    host = debian()
    host.kernel = {"br_netfilter", "nf_conntrack"}
    host.modules = {"overlay"}

    assert load(host) == ("changed", "loaded overlay")


def test_what_is_built_in_needs_no_modprobe() -> None:
    """A computer without modules and without their tool passes unchanged."""
    host = container()

    assert load(host) == ("unchanged", "all are there")
    assert kernel.packages(host) == ()
    assert host.asked == []


def test_the_tool_is_installed_where_there_is_something_to_load() -> None:
    """The doctor's cure is the package that ``setup`` installs."""
    host = debian()
    host.commands.discard(MODPROBE)

    assert [(f.name, f.cure) for f in bad(host)] == [
        ("kernel modules", "apt-get install --yes kmod")
    ]
    assert kernel.packages(host) == ("kmod",)
    assert kernel.packages(debian()) == ()


def test_setup_installs_the_tool_before_it_loads() -> None:
    """A Debian without kmod gets it; the phases say all that was done."""
    host, ledger = debian(), Ledger()
    host.commands.discard(MODPROBE)
    setup.prepare(["podman"], host, ledger, host=host)

    assert any(argv[-2:] == ("podman", "kmod") for argv in host.asked)
    assert [(p.name, p.outcome) for p in ledger.phases][-2:] == [
        ("kernel modules", "changed"),
        ("inotify instances", "unchanged"),
    ]
    assert loaded(host) == ["br_netfilter", "nf_conntrack"]


def test_a_module_that_does_not_exist_is_told() -> None:
    """The doctor finds it before ``up`` does, which names it with what it tried."""
    host = debian()
    host.modules = {"nf_conntrack"}
    (finding,) = bad(host)
    with pytest.raises(HostProblem) as caught:
        load(host)

    assert (finding.name, finding.severity) == ("kernel modules", "error")
    assert "Module br_netfilter not found" in finding.seen
    assert "nf_conntrack" not in finding.seen
    assert caught.value.what == "the kernel module br_netfilter cannot be loaded"
    assert "Module br_netfilter not found" in caught.value.seen
    assert "/proc/sys/net/bridge/bridge-nf-call-iptables" in caught.value.wanted
    assert "'/sbin/modprobe br_netfilter'" in caught.value.next


class Unsharing(FakeHost):
    """A computer that makes a new network by the given program."""

    def __init__(self, folder: Path, unshare: str) -> None:
        super().__init__()
        self.commands.add("unshare")
        (folder / "unshare").write_text(f"#!/bin/sh\n{unshare}\n")
        (folder / "unshare").chmod(0o755)
        self._path = f"{folder}:{os.environ['PATH']}"

    def run(self, argv: Sequence[str], **options: object) -> Completed:
        """Run that program; answer the rest as others do."""
        if argv[:2] != ["unshare", "--net"]:
            return super().run(argv, **options)
        return LocalRunner(env={"PATH": self._path}).run(argv, check=False)


@pytest.mark.parametrize(
    ("unshare", "setting", "ok"),
    [
        ('shift; exec "$@"', True, True),
        ('shift; exec "$@"', False, False),
        ("exit 1", False, True),
    ],
    ids=["there", "only here", "not to be tried"],
)
def test_an_old_kernel_whose_bridges_filter_only_here_is_told(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    unshare: str,
    setting: bool,
    ok: bool,
) -> None:
    """Before 5.3 a new network has no setting of br_netfilter, and machines need it."""
    host = Unsharing(tmp_path, unshare)
    host.kernel.add("br_netfilter")
    file = tmp_path / "bridge-nf-call-iptables"
    if setting:
        file.touch()
    there = kernel.Module("br_netfilter", str(file))
    monkeypatch.setattr(kernel, "_BRIDGES", there)
    found = [(f.name, f.severity, f.cure) for f in bad(host)]
    host.capabilities &= ~(1 << CAPABILITIES["SYS_ADMIN"])

    assert found == (
        [] if ok else [("kernel modules", "error", "boot Linux 5.3 or newer")]
    )
    assert [f.name for f in bad(host)] == ["capabilities"]  # it is not tried


def test_a_module_that_may_not_be_loaded_is_told() -> None:
    """In a container without CAP_SYS_MODULE, and where the kernel refuses."""
    host = debian()
    host.capabilities = NO_SYS_MODULE
    (finding,) = bad(host)
    host.loads = "modprobe: ERROR: could not insert: Operation not permitted"
    with pytest.raises(HostProblem) as caught:
        load(host)

    assert finding.name == "kernel modules"
    assert finding.cure.startswith("/sbin/modprobe --all br_netfilter nf_conntrack")
    assert "Operation not permitted" in caught.value.seen


@pytest.mark.parametrize(
    ("host", "wanted"),
    [
        (debian(), ["nofile=20000:20000", "nproc=30000:30000"]),
        (container(), ["nofile=20000:20000", "nproc=30000:30000"]),
    ],
    ids=["debian", "container"],
)
def test_machines_are_given_the_same_limits_on_both(
    host: FakeHost, wanted: Sequence[str]
) -> None:
    """Root raises what it may raise; elsewhere the computer allows them."""
    assert limits(host) == [f"--ulimit={limit}" for limit in wanted]


def test_without_the_right_to_raise_the_computers_limit_is_the_machines() -> None:
    """An engine that asks for more could not start a machine."""
    host = container()
    host.open_files, host.processes = "10000", "27578"

    assert limits(host) == ["--ulimit=nofile=10000:10000", "--ulimit=nproc=27578:27578"]
    assert bad(host) == []


@pytest.mark.parametrize(("machines", "ok"), [(4, True), (5, False)])
def test_processes_are_judged_by_the_size_of_the_lab(machines: int, ok: bool) -> None:
    """More machines need more; root with CAP_SYS_RESOURCE is never refused."""
    host = container()
    host.processes = "8000"
    seen = [(f.name, f.wanted) for f in bad(host, machines=machines)]
    host.capabilities = ALL_CAPABILITIES

    assert seen == ([] if ok else [("limit of processes", "at least 10000")])
    assert bad(host, machines=machines) == []


@pytest.mark.parametrize(
    ("allowed", "used", "machines", "wanted"),
    [(128, 20, 4, 1024), (1024, 1000, 4, 2048), (1024, 940, 6, 2048)],
)
def test_inotify_instances_are_raised_and_said(
    allowed: int, used: int, machines: int, wanted: int
) -> None:
    """Root raises them for the lab; how many there were before is said."""
    host, ledger = FakeHost(), Ledger()
    host.inotify, host.inotify_used = allowed, used
    setup.raise_inotify(host, ledger, host=host, machines=machines)
    (phase,) = ledger.phases

    assert host.asked == [("sysctl", "-w", f"fs.inotify.max_user_instances={wanted}")]
    assert phase.detail == (
        f"{allowed} were allowed, {wanted} are now, until the next boot"
    )


@pytest.mark.parametrize("may", [True, False])
def test_up_raises_what_it_may(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, may: bool
) -> None:
    """Where the kernel's settings cannot be written, the doctor judges instead."""
    host = FakeHost()
    host.inotify = 128
    runner: Any = host
    folder = LabFolder(tmp_path, "test")
    work = Transitions(folder, "podman", tmp_path, tmp_path, runner=runner)

    def refuse(argv: Sequence[str], **_: object) -> Completed:
        raise CommandFailed(argv, where="x", returncode=255, stderr="Read-only")

    if not may:
        monkeypatch.setattr(host, "run", refuse)
    monkeypatch.setattr("labmaker.lifecycle.transitions.ThisComputer", lambda: host)
    monkeypatch.setattr("labmaker.host.setup.ThisComputer", lambda: host)
    ledger = Ledger()
    work._raise_limits(ledger, 4)

    assert [phase.outcome for phase in ledger.phases] == [
        "changed" if may else "failed"
    ]
