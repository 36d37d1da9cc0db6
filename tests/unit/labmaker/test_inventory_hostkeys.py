"""Host keys of an inventory are pinned as it says, or as confirmed; never blindly."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fakes.ssh_server import FakeMachine
from paramiko import ECDSAKey, PKey, RSAKey

from k8slab.errors import HostKeyMismatch
from k8slab.folder import LabFolder
from k8slab.ssh.connect import Login
from labmaker.inventory import hostkeys
from labmaker.inventory.schema import Inventory, read

OTHER = "SHA256:" + "b" * 43


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[FakeMachine]:
    """Return a machine behind an SSH server."""
    made = FakeMachine(tmp_path)
    yield made
    made.close()


@pytest.fixture
def folder(tmp_path: Path) -> LabFolder:
    """Return the folder of a lab that is being made."""
    return LabFolder(tmp_path / "labs", "own")


def inventory(machine: FakeMachine, host_key: str = "") -> Inventory:
    """Return an inventory of two machines, of which one server is asked twice."""
    key = f", host_key: '{host_key}'" if host_key else ""
    file = machine.folder / "hosts.yaml"
    file.write_text(
        f"defaults: {{port: {machine.port}, key: {machine.key}}}\n"
        "machines:\n"
        f"  - {{name: master, role: control-plane, address: 127.0.0.1{key}}}\n"
        f"  - {{name: node1, address: 127.0.0.2, host_key: '{real(machine)}'}}\n"
    )
    return read(file)


def real(machine: FakeMachine) -> str:
    """Return the fingerprint of a machine's key, as ssh-keygen prints it."""
    file = machine.folder / "host_key.pub"
    file.write_text(machine.host_public)
    told = subprocess.run(
        ["ssh-keygen", "-lf", str(file)], capture_output=True, text=True, check=True
    )
    return told.stdout.split()[1]


@pytest.fixture(autouse=True)
def everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every address lead to the same server."""
    before = socket.create_connection

    def connect(address: tuple[str, int], timeout: float) -> socket.socket:
        return before(("127.0.0.1", address[1]), timeout)

    monkeypatch.setattr(socket, "create_connection", connect)


def pinned(folder: LabFolder) -> list[str]:
    """Return the hosts that are pinned."""
    lines = folder.known_hosts.read_text().splitlines()
    return [line.split()[0] for line in lines]


def test_the_files_fingerprint_is_enough(
    machine: FakeMachine, folder: LabFolder
) -> None:
    """Nobody is asked, and nobody logs in."""
    hostkeys.pin(folder, inventory(machine, real(machine)), None)

    port = machine.port
    assert pinned(folder) == [f"[127.0.0.1]:{port}", f"[127.0.0.2]:{port}"]
    assert machine.commands == []


def test_another_key_is_refused(machine: FakeMachine, folder: LabFolder) -> None:
    """Also when somebody could be asked: the file said which one it is."""
    with pytest.raises(HostKeyMismatch, match="another host key") as caught:
        hostkeys.pin(folder, inventory(machine, OTHER), lambda _: True)

    assert caught.value.wanted == OTHER
    assert real(machine) in caught.value.seen
    assert not folder.known_hosts.exists()


def test_without_a_terminal_it_says_what_to_write(
    machine: FakeMachine, folder: LabFolder
) -> None:
    """The line is right as it stands, once it was compared."""
    with pytest.raises(HostKeyMismatch, match="nobody confirmed") as caught:
        hostkeys.pin(folder, inventory(machine), None)

    assert caught.value.seen == f"machines[0]: host_key: {real(machine)}"
    assert "ssh-keygen -lf" in caught.value.next
    assert not folder.known_hosts.exists()


@pytest.mark.parametrize(
    ("name", "key"),
    [("ecdsa", ECDSAKey.generate()), ("rsa", RSAKey.generate(1024))],
)
def test_a_host_compares_the_key_that_it_shows(
    machine: FakeMachine,
    folder: LabFolder,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    key: PKey,
) -> None:
    """One that is older, or stricter, need not have a key of the usual type."""
    usual = Login.shown_key

    def shown(login: Login, timeout: float) -> PKey:
        return key if login.machine == "master" else usual(login, timeout)

    monkeypatch.setattr(Login, "shown_key", shown)
    with pytest.raises(HostKeyMismatch, match="nobody confirmed") as unknown:
        hostkeys.pin(folder, inventory(machine), None)
    with pytest.raises(HostKeyMismatch, match="another host key") as another:
        hostkeys.pin(folder, inventory(machine, OTHER), None)

    for caught in (unknown, another):
        assert f"/etc/ssh/ssh_host_{name}_key.pub" in caught.value.next
        assert "ed25519" not in caught.value.next


def test_the_reader_is_asked_once(machine: FakeMachine, folder: LabFolder) -> None:
    """And only about what the file does not say."""
    asked: list[str] = []

    def yes(question: str) -> bool:
        asked.append(question)
        return True

    hostkeys.pin(folder, inventory(machine), yes)

    assert len(asked) == 1
    assert real(machine) in asked[0]
    assert len(pinned(folder)) == 2


def test_no_means_no(machine: FakeMachine, folder: LabFolder) -> None:
    """Nothing is pinned."""
    with pytest.raises(HostKeyMismatch, match="nobody confirmed"):
        hostkeys.pin(folder, inventory(machine), lambda _: False)

    assert not folder.known_hosts.exists()


def test_a_jump_host_may_have_an_ipv6_address(
    machine: FakeMachine, folder: LabFolder
) -> None:
    """It is pinned as the ssh of this computer looks for it, on any port."""
    told = inventory(machine, real(machine))
    jump = replace(told.hosts[0], name="bastion", address="2001:db8::1")
    hostkeys.pin(folder, replace(told, hosts=(jump, *told.hosts)), None)

    look = ["ssh-keygen", "-f", str(folder.known_hosts)]
    for host in (f"[2001:db8::1]:{machine.port}", f"[127.0.0.1]:{machine.port}"):
        subprocess.run([*look, "-F", host], capture_output=True, check=True)
