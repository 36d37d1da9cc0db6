"""Make the signed apt repository that the depot serves."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from k8slab.core.process import Runner

from . import components
from .debs import pack
from .graph import BuildContext

SUITE = "lab"
_KEY_NAME = "k8slab depot"


def make_repository(build: BuildContext) -> None:
    """Fill the folder with a repository of our packages and of runc.

    The signing key lives for this one build: `key.gpg` is its public part, and
    nobody has the private one.
    """
    pool = build.out / "pool" / "main"
    pool.mkdir(parents=True)
    for component in components.COMPONENTS:
        for package in component.packages:
            pack(build, component.name, package, pool)
    # What our packages need beyond the bare machine.
    for file in sorted((build.needs["rootfs"] / "debs" / "runc").glob("*.deb")):
        shutil.copy(file, pool)
    index = build.out / "dists" / SUITE / "main" / f"binary-{build.architecture}"
    index.mkdir(parents=True)
    inside = ["env", "-C", str(build.out), "apt-ftparchive"]
    packages = build.run.run([*inside, "packages", "pool"]).stdout
    (index / "Packages").write_text(packages, "utf-8")
    facts = {
        "Origin": "k8slab",
        "Label": "k8slab",
        "Suite": SUITE,
        "Codename": SUITE,
        "Architectures": build.architecture,
        "Components": "main",
    }
    options = [f"-oAPT::FTPArchive::Release::{k}={v}" for k, v in facts.items()]
    release = build.run.run([*inside, *options, "release", f"dists/{SUITE}"]).stdout
    (build.out / "dists" / SUITE / "Release").write_text(release, "utf-8")
    with _key(build.run) as gpg:
        _sign(build, gpg)


def _sign(build: BuildContext, gpg: list[str]) -> None:
    release = build.out / "dists" / SUITE / "Release"
    detached = ["--armor", "--detach-sign", f"--output={release}.gpg", str(release)]
    within = ["--clearsign", f"--output={release.parent / 'InRelease'}", str(release)]
    build.run.run([*gpg, *detached])
    build.run.run([*gpg, *within])
    build.run.run([*gpg, "--export", f"--output={build.out / 'key.gpg'}"])


@contextmanager
def _key(run: Runner) -> Iterator[list[str]]:
    """Give a gpg command with a new key; afterwards the private part is gone."""
    # A short path: the agent's socket lies in it, and its name has a limit.
    home = Path(tempfile.mkdtemp(prefix="k8slab-"))
    gpg = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--passphrase", ""]
    try:
        run.run([*gpg, "--quick-generate-key", _KEY_NAME, "ed25519", "sign", "never"])
        yield gpg
    finally:
        stop = ["gpgconf", "--homedir", str(home), "--kill", "all"]
        run.run(stop, check=False)
        shutil.rmtree(home, ignore_errors=True)
