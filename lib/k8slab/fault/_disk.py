"""Fill a worker's disk, on a small file system of its own."""

from __future__ import annotations

from typing import Any

from ._kind import Place, Seen
from ._machines import MachineFault

SMALL = "/run/k8slab-small-disk"
FILE = "/var/lib/kubelet/old-backup.tar"
MIB = 64
LOCK = "/run/k8slab-disk.lock"
LOCK_S = 20
"""Seconds that a script waits for the one before; undoing tries again after that."""

# A script goes on when the session that began it is killed, and whoever undoes it then
# must not overtake it.
_ONE_AT_A_TIME = rf"""
exec 9> {LOCK}
flock -w {LOCK_S} 9 || {{
  echo "another script has held {LOCK} for {LOCK_S} s" >&2
  exit 1
}}
"""

# The disk underneath is the computer's, so the kubelet gets a small one to itself for a
# while: what it needs to start is copied, and mounted over its folder. As images are on
# another file system than its folder then, it removes none of them to make room. Its
# configuration may name no limit of the disk, as that of a machine that was there, or
# one among others, so those are written anew.
_SHRINK = rf"""{_ONE_AT_A_TIME}
root=/var/lib/kubelet small={SMALL}
systemctl stop kubelet
mkdir -p "$small"
mount -t tmpfs -o size={MIB}m,mode=755 small-disk "$small"
cp -a "$root"/*.yaml "$root"/*.env "$root"/*_state "$root"/pki "$small"
awk '/^[^ #]/ {{ old = /^eviction(Hard|PressureTransitionPeriod):/ }} !old' \
  "$root/config.yaml" > "$small/config.yaml"
cat >> "$small/config.yaml" << 'END'
evictionHard:
  nodefs.available: 50%
evictionPressureTransitionPeriod: 5s
END
mount --bind "$small" "$root"
fallocate -l {MIB * 3 // 4}M {FILE}
systemctl start kubelet
"""

# The mounts of Pods that the kubelet has made since then lie on the small one, too.
_RESTORE = rf"""{_ONE_AT_A_TIME}
root=/var/lib/kubelet small={SMALL}
if mountpoint -q "$small"; then
  systemctl stop kubelet
  if [ "$(stat -c %d "$root")" = "$(stat -c %d "$small")" ]; then
    umount -R -l "$root"
  fi
  umount -l "$small"
fi
rm -rf "$small"
systemctl start kubelet
"""


class DiskPressure(MachineFault):
    """The disk of the kubelet's folder is nearly full."""

    name = "disk-pressure"
    symptom = (
        "The node has the condition DiskPressure, and some of its Pods are evicted."
    )
    cause = f"A forgotten file, {FILE}, fills the disk of the kubelet's folder."
    cure = "Find the file with du, and remove it; the condition goes by itself."

    def inject(self, at: Place) -> None:
        """Give the kubelet a small disk, and fill it."""
        at.shell.script(_SHRINK)

    def shows(self, at: Place) -> Seen:
        """Look whether the node says so."""
        return self._pressure(at)

    def repair(self, at: Place) -> None:
        """Remove the file."""
        at.shell.run(["rm", "-f", FILE])

    def healthy(self, at: Place) -> Seen:
        """Look whether the node is Ready, and says nothing of its disk."""
        pressure = self._pressure(at)
        return Seen(False, pressure.words) if pressure else super().healthy(at)

    def undo(self, at: Place) -> None:
        """Give the kubelet its own disk back."""
        at.shell.script(_RESTORE)

    def _pressure(self, at: Place) -> Seen:
        found = at.cluster.get("nodes", at.name)["status"]["conditions"]
        states: dict[str, Any] = {each["type"]: each for each in found}
        state = states.get("DiskPressure") or {}
        return Seen(state.get("status") == "True", str(state.get("message")))
