"""Make Debian file systems from the sources that this computer's apt knows."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from k8slab.core import files
from k8slab.core.process import Runner
from k8slab.errors import BundleError, without_passwords

from . import components
from .graph import BuildContext

# The date of every file and image: a fixed one, so that two builds are the same.
EPOCH = 1767225600
_TIMEOUT_S = 1200.0
_SCRIPTS = frozenset({"postinst", "prerm", "postrm"})

MACHINE_PACKAGES = (
    "bash-completion",
    "ca-certificates",
    "conntrack",
    "curl",
    "dbus",
    "ebtables",
    "ethtool",
    "iproute2",
    "iptables",
    "iputils-ping",
    "kmod",
    "less",
    "netcat-openbsd",
    "nftables",
    "openssh-server",
    "openssl",
    "procps",
    "psmisc",
    "socat",
    "systemd",
    "systemd-sysv",
    "tcpdump",
    "telnet",
    "vim-tiny",
)
# What is installed later, without a network: sets of packages with all they need.
MACHINE_SETS = {
    "runc": ("runc",),
    "catatonit": ("catatonit",),
    "nginx": ("nginx-light",),
}
SLIM_SETS = {
    image.name: image.debs
    for image in sorted(components.images(), key=lambda image: image.name)
    if image.debs
}
_WAY = tuple(
    f"Acquire::{name}"
    for name in (
        *("http", "https", "ForceIPv4", "ForceIPv6", "Retries"),
        *("Check-Valid-Until", "Check-Date"),
    )
)
"""The settings of apt that say how sources are reached, and which are too old."""
_WHO = "/etc/apt/auth.conf /etc/apt/auth.conf.d/*"
"""The files of apt's names and passwords."""
_HERE = "etc/apt/apt.conf.d/99way"
_KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
"""The keys of all releases; apt may trust those of its own only."""
_LEFT_OUT = ("doc/*", "info/*", "lintian/*", "locale/*", "man/*")
_EMPTIED = (
    _HERE,
    "etc/apt/auth.conf",
    "etc/apt/auth.conf.d/*",
    "etc/apt/sources.list",
    "etc/apt/sources.list.d/*",
    "etc/hostname",
    "etc/machine-id",
    "etc/resolv.conf",
    "etc/ssh/ssh_host_*",
    "var/cache/apt/*.bin",
    "var/cache/apt/archives/*",
    "var/cache/ldconfig/aux-cache",
    "var/lib/apt/lists/*",
    "var/lib/systemd/random-seed",
    "var/log/*.log",
    "var/log/apt/*",
)


def sources(run: Runner, release: str) -> list[str]:
    """Return the source lines of a Debian release, as this computer's apt reaches it.

    Where apt knows another release only, as on a later Debian, that one's mirrors are
    taken: they have this one, too.

    Args:
        run: Runs commands on this computer.
        release: The release's code name; its updates are found, too.

    Raises:
        BundleError: Apt knows no source of Debian's.
    """
    fields = "$(ORIGIN)|$(CODENAME)|$(REPO_URI)|$(COMPONENT)"
    seen = run.run(
        ["apt-get", "indextargets", "--format", fields, "Created-By: Packages"]
    )
    known, others = [], set()
    signed = f"[signed-by={_KEYS}] " if _KEYS.is_file() else ""
    for line in sorted(set(seen.stdout.splitlines())):
        origin, name, address, part = line.split("|")
        base, dash, kind = name.partition("-")
        if origin != "Debian" or kind not in ("", "updates", "security"):
            continue
        if base == release:
            known.append(f"deb {address} {name} {part}")
        others.add(f"deb {signed}{address} {release}{dash}{kind} {part}")
    for lines in (known, sorted(others)):
        if any(line.split()[-2] == release for line in lines):
            return lines
    raise BundleError(
        f"this computer's apt has no source of Debian {release}",
        where="apt-get indextargets",
        wanted=f"Origin Debian, Codename {release} or another release's",
        seen=without_passwords("; ".join(known)) or "no source of Debian's",
        next="on a Debian run 'apt-get update'; on another system take over a bundle "
        "that was built on a Debian: 'k8slab bundle export FILE' there, then 'k8slab "
        "bundle import FILE' here",
    )


