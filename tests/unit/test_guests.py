"""What guests run by and what they take over, without a guest."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from guests import acceleration, guest, origin
from guests.acceleration import KVM, TCG
from guests.disk import System
from guests.origin import KEYS

from k8slab.core.process import Completed
from k8slab.errors import NotReady
from k8slab.ssh.keys import generate_key

TARGETS = "\n".join(
    f"Debian|{name}|https://deb.example/{path}|main"
    for name, path in [
        ("bookworm", "debian"),
        ("bookworm-updates", "debian"),
        ("bookworm-security", "security"),
    ]
)


class Apt:
    """An apt that knows one release."""

    where = "this computer"

    def run(self, argv: Sequence[str], **_: object) -> Completed:
        """Answer as 'apt-get indextargets' does."""
        return Completed(tuple(argv), self.where, 0, TARGETS, "", 0.0)


@pytest.mark.parametrize("kind", ["missing", "file"])
def test_a_computer_without_kvm_emulates(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A device that is not there, or makes no machine, is a reason and no error."""
    device = tmp_path / "kvm"
    if kind == "file":
        device.touch()
    monkeypatch.setattr(acceleration, "_DEVICE", device)

    found, why = acceleration.find(tmp_path / "kernel", tmp_path / "initrd")

    assert found is TCG
    assert why.startswith(str(device))


def pretend(qemu: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a script in the place of qemu; its last argument is in ``last``."""
    program = folder / "qemu-system-x86_64"
    program.write_text(f"#!/bin/sh\nfor last; do :; done\n{qemu}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ('echo "Loading, please wait..." >"${last#file:}"; exec sleep 60', ""),
        ("echo no such register >&2; exit 134", "it cannot come: no such register"),
    ],
)
def test_only_a_kernel_that_runs_programs_proves_kvm(
    script: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A qemu that ends is a reason, and one that goes on is ended."""
    pretend(script, tmp_path, monkeypatch)

    said = acceleration.boots(KVM, tmp_path / "kernel", tmp_path / "initrd")

    assert said.removeprefix("a kernel with kvm: ") == why


@pytest.mark.slow
def test_a_guest_that_ends_says_why_and_where_its_console_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for a machine that is gone."""
    pretend("echo no room for its memory >&2; exit 1", tmp_path, monkeypatch)
    for name in ("vmlinuz", "initrd.img"):
        (tmp_path / name).touch()
    private, public = generate_key()
    system, console = System("x", tmp_path, tmp_path / "key", public), tmp_path / "log"
    system.key.write_text(private)

    with pytest.raises(NotReady) as failed, guest.running(system, TCG, console):
        pass

    assert failed.value.seen == "no room for its memory"
    assert str(console) in failed.value.next


@pytest.mark.parametrize("release", ["bookworm", "trixie"])
def test_sources_are_those_of_this_computer(release: str) -> None:
    """A release that apt does not know lies beside the one it knows."""
    lines = origin.read(release, Apt()).sources

    assert sorted(line.split()[2:] for line in lines) == [
        ["https://deb.example/debian", release, "main"],
        ["https://deb.example/debian", f"{release}-updates", "main"],
        ["https://deb.example/security", f"{release}-security", "main"],
    ]
    assert all(line.startswith(f"deb [signed-by={KEYS}] ") for line in lines)


def test_only_what_registries_need_is_taken_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A certificate comes with its file; folders and other variables stay here."""
    authority = tmp_path / "authority.crt"
    authority.write_text("a certificate")
    monkeypatch.setenv("PIP_CERT", str(authority))
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("SECRET_TOKEN", "x")

    found = origin.read("bookworm", Apt())

    assert found.variables["PIP_CERT"] == str(authority)
    assert found.files[str(authority)] == b"a certificate"
    assert found.variables.keys().isdisjoint({"PIP_FIND_LINKS", "SECRET_TOKEN"})
