"""A PATH without root's own folders, as Debian's ``su`` leaves it, hides nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from k8slab.core import process
from k8slab.core.process import LocalRunner, search_path
from labmaker.bundle.servers import running
from labmaker.computer import ThisComputer
from labmaker.host import setup
from labmaker.providers import provider_of


@pytest.fixture(autouse=True)
def sbin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of root's programs that the PATH does not name."""
    folder = tmp_path / "sbin"
    folder.mkdir()
    for name in ("sysctl", "iptables", "dockerd", "docker"):
        (folder / name).write_text(f"#!/bin/sh\necho 23.0.1 runc {name}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setattr(process, "_SYSTEM", (str(folder),))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    return folder


def test_a_program_of_roots_is_found_and_run(sbin: Path) -> None:
    """By what looks for it and by what runs it; the folder comes last."""
    assert ThisComputer().has("iptables")
    assert LocalRunner().run(["sysctl"]).stdout == "23.0.1 runc sysctl\n"
    assert search_path().split(os.pathsep)[-1] == str(sbin)


def test_what_is_run_finds_them_too() -> None:
    """Podman runs iptables, and mmdebstrap runs half of /usr/sbin."""
    assert LocalRunner().run(["sh", "-c", "iptables"]).ok


def test_an_engine_is_not_called_missing() -> None:
    """Docker's daemon lies in /usr/sbin; its package need not be installed again."""
    assert provider_of("docker", "test").packages() == ()


def test_setup_does_not_ask_for_what_is_installed(sbin: Path) -> None:
    """The limit is written by a sysctl that is not on the PATH."""
    from k8slab.core.phases import Ledger
    from labmaker.computer import Computer

    class Low(ThisComputer):
        def inotify_in_use(self) -> int:
            return 10**9

    ledger, host = Ledger(), Low()
    low: Computer = host
    setup.raise_inotify(LocalRunner(), ledger, host=low)

    assert ledger.phases[0].outcome == "changed"


def test_a_server_of_a_build_finds_them(tmp_path: Path) -> None:
    """Containerd looks for its helpers as it starts."""
    log = tmp_path / "log"

    def is_up() -> bool:
        return "iptables" in log.read_text()

    with running(["/bin/sh", "-c", "iptables; exec sleep 30"], log, is_up):
        pass

    assert "runc iptables" in log.read_text()


def test_no_path_at_all_is_the_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    """As under 'env -i'."""
    monkeypatch.delenv("PATH")

    assert LocalRunner().run(["sh", "-c", "sysctl"]).ok