def make_file_system(
    build: BuildContext,
    name: str,
    variant: str,
    packages: Sequence[str],
    sets: Mapping[str, Sequence[str]],
) -> None:
    """Make a Debian file system as a tar, and fetch packages to add to it later.

    The packages of each set lie in `debs/SET`, with what they need and the file
    system lacks.

    Args:
        build: Where and what with.
        name: The tar's name.
        variant: How small mmdebstrap makes it: ``minbase`` or ``essential``.
        packages: What is installed.
        sets: What is fetched only.
    """
    listed = build.out / "sources.list"
    lines = sources(build.run, build.versions.debian)
    listed.write_text("\n".join(lines) + "\n", "utf-8")
    options = [f"--dpkgopt=path-exclude=/usr/share/{path}" for path in _LEFT_OUT]
    options += _as_here(build)
    for folder, wanted in sets.items():
        (build.out / "debs" / folder / "partial").mkdir(parents=True)
        options.append(_fetch(str(build.out / "debs" / folder), wanted))
    if packages:
        options.append("--include=" + ",".join(packages))
    build.run.run(
        [
            "env",
            f"SOURCE_DATE_EPOCH={EPOCH}",
            f"TMPDIR={build.out}",
            # What it mounts is gone with it, however it ends.
            "unshare",
            "--mount",
            "mmdebstrap",
            "--mode=root",
            f"--variant={variant}",
            '--aptopt=APT::Install-Recommends "false"',
            # It would leave folders whose owner depends on who may enter ours.
            "--skip=cleanup/apt",
            *options,
            '--customize-hook=cd "$1"; rm -rf ' + " ".join(_EMPTIED),
            '--customize-hook=: > "$1/etc/machine-id"; : > "$1/etc/hostname"',
            build.versions.debian,
            str(build.out / f"{name}.tar"),
            str(listed),
        ],
        timeout=_TIMEOUT_S,
    )
    listed.unlink()
    for folder in sets:
        shutil.rmtree(build.out / "debs" / folder / "partial")
        (build.out / "debs" / folder / "lock").unlink(missing_ok=True)


def _as_here(build: BuildContext) -> list[str]:
    """Return the options by which it fetches as this computer's own apt does.

    mmdebstrap's apt knows the sources it is given and nothing else: neither the way to
    them, such as a proxy or an authority, nor who may fetch. All of it is removed from
    the file system with its sources.
    """
    told = build.run.run(["apt-config", "dump", "--format", '%F "%v";%n', *_WAY])
    way = [line for line in told.stdout.splitlines() if not line.endswith(' "";')]
    copy = '[ ! -f "$file" ] || install -D --mode=600 "$file" "$1$file"'
    hooks = [f"for file in {_WHO}; do {copy}; done"]
    if way:
        written = build.out / "apt.conf"
        files.write(written, "\n".join(way) + "\n")
        name = shlex.quote(str(written))
        hooks.append(f'install -D --mode=600 {name} "$1/{_HERE}" && rm {name}')
    return [f"--setup-hook={hook}" for hook in hooks]


def _fetch(folder: str, packages: Sequence[str]) -> str:
    """Return the option that fetches packages with the new system's own apt state."""
    place = shlex.quote(f"Dir::Cache::Archives={folder}")
    return (
        "--customize-hook=APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get install --yes "
        f"--download-only -o {place} {' '.join(packages)}"
    )


def set_modes(tree: Path) -> None:
    """Give a tree the modes that Debian wants, whatever a clone or a umask gave it.

    Everybody may read every file, and run those in a ``bin`` or in a package's
    scripts.
    """
    tree.chmod(0o755)
    for path in tree.rglob("*"):
        program = path.parent.name == "bin" or path.name in _SCRIPTS
        path.chmod(0o755 if path.is_dir() or program else 0o644)


def make_machine_root(build: BuildContext) -> None:
    """Make the file system that all machine images start from."""
    make_file_system(build, "rootfs", "minbase", MACHINE_PACKAGES, MACHINE_SETS)


def make_slim_root(build: BuildContext) -> None:
    """Make the small file system that the images of Pods start from."""
    make_file_system(build, "slim", "essential", (), SLIM_SETS)
