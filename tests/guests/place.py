"""Give the proofs on whole computers a folder, the kit and this repository."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from paths import K8SLAB, ROOT

from k8slab.core.env import Environment
from k8slab.core.process import Runner

_FOLDER = "k8slab-hosts-"
_EXPORT_S = 600.0


@dataclass(frozen=True)
class Place:
    """Where the proofs work, and what they hand over.

    Attributes:
        folder: For disks and all else that is removed at the end.
        kit: The exported bundle.
        repository: This repository as it was committed, without a work tree.
        artefacts: For the logs, which stay.
    """

    folder: Path
    kit: Path
    repository: Path
    artefacts: Path


@contextmanager
def opened(run: Runner) -> Iterator[Place]:
    """Make such a place beside the bundle, and remove it at the end.

    Args:
        run: Runs commands on this computer.
    """
    beside = Environment.read().cache.parent
    for old in beside.glob(f"{_FOLDER}*"):
        pid = old.name.removeprefix(_FOLDER).partition("-")[0]
        if not Path(f"/proc/{pid}").exists():  # a run that was killed
            shutil.rmtree(old)
    artefacts = ROOT / "artefacts" / "hosts"
    artefacts.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{_FOLDER}{os.getpid()}-", dir=beside))
    kit, repository = folder / "kit.tar.zst", folder / "k8slab.git"
    try:
        run.run([str(K8SLAB), "bundle", "export", str(kit)], timeout=_EXPORT_S)
        run.run(["git", "clone", "--quiet", "--bare", str(ROOT), str(repository)])
        yield Place(folder, kit, repository, artefacts)
    finally:
        shutil.rmtree(folder)
