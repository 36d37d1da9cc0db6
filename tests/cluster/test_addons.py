"""Add-ons on a real lab: enabled, used, disabled, and nothing of them left.

Soak has each of them come and go alone, and again.
"""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator

import addons
import faulty
import kernels
import pytest
from addons import (
    BUILD_S,
    CLAIM,
    NAMES,
    WRITER,
    addon,
    come_and_gone,
    killed_and_made_whole,
    remains,
    use,
)
from labs import OUTSIDE, Lab, route

from k8slab import wait
from k8slab.kube import snapshot
from k8slab.kube.snapshot import Snapshot
from labmaker.addons.base import LABEL

pytestmark = pytest.mark.timeout(BUILD_S)


@pytest.fixture(scope="module")
def lab(main: Lab) -> Iterator[Lab]:
    """Return the shared lab, without add-ons at the end; their images are built."""
    addons.build()
    yield main
    for name in NAMES[::-1]:
        main.home.run("addon", "disable", "--name", main.name, name)


@pytest.fixture(scope="module")
def clean(lab: Lab) -> tuple[Snapshot, dict[str, list[str]]]:
    """Return how the cluster and the machines were before any add-on."""
    with lab.cluster() as cluster:
        return snapshot.take(cluster), remains(lab)


@pytest.fixture(scope="class")
def together(lab: Lab, clean: object) -> Iterator[dict[str, int]]:
    """Have all of them at once; return the packets that sought a way out before."""
    before = outward(lab)
    for name in NAMES:
        addon(lab, "enable", name)
    yield before
    for name in NAMES[::-1]:
        addon(lab, "disable", name)


def counter(text: str, table: str, name: str) -> int:
    """Return one of the kernel's counters, which stand in pairs of lines."""
    rows = [line.split() for line in text.splitlines()]
    head, values = [row for row in rows if row[0] == f"{table}:"]
    return int(values[head.index(name)])


def outward(lab: Lab) -> dict[str, int]:
    """Return how many packets sought a way out of the lab, and found none.

    Each machine counts those of its own and of its Pods; this computer counts those
    that it rejects at the lab's bridge.
    """
    found = {}
    for name in ("master", "node1", "node2"):
        with lab.shell(name) as shell:
            text = shell.run(["cat", "/proc/net/snmp", "/proc/net/netstat"]).stdout
        own, of_pods = ("Ip", "OutNoRoutes"), ("IpExt", "InNoRoutes")
        found[name] = sum(counter(text, *each) for each in (own, of_pods))
    argv = ["iptables", "-L", f"K8SLAB-{lab.plan.slot}", "-v", "-x", "-n"]
    rows = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    rejected = [row.split() for row in rows.splitlines() if " REJECT " in row]
    assert len(rejected) == 2
    return {**found, "this computer": sum(int(row[0]) for row in rejected)}


class TestAllTogether:
    """All of them at once."""

    def test_no_packet_leaves_the_lab(self, lab: Lab, together: dict[str, int]) -> None:
        """They are used, and none even looks for a way out."""
        with lab.cluster() as cluster:
            pods = [pod for name in NAMES for pod in cluster.pods(f"{LABEL}={name}")]
        images = {image for pod in pods for image in pod.images}
        ways = set()
        for node in {pod.node for pod in pods}:
            with lab.shell(node) as shell:
                ways |= {route(address, shell) for address in OUTSIDE}
        for name in NAMES:
            use(lab, name)

        assert ways == {"refused"}
        assert {image.partition("/")[0] for image in images} == {"registry.lab"}
        assert outward(lab) == together

    def test_a_fault_of_one_is_seen_and_undone(
        self, lab: Lab, together: object, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """At the end of its block, and by the next connection after a killed kernel."""
        for name in faulty.OF_ADDONS:
            with lab.cluster() as cluster:
                before = snapshot.take(cluster)
                proof = faulty.prove(cluster, name, "")
            faulty.kill(lab.name, lab.home.folder, [(name, "")])
            with lab.cluster() as cluster:
                lost = snapshot.difference(before, snapshot.take(cluster))

            assert (name, proof.problem, lost) == (name, "", [])
            assert name in capsys.readouterr().err

    def test_volumes_keep_their_provisioner(self, lab: Lab, together: object) -> None:
        """It is refused to remove what a claim needs; afterwards the claim works."""
        with lab.cluster() as cluster:
            space = cluster.scratch("addons")
            cluster.kubectl(
                ["apply", "--filename=-"],
                namespace=space.name,
                input=CLAIM + "---\n" + WRITER,
            )
            wait.pod(space, "writer", ready=True)
            said = lab.home.run(
                "addon", "disable", "--name", lab.name, "local-path-provisioner"
            )
            read = cluster.kubectl(
                ["exec", "writer", "--", "cat", "/data/file"], namespace=space.name
            ).stdout
            space.remove()

        assert (said.returncode, read) == (10, "kept\n"), said.text
        assert "PersistentVolume pvc-" in said.stderr


def test_nothing_is_left_of_them_all(
    lab: Lab, clean: tuple[Snapshot, dict[str, list[str]]]
) -> None:
    """They were enabled together, and are disabled now."""
    before, machines = clean
    with lab.cluster() as cluster:
        lost = snapshot.difference(before, snapshot.take(cluster))

    assert (lost, remains(lab), lab.record.addons) == ([], machines, ())


def test_it_comes_again_and_is_there_after_a_stop(lab: Lab) -> None:
    """The second time as the first; one add-on, which is drawn."""
    seed = kernels.seed()
    name = random.Random(seed).choice(NAMES)  # noqa: S311 - a sample
    print(f"{kernels.SEED}={seed:x}: {name}")
    clean = remains(lab)

    assert come_and_gone(lab, name, stopped=True) == []
    assert remains(lab) == clean


def test_what_a_killed_command_left_is_made_whole_or_removed(lab: Lab) -> None:
    """Enabling it again makes it whole; disabling it or 'up' removes it."""
    killed_and_made_whole(lab, "metrics-server")


def test_a_chapter_requires_it(lab: Lab, capfd: pytest.CaptureFixture[str]) -> None:
    """It is enabled with its phases shown, at once when it is there, and released."""
    name = "local-path-provisioner"
    with lab.cluster() as cluster:
        cluster.require(name)
        first = capfd.readouterr().out
        cluster.require(name)
        second = capfd.readouterr().out
        enabled = cluster.record.addons
        cluster.release()

    assert f"{name}: see it work" in first
    assert (second, enabled, lab.record.addons) == ("", (name,), ())
