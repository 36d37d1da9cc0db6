"""Give a lab its own copy of something prepared, in no time and without space."""

from __future__ import annotations

import shutil
from pathlib import Path

from k8slab.core.process import Runner

# What containerd writes to in place. All else in its folder is written once and
# only ever unlinked, so machines may share it by hard links.
_WRITTEN = (
    "io.containerd.metadata.v1.bolt/meta.db",
    "io.containerd.snapshotter.v1.overlayfs/metadata.db",
)


def clone(source: Path, target: Path, runner: Runner) -> None:
    """Copy a file or folder that nobody writes to, by hard links where that works.

    Args:
        source: What to copy; it is not changed.
        target: The copy; must not be there yet.
        runner: Runs ``cp`` on this computer.

    Raises:
        CommandFailed: It cannot be copied.
    """
    copy = ["cp", "--archive"]
    if source.stat().st_dev == target.parent.stat().st_dev:
        # Two mounts of one disk have one number, and some file systems have no links.
        linked = [*copy, "--link", str(source), str(target)]
        if runner.run(linked, check=False, timeout=300).ok:
            return
        _remove(target)
    runner.run([*copy, "--reflink=auto", str(source), str(target)], timeout=300)


def _remove(path: Path) -> None:
    """Remove what a failed copy left."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def clone_store(golden: Path, target: Path, runner: Runner) -> None:
    """Clone a stopped containerd's folder.

    Args:
        golden: The prepared folder; it is not changed.
        target: The new folder; must not be there yet.
        runner: Runs ``cp`` on this computer.
    """
    clone(golden, target, runner)
    for name in _WRITTEN:
        own = target / name
        own.unlink()
        shutil.copy2(golden / name, own)
