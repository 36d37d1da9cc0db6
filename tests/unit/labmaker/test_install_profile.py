"""Install steps take what differs from the machines: real ones are not containers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from fakes.shell import FakeShell
from paths import ROOT

from k8slab.core.phases import Ledger
from labmaker.bundle import versions
from labmaker.install import bring_up
from labmaker.install.context import InstallContext
from labmaker.install.profile import Profile, Sources
from labmaker.install.steps import (
    control_plane,
    coredns,
    pod_network,
    runtime,
    system,
    trust,
)
from labmaker.schedule import Schedule
from labmaker.settings import Settings

VERSIONS = versions.read(ROOT / "bundle")
SETTINGS = Settings("lab", 2, 2, "bare", "podman", VERSIONS.kubernetes)
RECORD = SETTINGS.record(lambda name: ((), ()), VERSIONS.images)
LAB = InstallContext(RECORD, VERSIONS, ca="CA", apt_key=b"")
REAL = replace(
    LAB,
    profile=Profile(
        made_here=False,
        contained=False,
        cgroup_driver="systemd",
        cgroup_v1=False,
        outside=True,
        devices={"node1": "ens3"},
    ),
    depot_on="node1",
)
CONTAINERD = (
    ROOT / "bundle/packages/containerd/etc/containerd/config.toml"
).read_text()


def told(context: InstallContext, kind: str) -> Mapping[str, Any]:
    """Return the document of that kind that kubeadm is given."""
    documents = control_plane.init_documents(context, "token")
    return next(each for each in documents if each["kind"] == kind)


def test_a_real_machines_kubelet_has_its_own_defaults() -> None:
    """Its disk and its swap are the node's business; systemd drives its groups."""
    real = told(REAL, "KubeletConfiguration")

    assert real["cgroupDriver"] == "systemd"
    absent = {"failSwapOn", "failCgroupV1", "evictionHard"}
    absent |= {"imageGCHighThresholdPercent"}
    assert absent & set(real) == set()
    assert absent <= set(told(LAB, "KubeletConfiguration"))


def test_a_real_machines_proxy_has_its_own_defaults() -> None:
    """Mode and connection tracking are as kube-proxy and kubeadm set them."""
    assert {"mode", "conntrack"} & set(told(REAL, "KubeProxyConfiguration")) == set()
    assert {"mode", "conntrack"} <= set(told(LAB, "KubeProxyConfiguration"))


def test_a_reader_s_containers_keep_the_settings_of_their_host() -> None:
    """They are the reader's, and yet may not write connection tracking's settings."""
    contained = replace(REAL, profile=replace(REAL.profile, contained=True))
    proxy = told(contained, "KubeProxyConfiguration")

    assert proxy["conntrack"]["maxPerCore"] == 0
    assert "mode" not in proxy
    assert told(contained, "KubeletConfiguration")["failSwapOn"] is False


def test_preflight_errors_are_ignored_on_cgroup_v1_alone() -> None:
    """On a real machine of today each of them is a reason to stop."""
    assert control_plane.ignored(REAL) == []
    assert control_plane.ignored(LAB) == [
        "--ignore-preflight-errors=SystemVerification"
    ]


def test_another_pod_network_needs_a_range_of_its_own() -> None:
    """The controller manager divides it then."""
    other = replace(REAL, profile=replace(REAL.profile, pod_network=False))
    asked = told(other, "ClusterConfiguration")["networking"]

    assert asked["podSubnet"] == str(LAB.ranges.pods)
    assert "podSubnet" not in told(REAL, "ClusterConfiguration")["networking"]
    shell: Any = None  # nothing is asked of the machine
    assert pod_network.apply(other, LAB.master, shell) is False


def test_another_pod_network_comes_of_a_manifest() -> None:
    """It is applied on the control plane, as soon as that knows the token."""
    other = replace(REAL, network="kind: DaemonSet")
    shell: Any = FakeShell("master", "192.0.2.11")
    pod_network.apply_manifest(other, shell)
    names = []
    for context in (REAL, other):
        schedule = Schedule(Ledger())
        bring_up._machines(
            schedule,
            context,
            {node.name: shell for node in LAB.nodes},
            boot=lambda _: None,
            serve=lambda: None,
        )
        bring_up._cluster(schedule, context, {n.name: shell for n in LAB.nodes})
        names.append({name for name in schedule._steps})

    assert "kubectl --kubeconfig=/etc/kubernetes/admin.conf apply" in shell.asked[0]
    assert names[1] - names[0] == {"Pod network"}


