"""Make a stock Debian for a guest: its file system by mmdebstrap, then a disk of it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from k8slab.core.process import Runner
from k8slab.ssh.keys import generate_key
from labmaker.bundle.architecture import architecture

from . import origin

# What an installation of Debian with an SSH server has, and what the README asks for.
_PACKAGES = (
    "ca-certificates",
    "dbus",
    "git",
    "iproute2",
    "iputils-ping",
    "kmod",
    "make",
    "openssh-server",
    "procps",
    "python3",
    "systemd-sysv",
    "udev",
)
_SIZE = "40G"
"""What the guest sees; the file takes what is written."""
_MAKE_S = 900.0
_LABEL = "root"
# The name server and the gateway of qemu's own network for guests.
_RESOLVER = "nameserver 10.0.2.3\n"
_NETWORK = "[Match]\nName=en* eth*\n\n[Network]\nDHCP=yes\n"
_SERVICES = ("systemd-networkd", "ssh")


@dataclass(frozen=True)
class System:
    """A Debian in a folder, before it is a guest's disk.

    Attributes:
        release: Its code name.
        folder: Where all of it is kept; the file system is in ``root`` below it.
        key: The file of the key that may log in as root.
        host_key: The public key by which it is known.
    """

    release: str
    folder: Path
    key: Path
    host_key: str

    @property
    def name(self) -> str:
        """The host's name."""
        return f"guest-{self.release}"

    @property
    def root(self) -> Path:
        """Its file system."""
        return self.folder / "root"

    @property
    def kernel(self) -> Path:
        """Its kernel."""
        return self._boot("vmlinuz")

    @property
    def initrd(self) -> Path:
        """Its first file system."""
        return self._boot("initrd.img")

    @property
    def disk(self) -> Path:
        """The disk that `finish` makes."""
        return self.folder / "disk.raw"

    def _boot(self, name: str) -> Path:
        kept = self.folder / name
        if not kept.exists():
            (found,) = (self.root / "boot").glob(f"{name}-*[0-9a-z]64")
            shutil.copyfile(found, kept)
        return kept


def make(release: str, folder: Path, run: Runner, files: Mapping[str, Path]) -> System:
    """Make the file system of a stock Debian that its root reaches by SSH.

    Args:
        release: The code name of the Debian.
        folder: An empty folder for it.
        run: Runs commands on this computer.
        files: What is put into it beside, by path: files and folders.
    """
    found = origin.read(release, run)
    listed, root = folder / "sources.list", folder / "root"
    listed.write_text("\n".join(found.sources) + "\n", "utf-8")
    packages = [*_PACKAGES, f"linux-image-{architecture()}"]
    made = ["unshare", "--mount", "mmdebstrap", "--mode=root", "--variant=important"]
    made += ["--format=directory", "--include=" + ",".join(packages)]
    run.run(
        ["env", f"TMPDIR={folder}", *made, release, str(root), str(listed)],
        timeout=_MAKE_S,
    )
    private, public = generate_key()
    host_private, host_public = generate_key()
    key = _write(folder / "key", private, mode=0o600)
    system = System(release, folder, key, host_public)
    _configure(root, system.name, found)
    _write(root / "root/.ssh/authorized_keys", public, mode=0o600)
    for made_inside in (root / "etc/ssh").glob("ssh_host_*"):
        made_inside.unlink()
    _write(root / "etc/ssh/ssh_host_ed25519_key", host_private, mode=0o600)
    for path, source in files.items():
        _copy(source, root / path.lstrip("/"))
    return system


def finish(system: System, run: Runner) -> None:
    """Make the disk, and remove the folder that it is made of."""
    assert system.kernel.exists()
    assert system.initrd.exists()
    run.run(["truncate", f"--size={_SIZE}", str(system.disk)])
    make_ = ["mke2fs", "-q", "-t", "ext4", "-L", _LABEL, "-d", str(system.root)]
    run.run([*make_, str(system.disk)], timeout=_MAKE_S)
    shutil.rmtree(system.root)


def _configure(root: Path, name: str, found: origin.Origin) -> None:
    lines = "".join(f'{key}="{value}"\n' for key, value in found.variables.items())
    texts = {
        "etc/hostname": f"{name}\n",
        "etc/hosts": f"127.0.0.1 localhost\n127.0.1.1 {name}\n",
        "etc/fstab": f"LABEL={_LABEL} / ext4 defaults 0 1\n",
        "etc/systemd/network/10-guest.network": _NETWORK,
        "etc/environment": lines,
        "etc/resolv.conf": _RESOLVER,
    }
    for path, text in texts.items():
        (root / path).unlink(missing_ok=True)  # it may be a link that leads outside
        _write(root / path, text)
    for path, data in found.files.items():
        _write(root / path.lstrip("/"), data)
    wanted = root / "etc/systemd/system/multi-user.target.wants"
    wanted.mkdir(parents=True, exist_ok=True)
    for service in _SERVICES:
        link = wanted / f"{service}.service"
        link.unlink(missing_ok=True)
        link.symlink_to(f"/lib/systemd/system/{service}.service")


def _write(path: Path, content: str | bytes, *, mode: int = 0o644) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    path.write_bytes(data)
    path.chmod(mode)
    return path


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True)
    else:
        shutil.copyfile(source, target)
