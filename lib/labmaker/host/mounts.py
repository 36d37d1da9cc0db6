"""Say whether a lab's machines can run from the file system that a folder lies on.

Each machine's containerd keeps its state in a folder of this computer, and lays the
overlays of its containers there. Where root may mount, one is laid and taken away.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from k8slab.errors import LabError

from ..computer import SYS_ADMIN, Computer, holds
from . import kernel

_MOUNTS = "/proc/self/mountinfo"
# The kernel refuses them as the upper layer: they have no whiteouts, no attributes of
# root's own, or look up names in a way of their own.
_UNFIT = re.compile(
    r"overlay|aufs|ecryptfs|nfs4?|cifs|smb3|9p|vfat|msdos|exfat|fuseblk|fuse(\..*)?"
)
_FIT = "ext4 or xfs (ftype=1)"
_OTHERS = (Path("/var/lib/k8slab"), Path("/srv/k8slab"))
_LIES_NOT = 9
"""What `_TRY` ends with where an overlay cannot lie, and could in memory."""
# Some are mounted and still show what was removed: their folders have no file types.
# A volatile one is not written to the disk, which would wait for all that is unwritten.
_TRY = f"""
at=$1
until [ -d "$at" ]; do at=${{at%/*}}; at=${{at:-/}}; done
# What a trial left that was killed.
find "$at" -maxdepth 1 -name '.overlay.??????' -mmin +5 -exec rm -r {{}} +
at=$(mktemp -d "$at/.overlay.XXXXXX") || exit
trap 'rm -r "$at"' EXIT
dirs=lowerdir=low,upperdir=up,workdir=work
lies() (
    cd "$1" && mkdir -p low/gone/old up work top &&
    mount -t overlay -o $dirs,volatile overlay top ||
    mount -t overlay -o $dirs overlay top || exit
    rm -r top/gone && [ "$(echo top/*)" = "top/*" ] && mkdir top/gone &&
    [ "$(echo top/gone/*)" = "top/gone/*" ]
    code=$?
    umount top && exit $code
)
lies "$at" && exit 0
mkdir "$at/memory" && mount -t tmpfs tmpfs "$at/memory" || exit
lies "$at/memory" && code={_LIES_NOT} || code=1
umount "$at/memory"
exit $code
"""
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
    def runs_programs(self) -> bool:
        """Whether programs can be run from it."""
        return "noexec" not in self.options

    @property
    def seems_fit(self) -> bool:
        """Whether overlays can lie on file systems of its type, as far as is known."""
        return not _UNFIT.fullmatch(self.kind)


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
    if _carries(host, home, mount):
        if mount.runs_programs:
            return seen, ""
        place = shlex.quote(str(mount.place))
        return f"{seen}, which runs no programs", f"mount -o remount,exec {place}"
    others = ((o, _of(host, o)) for o in _OTHERS)
    elsewhere = ((o, m) for o, m in others if m and m != mount and m.runs_programs)
    other = next((o for o, m in elsewhere if _carries(host, o, m)), None)
    cure = (
        f"keep labs in a folder on {_FIT}, as this: export K8SLAB_HOME={other}"
        if other
        else f"mount a volume with {_FIT}, and let K8SLAB_HOME be a folder in it"
    )
    return f"{seen}, on which no overlays can lie", cure


def _carries(host: Computer, folder: Path, mount: _Mount) -> bool:
    """Say whether overlays can lie in a folder: by a trial, or by what is known."""
    lies = _lies(host, folder)
    return mount.seems_fit if lies is None else lies


def _lies(host: Computer, folder: Path) -> bool | None:
    """Lay an overlay where a folder is, or will be, and say whether it works.

    Returns:
        None where that cannot be tried: without root's right to mount, without a
        program, or where not even memory carries an overlay.
    """
    is_there = not any(each.name == "overlay" for each in kernel.missing(host))
    if not (is_there and holds(host, SYS_ADMIN) and host.has("unshare")):
        return None
    argv = ["unshare", "--mount", "sh", "-c", _TRY, "sh", str(folder)]
    try:
        code = host.run(argv).returncode
    except LabError:
        return None
    return {0: True, _LIES_NOT: False}.get(code)


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