def test_names_outside_are_asked_of_the_machines_servers() -> None:
    """Where there are none, they do not exist."""
    outside = coredns.coredns_config(outside=True)["data"]["Corefile"]

    assert "forward . /etc/resolv.conf" in outside
    assert "NXDOMAIN" not in outside
    assert "NXDOMAIN" in coredns.coredns_config()["data"]["Corefile"]


def test_routes_go_by_the_machines_own_device() -> None:
    """It is not called eth0 everywhere."""
    node = next(m for m in LAB.nodes if m.name == "node1")
    script = pod_network.routes_script(REAL, node)

    assert script.count("ens3") == 3
    assert "eth0" not in script


def test_a_hosts_file_keeps_what_it_has() -> None:
    """The lab's lines are a marked part, which is replaced when they change."""
    lines = system.hosts_file(REAL)
    first = system.with_hosts("127.0.0.1 localhost", lines)
    again = system.with_hosts(first + "192.0.2.1 mine\n", "192.0.2.9 other\n")

    assert "localhost" not in lines
    assert f"{LAB.workers[0].address} registry.lab\n" in lines
    assert first.startswith("127.0.0.1 localhost\n# k8slab: begin\n")
    assert system.with_hosts(first, lines) == first
    assert again.splitlines() == [
        "127.0.0.1 localhost",
        "192.0.2.1 mine",
        "# k8slab: begin",
        "192.0.2.9 other",
        "# k8slab: end",
    ]


CLOUD = """\
# Your system has configured 'manage_etc_hosts' as True.
# a.) make changes to the master file in /etc/cloud/templates/hosts.debian.tmpl
127.0.0.1 localhost
"""


@pytest.mark.parametrize("managed", [True, False])
@pytest.mark.parametrize("there", [True, False])
def test_a_hosts_file_that_is_made_at_each_boot_keeps_the_labs_part(
    managed: bool, there: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cloud-init makes it of a template, and says so in the file."""
    template = "/etc/cloud/templates/hosts.debian.tmpl"
    files = {"/etc/hosts": CLOUD if managed else "127.0.0.1 localhost\n"}
    if there:
        files[template] = f"## template:jinja\n{CLOUD}127.0.1.1 {{{{hostname}}}}\n"
    before = dict(files)

    def put(path: str, data: str, **_: int) -> bool:
        files[path] = data
        return True

    shell = FakeShell("node1", "192.0.2.12")
    shell.answer = lambda text: (int(text.startswith("test -f") and not there), "", "")
    monkeypatch.setattr(shell, "read", files.__getitem__)
    monkeypatch.setattr(shell, "put", put)
    system.apply(REAL, LAB.workers[0], shell)

    wanted = {"/etc/hosts", template} if managed and there else {"/etc/hosts"}
    part = system.with_hosts("", system.hosts_file(REAL))
    assert {path for path, text in files.items() if part in text} == wanted
    assert all(files[path].startswith(before[path]) for path in before)


def test_the_readers_registry_is_not_renamed() -> None:
    """Nobody of ours serves registry.lab then."""
    assert "registry.lab" not in system.hosts_file(replace(REAL, depot_on=""))


def test_containerd_is_fitted_by_its_own_keys() -> None:
    """Each of them stands in the package's settings, once."""
    real = runtime.fit(CONTAINERD, REAL.profile)

    assert "SystemdCgroup = true" in real
    assert "restrict_oom_score_adj = false" in real
    assert "disable_apparmor = false" in real
    assert runtime.fit(CONTAINERD, LAB.profile) == CONTAINERD
    changed = set(CONTAINERD.splitlines()) ^ set(real.splitlines())
    assert len(changed) == 6


@pytest.mark.parametrize(
    ("mirror", "path"),
    [
        ("https://registry.lab:5443", False),
        ("https://registry.example/v2/team/book", True),
    ],
)
def test_images_are_pulled_from_a_mirror(mirror: str, path: bool) -> None:
    """One below a path of a registry says so, or '/v2' would be put behind it."""
    sources = Sources(mirror=mirror, mirror_is_path=path)
    lines = trust.registry_hosts(replace(REAL, sources=sources)).splitlines()

    assert f'[host."{mirror}"]' in lines
    assert ("  override_path = true" in lines) == path
    assert '  ca = "/etc/k8slab/depot-ca.crt"' in lines
