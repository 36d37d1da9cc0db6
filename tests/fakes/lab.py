"""The folder of a lab that nobody made, and a connection to its fake cluster."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from k8slab.folder import LabFolder
from k8slab.kube.cluster import Cluster
from k8slab.kube.kubeconfig import Kubeconfig
from k8slab.kube.pinning import Fingerprint
from k8slab.lab_record import (
    CONTROL_PLANE,
    DEPOT,
    WORKER,
    LabRecord,
    MachineRecord,
    Ranges,
)

from .api_server import FakeApi
from .shell import FakeShell

RECORD = LabRecord(
    name="default",
    provider="podman",
    kubernetes="1.37.2",
    machines=(
        MachineRecord(
            "master",
            CONTROL_PLANE,
            IPv4Address("172.30.1.11"),
            IPv4Network("10.244.1.0/24"),
        ),
        MachineRecord(
            "node1", WORKER, IPv4Address("172.30.1.12"), IPv4Network("10.244.2.0/24")
        ),
        MachineRecord(
            "node2", WORKER, IPv4Address("172.30.1.13"), IPv4Network("10.244.3.0/24")
        ),
        MachineRecord("depot", DEPOT, IPv4Address("172.30.1.5")),
    ),
    ranges=Ranges(
        machines=IPv4Network("172.30.1.0/24"),
        pods=IPv4Network("10.244.0.0/16"),
        services=IPv4Network("10.96.0.0/16"),
        dns=IPv4Address("10.96.0.10"),
    ),
)
"""A lab with a master, two nodes and a depot."""


def connect(api: FakeApi, folder: LabFolder) -> Cluster:
    """Write a lab's kubeconfig, and connect to the API server as to that lab."""
    folder.root.mkdir(parents=True, exist_ok=True)
    folder.kubectl.touch()
    api.kubeconfig(folder.kubeconfig)
    pin(api, folder)
    shells = {
        each.name: FakeShell(each.name, str(each.address)) for each in RECORD.nodes
    }
    return Cluster(RECORD, shells, folder)


def pin(api: FakeApi, folder: LabFolder) -> None:
    """Write the fingerprint of the API server that a lab's kubeconfig leads to."""
    access = Kubeconfig.read(folder)
    Fingerprint(access.ca_sha256, api.uid, access.server).save(folder.fingerprint)
