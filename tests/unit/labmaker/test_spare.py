"""One machine more in a lab that is up, which does not come up."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from k8slab import wait
from k8slab.core.hints import command
from k8slab.errors import NotReady
from k8slab.folder import LabFolder
from labmaker import spare
from labmaker.settings import Settings


def test_a_machine_that_fails_does_not_send_the_reader_to_the_lab(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which is healthy, and knows no such machine: the cell can be run again."""
    monkeypatch.setenv("K8SLAB_HOME", str(tmp_path))
    folder = LabFolder(tmp_path, "blue")
    settings = Settings("blue", 0, 2, "ready", "podman", "1")
    folder.save(settings.record(lambda _: ((), ()), {}))
    cluster: Any = SimpleNamespace(
        lab="blue",
        folder=folder,
        dismiss=lambda _: None,
        kubectl=lambda _: None,
        find=lambda _: [],
        on=lambda _: SimpleNamespace(script=lambda _: None),
    )
    bundle = SimpleNamespace(versions=SimpleNamespace(kubernetes="1"))
    removed: list[object] = []

    def fail(*_: object) -> None:
        hint = command("ssh", "blue", "node3 journalctl -n 30")
        raise NotReady("x", wanted="a", seen="b", waited_s=1, next=hint)

    monkeypatch.setattr(spare, "opened", lambda: bundle)
    machines = SimpleNamespace(pin=fail, discard=removed.append, close=lambda: None)
    monkeypatch.setattr(spare, "Fleet", lambda *_: machines)
    monkeypatch.setattr(wait, "gone", lambda *_: None)
    try:
        with pytest.raises(NotReady) as caught:
            spare.fresh(cluster)
    finally:
        os.close(spare._held.pop(folder.root))

    assert caught.value.next == "what was made is removed; run this cell again"
    assert len(removed) == 2  # what was there before, and what was made
