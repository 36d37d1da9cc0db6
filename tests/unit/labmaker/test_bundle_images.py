"""What an image is made of: files with modes by decision, whatever a clone's are."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from paths import BUNDLE

from k8slab.core.process import Completed
from labmaker.bundle import components, images, versions
from labmaker.bundle.graph import BuildContext

KNOWN = versions.read(BUNDLE)


class FakeBuilder:
    """A builder of images that only looks at the modes of what it is given."""

    where = "this machine"

    def __init__(self) -> None:
        self.modes: dict[str, int] = {}

    def run(self, argv: Sequence[str], **_: object) -> Completed:
        """Note the modes of all files in the folders of a build."""
        if "build" in argv:
            named = [a.rpartition("=")[2] for a in argv if "--build-context=" in a]
            for folder in map(Path, [*named, argv[-1]]):
                for path in [folder, *folder.rglob("*")]:
                    name = str(path.relative_to(folder))
                    self.modes[name] = path.stat().st_mode & 0o777
        elif "copy" in argv:
            (target,) = [a for a in argv if "image.tar" in a]
            Path(target[target.index("/") :].partition(":")[0]).touch()
        return Completed(tuple(argv), self.where, 0, "", "", 0.0)


@pytest.fixture
def private_clone(tmp_path: Path) -> Path:
    """Return the bundle's sources as a clone has them under ``umask 077``."""
    copy = tmp_path / "bundle"
    shutil.copytree(BUNDLE, copy, ignore=shutil.ignore_patterns("go"))
    for path in [copy, *copy.rglob("*")]:
        path.chmod(0o700 if path.is_dir() else 0o600)
    return copy


def context(tmp_path: Path, source: Path, builder: FakeBuilder) -> BuildContext:
    """Return a build of an image in a folder of its own."""
    out, rootfs = tmp_path / "out", tmp_path / "rootfs"
    out.mkdir()
    rootfs.mkdir()
    needs = {"rootfs": rootfs}
    return BuildContext(out, "key", source, tmp_path, "amd64", KNOWN, builder, needs)


def test_a_machines_files_can_be_read_by_everybody(
    tmp_path: Path, private_clone: Path
) -> None:
    """A clone that nobody else may read makes the same machine."""
    builder = FakeBuilder()
    images.make_bare(context(tmp_path, private_clone, builder))

    modes = builder.modes
    assert modes["files/bare/etc/ssh/sshd_config.d/lab.conf"] == 0o644
    assert modes["files/bare/etc/ssh/sshd_config.d"] == 0o755
    assert modes["."] == 0o755


def test_an_images_files_can_be_read_by_everybody(
    tmp_path: Path, private_clone: Path
) -> None:
    """The echo server runs as nobody, who has to read it."""
    builder = FakeBuilder()
    component = components.find("echo")
    build = context(tmp_path, private_clone, builder)
    image = components.Image("echo")
    images.make_cluster_image(build, component, image)

    assert builder.modes["echo.py"] == 0o644


def test_nothing_of_the_copy_stays_in_the_artefact(
    tmp_path: Path, private_clone: Path
) -> None:
    """The artefact holds the image alone."""
    build = context(tmp_path, private_clone, FakeBuilder())
    images.make_bare(build)

    assert [path.name for path in build.out.iterdir()] == ["image.tar"]
