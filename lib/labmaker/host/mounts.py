"""Say whether a lab's machines can run from the file system that a folder lies on.

Each machine's containerd keeps its state in a folder of this computer, and lays the
overlays of its containers there.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..computer import Computer

_MOUNTS = "/proc/self/mountinfo"
# The kernel refuses them as the upper layer: they have no whiteouts, no attributes of
# root's own, or look up names in a way of their own.
_UNFIT = re.compile(
    r"overlay|aufs|ecryptfs|nfs4?|cifs|smb3|9p|vfat|msdos|exfat|fuseblk|fuse(\..*)?"
)
_FIT = "ext4 or xfs"
_OTHERS = (Path("/var/lib/k8slab"), Path("/srv/k8slab"))
_WORDS = 6
"""A line's first ones, which all lines have."""
_ESCAPED = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True)
class _Mount:
    """A file system in its place.

    Attributes:
        place: Where it is mounted.
        kind: Its type, as in ``ext4``.
        options: How it is mounted there.
    """

    place: Path
    kind: str
    options: frozenset[str]

    @property
    def is_fit(self) -> bool:
        """Whether overlays can lie on it, and programs be run from it."""
        return not _UNFIT.fullmatch(self.kind) and "noexec" not in self.options


def look(host: Computer, home: Path) -> tuple[str, str]:
    """Say what the folder of all labs lies on, and what to do where that is unfit.

    Args:
        host: This computer.
        home: The folder of all labs, which need not be there yet.
    """
    mount = _of(host, home)
    if mount is None:
        return f"nothing is known of {home}", ""
    seen = f"{mount.kind} at {home}"
    if mount.is_fit:
        return seen, ""
    if not _UNFIT.fullmatch(mount.kind):
        place = shlex.quote(str(mount.place))
        return f"{seen}, which runs no programs", f"mount -o remount,exec {place}"
    fit = (o for o in _OTHERS if (found := _of(host, o)) is not None and found.is_fit)
    other = next(fit, None)
    cure = (
        f"keep labs in a folder on {_FIT}, as this: export K8SLAB_HOME={other}"
        if other
        else f"mount a volume with {_FIT}, and let K8SLAB_HOME be a folder in it"
    )
    return f"{seen}, on which no overlays can lie", cure


def _of(host: Computer, folder: Path) -> _Mount | None:
    """Return what a folder lies on, or will; of two in one place the later one."""
    there = folder.resolve()
    over = [m for m in _mounts(host) if there.is_relative_to(m.place)]
    deepest = max((len(m.place.parts) for m in over), default=0)
    return next((m for m in reversed(over) if len(m.place.parts) == deepest), None)


def _mounts(host: Computer) -> Iterator[_Mount]:
    try:
        lines = host.read_text(_MOUNTS).splitlines()
    except OSError:
        return
    for line in lines:
        place, kind = line.partition(" - ")[::2]
        words = place.split(" ")
        if len(words) >= _WORDS and kind:
            path = _ESCAPED.sub(lambda found: chr(int(found[1], 8)), words[4])
            options = frozenset(words[5].split(","))
            yield _Mount(Path(path), kind.split(" ")[0], options)
