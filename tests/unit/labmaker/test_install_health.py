"""Waiting for a master that was started, on a shell that is only pretended."""

from __future__ import annotations

import pytest
from fakes.shell import FakeShell, complaining
from paths import ROOT

from k8slab.errors import NotReady
from labmaker.bundle import versions
from labmaker.install import health
from labmaker.plan import AddressPlan
from labmaker.settings import Settings

PLAN = AddressPlan(0)
VERSIONS = versions.read(ROOT / "bundle")
SETTINGS = Settings("lab", PLAN.slot, 2, "ready", "podman", VERSIONS.kubernetes)
RECORD = SETTINGS.record(lambda name: ((), ()), VERSIONS.images)
REFUSED = "bash: connect: Connection refused"


def test_the_kubelet_starts_anew_when_all_of_the_control_plane_answers() -> None:
    """Not before: it would be ended while it makes the containers."""
    shell = complaining("master", REFUSED, REFUSED)
    health.restore_master(shell, timeout=5)

    assert ["restart kubelet" in words for words in shell.asked] == [False] * 3 + [True]
    assert all(f"/{port} " in shell.asked[0] for port in (2379, 6443, 10257, 10259))


def test_a_control_plane_that_never_answers_is_told_with_its_last_words() -> None:
    """And its kubelet is left alone."""
    shell = complaining("master", *[REFUSED] * 20)
    with pytest.raises(NotReady) as caught:
        health.restore_master(shell, timeout=0.2)

    assert caught.value.seen == REFUSED
    assert not any("restart" in words for words in shell.asked)


def test_pods_are_put_there_as_soon_as_they_are_taken() -> None:
    """A new cluster has no account for them at first."""
    shell = complaining(
        "master", "error looking up service account kube-system/default: not found"
    )
    health.ask_names(RECORD, shell, timeout=5)

    assert len(shell.asked) == 2


@pytest.mark.parametrize("lacking", ["node/node2", "deployment/coredns", "nothing"])
def test_a_cluster_is_well_when_nodes_and_names_are(lacking: str) -> None:
    """Neither is enough alone."""
    shell = FakeShell("master", "192.0.2.1")
    shell.answer = lambda text: (int(lacking in text), "", "")

    assert health.is_well(shell, ["master", "node2"]) is (lacking == "nothing")
