"""A server runs for as long as a build step needs it, and no longer."""

import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from labmaker.bundle import servers


def test_an_interrupt_at_the_very_start_ends_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C may come when the process is there and nobody was told of it yet."""
    made: list[subprocess.Popen[bytes]] = []

    class Popen(subprocess.Popen[bytes]):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            made.append(self)
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(subprocess, "Popen", Popen)
    server = servers.running(["sleep", "60"], tmp_path / "log", lambda: False)
    with pytest.raises(KeyboardInterrupt), server:
        pass

    assert [each.poll() for each in made] == [-signal.SIGTERM]


def test_a_server_has_no_settings_of_the_readers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Variables of a registry of their own would turn this one's address or rights."""
    monkeypatch.setenv("REGISTRY_HTTP_ADDR", "0.0.0.0:1")
    monkeypatch.setenv("MINE", "kept")
    log = tmp_path / "log"
    show = ["sh", "-c", "printenv REGISTRY_HTTP_ADDR MINE; sleep 60"]
    with servers.running(show, log, lambda: log.read_text().endswith("\n")):
        said = log.read_text()

    assert said == "kept\n"
