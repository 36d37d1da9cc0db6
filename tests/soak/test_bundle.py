"""The bundle twice from nothing, by the Go of the Python index: quick, and the same."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from paths import K8SLAB

LIMIT_S = 20 * 60
UNLIKE = {
    "apt": "each build signs with a key of its own, and forgets it",
    "store": "containerd's database has the times of what was put in",
}


def test_two_clean_builds_are_the_same(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """From two folders of different names, with nothing that was fetched before."""
    hashes, seconds = [], []
    for name in ("one", "another-one"):
        cache = tmp_path / name
        started = time.monotonic()
        subprocess.run(
            [K8SLAB, "bundle", "build"],
            env=without_go(cache),
            stdin=subprocess.DEVNULL,
            timeout=2 * LIMIT_S,
            check=True,
        )
        seconds.append(round(time.monotonic() - started))
        manifest = json.loads((cache / "k8slab" / "manifest.json").read_text("utf-8"))
        hashes.append({a["name"]: a["sha256"] for a in manifest["artefacts"]})
        shutil.rmtree(cache)  # about 14 GB

    record_property("seconds", seconds)
    print("bundle from nothing:", *seconds, "s")
    one, other = hashes
    assert one.keys() == other.keys()
    assert len(one.keys() - UNLIKE.keys()) > 20
    assert {name for name in one if one[name] != other[name]} <= UNLIKE.keys()
    assert max(seconds) < LIMIT_S


def without_go(cache: Path) -> dict[str, str]:
    """Return this process's variables with empty caches, and without its Go."""
    folders = os.environ["PATH"].split(os.pathsep)
    return {
        **os.environ,
        "XDG_CACHE_HOME": str(cache),  # what pip keeps
        "K8SLAB_CACHE": str(cache / "k8slab"),
        "PATH": os.pathsep.join(f for f in folders if not (Path(f) / "go").exists()),
    }
