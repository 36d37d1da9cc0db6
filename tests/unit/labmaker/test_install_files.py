"""The files that the reader of the chapter install copies say what the library says."""

import json
from configparser import ConfigParser
from typing import Any

import pytest
import yaml
from fakes.shell import FakeShell
from paths import ROOT

from k8slab.lab_record import MachineRecord
from labmaker.bundle import versions
from labmaker.install.context import InstallContext
from labmaker.install.steps import control_plane, coredns, pod_network
from labmaker.plan import AddressPlan
from labmaker.settings import Settings

PLAN = AddressPlan(2)
VERSIONS = versions.read(ROOT / "bundle")
SETTINGS = Settings("lab", PLAN.slot, 2, "bare", "podman", VERSIONS.kubernetes)
RECORD = SETTINGS.record(lambda name: ((), ()), VERSIONS.images)
CONTEXT = InstallContext(RECORD, VERSIONS, ca="", apt_key=b"")


def filled(name: str, machine: MachineRecord = CONTEXT.master) -> str:
    """Return a file's text with the addresses that the reader fills in."""
    text = (ROOT / "manifests" / "install" / name).read_text(encoding="utf-8")
    for word, value in (
        ("__MASTER__", CONTEXT.master.address),
        ("__PODS__", PLAN.pods),
        ("__SERVICES__", PLAN.services),
        ("__RANGE__", machine.pods),
    ):
        text = text.replace(word, str(value))
    assert "__" not in text
    return text


def by_library(kind: str) -> dict[str, Any]:
    """Return the document of that kind that the library gives to kubeadm."""
    documents = control_plane.init_documents(CONTEXT, "token")
    return next(each for each in documents if each["kind"] == kind)


@pytest.mark.parametrize(
    "kind", ["ClusterConfiguration", "KubeletConfiguration", "KubeProxyConfiguration"]
)
def test_kubeadm_is_told_the_same(kind: str) -> None:
    """Cluster, kubelet and kube-proxy are configured alike."""
    assert yaml.safe_load(filled(f"{kind.lower()}-lab.yaml")) == by_library(kind)


def test_the_master_is_told_the_same() -> None:
    """The library's file says more: a token, and what kubeadm would take by itself."""
    own = yaml.safe_load(filled("initconfiguration-master.yaml"))
    library = by_library("InitConfiguration")
    port = library["localAPIEndpoint"].pop("bindPort")

    assert own["localAPIEndpoint"] == library["localAPIEndpoint"]
    assert own["nodeRegistration"].items() <= library["nodeRegistration"].items()
    assert port == 6443  # kubeadm's default


def test_one_word_is_wrong_in_the_broken_configuration() -> None:
    """The repository of images, and nothing else."""
    wrong = yaml.safe_load(filled("clusterconfiguration-lab.broken.yaml"))
    right = by_library("ClusterConfiguration")

    assert [key for key in right if wrong[key] != right[key]] == ["imageRepository"]


def test_coredns_is_told_the_same() -> None:
    """The reader's ConfigMap is the library's."""
    own = yaml.safe_load(filled("configmap-coredns.yaml"))

    assert own == coredns.coredns_config()


@pytest.mark.parametrize("machine", CONTEXT.nodes, ids=lambda machine: machine.name)
def test_the_pod_network_is_the_same(machine: MachineRecord) -> None:
    """To the letter, on each machine."""
    assert filled("10-lab.conflist", machine) == pod_network.conflist(machine)
    assert json.loads(filled("10-lab.conflist", machine))["name"] == "lab"


@pytest.mark.parametrize("machine", CONTEXT.nodes, ids=lambda machine: machine.name)
def test_the_routes_are_the_same(machine: MachineRecord) -> None:
    """Each range of the plan is reached by the same way as in the library's script."""
    text = filled("pod-routes")
    for other in CONTEXT.nodes:
        name = other.name.upper()
        text = text.replace(f'"${name}_RANGE"', str(other.pods))
        text = text.replace(f'"${name}"', str(other.address))
    text = text.replace('"$PODS"', str(PLAN.pods))
    text = text.replace('"$SERVICES"', str(PLAN.services))
    own = {
        line[line.index("ip route") :]
        for line in text.splitlines()
        if "ip route" in line and f"= {machine.name} ]" not in line
    }
    library = pod_network.routes_script(CONTEXT, machine).splitlines()

    assert own == {line for line in library if line.startswith("ip route")}


def test_the_unit_is_the_same() -> None:
    """Routes come back at every boot, before the kubelet."""
    assert filled("pod-routes.service") == pod_network._UNIT_TEXT


def test_routes_that_cannot_be_set_yet_are_set_later() -> None:
    """At a boot whose addresses come late, and however often that fails."""
    unit = ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[method-assign,assignment]
    unit.read_string(pod_network._UNIT_TEXT)

    assert unit["Unit"]["Wants"] == unit["Unit"]["After"] == "network-online.target"
    assert unit["Unit"]["StartLimitIntervalSec"] == "0"
    assert unit["Service"]["Restart"] == "on-failure"
    assert unit["Service"]["RestartSec"] == "2"


@pytest.mark.parametrize("lost", [True, False], ids=["lost", "there"])
def test_routes_that_were_lost_since_the_boot_are_set_anew(lost: bool) -> None:
    """Whatever the unit says of itself; it stays active when routes are deleted."""
    routes = ["unreachable 10.244.0.0/16", "10.244.2.0/24 via 192.0.2.12 dev ens3"]
    there = routes[: 1 if lost else 2]

    def answer(text: str) -> tuple[int, str, str]:
        if "restart" in text:
            there[:] = routes
        return 0, "\n".join(there) if text.startswith("ip") else "", ""

    shell = FakeShell("node1", "192.0.2.11")
    shell.answer = answer

    assert pod_network.restore(shell) is lost
    assert there == routes
