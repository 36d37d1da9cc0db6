"""A wrong clock and an old certificate are named, each with its own cure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from fakes.api_server import FakeApi

from k8slab.core.process import Completed
from k8slab.errors import CertificateExpired, WrongCluster
from k8slab.folder import LabFolder
from k8slab.kube.kubeconfig import Kubeconfig
from k8slab.kube.pinning import Fingerprint
from k8slab.kube.validity import not_valid, says_not_valid
from k8slab.lab_record import INVENTORY, LabRecord, MachineRecord
from labmaker.install import health, pin

EXPIRED = (
    "Unable to connect to the server: tls: failed to verify certificate: x509: "
    "certificate has expired or is not yet valid: current time 2028-01-01T00:00:00Z "
    "is after 2027-11-27T16:00:00Z"
)
EARLY = EXPIRED.replace("is after", "is before")


class Master:
    """A master whose kubectl complains, and whose kubeconfig is this."""

    where, lab, address = "master", "blue", "172.30.1.11"

    def __init__(self, complaint: str = "", kubeconfig: str = "") -> None:
        self.complaint = complaint
        self.kubeconfig = kubeconfig

    def run(self, argv: Any, **_: object) -> Completed:
        """Complain."""
        code = 1 if self.complaint else 0
        return Completed(tuple(argv), self.where, code, "", self.complaint, 0.0)

    def read(self, path: str) -> str:
        """Return the kubeconfig."""
        return self.kubeconfig


@pytest.mark.parametrize(
    ("complaint", "said", "verbs"),
    [
        (EXPIRED, "is after 2027", {"ssh", "stop", "up", "reset"}),
        (EARLY, "not yet valid", set()),
    ],
    ids=["expired", "not yet valid"],
)
def test_up_and_start_name_the_clock_or_the_age(
    complaint: str, said: str, verbs: set[str]
) -> None:
    """A certificate that is not valid yet is made no better by a new one."""
    master: Any = Master(complaint)
    with pytest.raises(CertificateExpired) as caught:
        health.check_time(master)
    error = caught.value

    assert said in error.seen
    assert "this computer's clock: 20" in error.seen
    assert "date; it says 20" in error.next
    assert set(re.findall(r"'k8slab (\w+) --name blue", error.next)) == verbs
    assert ("kubeadm certs renew all" in error.next) == ("ssh" in verbs)


def test_a_control_plane_that_comes_back_too_old_is_not_waited_for() -> None:
    """A stopped lab whose year is over; nothing would change while one waits."""
    master: Any = Master(EXPIRED)
    with pytest.raises(CertificateExpired, match="2027"):
        health.restore_master(master, timeout=60)


@pytest.mark.parametrize(
    "complaint", ["", "connection refused", "x509: unknown authority"]
)
def test_other_complaints_are_no_matter_of_time(complaint: str) -> None:
    """They are told as they were."""
    master: Any = Master(complaint)
    health.check_time(master)

    assert says_not_valid(complaint) == ""


def test_an_inventorys_lab_has_no_power_and_its_own_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its machines are not stopped here, nor made anew."""
    machine = MachineRecord("cp1", "control-plane", IPv4Address("192.0.2.11"))
    record = LabRecord("blue", INVENTORY, "1", (machine,), None)
    LabFolder(tmp_path, "blue").save(record)
    monkeypatch.setenv("K8SLAB_HOME", str(tmp_path))
    said = not_valid("blue", "x", "expired", "y").next

    assert "'k8slab ssh --name blue cp1 kubeadm certs renew all'" in said
    assert "'k8slab ssh --name blue cp1 systemctl reboot'" in said
    assert "stop" not in said
    assert "reset" not in said


def test_the_readers_own_certificate_has_the_same_cures() -> None:
    """Whoever finds it: the library says it in one way."""
    assert "kubeadm certs renew all" in not_valid("blue", "x", "expired", "y").next


@pytest.fixture
def pinned(tmp_path: Path) -> Iterator[tuple[LabFolder, str]]:
    """A lab's folder with a pinned cluster, and what its kubeconfig says."""
    (tmp_path / "server").mkdir()
    server = FakeApi(tmp_path / "server")
    folder = LabFolder(tmp_path, "blue")
    text = server.kubeconfig(tmp_path / "made").read_text()
    folder.write("kubeconfig", text)
    access = Kubeconfig.read(folder)
    Fingerprint(access.ca_sha256, "uid", access.server).save(folder.fingerprint)
    yield folder, text
    server.close()


def test_a_renewed_certificate_is_taken_over(pinned: tuple[LabFolder, str]) -> None:
    """The lab's folder has the master's, and nothing else stays there."""
    folder, text = pinned
    before = {path.name for path in folder.root.iterdir()}
    same: Any = Master(kubeconfig=text)
    other: Any = Master(kubeconfig=text + "# renewed\n")

    assert not pin.refresh(folder, same)
    assert pin.refresh(folder, other)
    assert folder.kubeconfig.read_text() == text + "# renewed\n"
    assert {path.name for path in folder.root.iterdir()} == before


@pytest.mark.parametrize("lost", ["kubeconfig", "fingerprint.json"])
@pytest.mark.parametrize("text", [None, "\0"], ids=["gone", "damaged"])
def test_a_file_that_was_lost_is_fetched_again(
    pinned: tuple[LabFolder, str],
    monkeypatch: pytest.MonkeyPatch,
    lost: str,
    text: str | None,
) -> None:
    """Over SSH, whose pinned host key says who the master is."""
    folder, told = pinned
    path = folder.root / lost
    before = {each.name: each.read_bytes() for each in folder.root.iterdir()}
    path.unlink()
    if text is not None:
        path.write_text(text)
    master: Any = Master(kubeconfig=told)
    master.address = "127.0.0.1"
    monkeypatch.setattr(health, "kube_system_uid", lambda shell: "uid")

    assert pin.refresh(folder, master)
    assert {each.name: each.read_bytes() for each in folder.root.iterdir()} == before
    assert not pin.refresh(folder, master)


def test_another_clusters_kubeconfig_is_not_taken_over(
    pinned: tuple[LabFolder, str],
) -> None:
    """The pinned one stays, and is said to differ."""
    folder, text = pinned
    other: Any = Master(kubeconfig=re.sub(r"https://[^\n]*", "https://192.0.2.1", text))
    with pytest.raises(WrongCluster):
        pin.refresh(folder, other)

    assert folder.kubeconfig.read_text() == text
