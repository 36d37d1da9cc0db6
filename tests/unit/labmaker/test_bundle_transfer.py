"""How a bundle travels in one file, and how a broken file is refused."""

import os
from pathlib import Path

import pytest

from k8slab.core.process import Completed, LocalRunner
from k8slab.errors import BundleError, CommandFailed
from labmaker.bundle import transfer
from labmaker.bundle.cache import Artefact, Cache

KEYS = {"one": "1" * 64, "two": "2" * 64}
RUN = LocalRunner()


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """A file with the artefacts one and two, as export writes it."""
    cache = Cache(tmp_path / "from")
    for name, key in KEYS.items():
        with cache.making(name, key) as folder:
            (folder / "file").write_text(name * 1000, "utf-8")
            (folder / "link").symlink_to("file")
    file = tmp_path / "bundle.tar"
    transfer.export(cache, [cache.artefact(n, k) for n, k in KEYS.items()], file, RUN)
    return file


def import_(tmp_path: Path, file: Path) -> tuple[Cache, list[Artefact]]:
    cache = Cache(tmp_path / "to")
    with cache.lock():
        return cache, transfer.import_(cache, file, KEYS, KEYS, RUN)


def left(tmp_path: Path) -> list[str]:
    return sorted(p.name for p in (tmp_path / "to" / "artefacts").iterdir())


def test_an_imported_bundle_is_the_exported_one(tmp_path: Path, exported: Path) -> None:
    """Files, links and keys arrive as they left."""
    cache, artefacts = import_(tmp_path, exported)
    folder = cache.folder("two", KEYS["two"])

    assert [a.key for a in artefacts] == list(KEYS.values())
    assert (folder / "link").read_text("utf-8") == "two" * 1000
    assert left(tmp_path) == [
        "one-111111111111",
        "one-111111111111.files.json",
        "two-222222222222",
        "two-222222222222.files.json",
    ]


def test_an_export_leaves_the_caches_own_manifest(tmp_path: Path) -> None:
    """It names what a kit lacks, too, and would be dropped as older artefacts."""
    cache = Cache(tmp_path / "from")
    for name, key in KEYS.items():
        with cache.making(name, key) as folder:
            (folder / "file").write_text(name, "utf-8")
    (cache.root / "manifest.json").write_text("of all", "utf-8")
    file = tmp_path / "bundle.tar"
    transfer.export(cache, [cache.artefact("one", KEYS["one"])], file, RUN)
    listed = RUN.run(["tar", "-I", "zstd -d --long=30", "-tf", str(file)]).stdout

    assert (cache.root / "manifest.json").read_text("utf-8") == "of all"
    assert listed.splitlines() == [
        "manifest.json",
        "artefacts/one-111111111111.files.json",
        "artefacts/one-111111111111/",
        "artefacts/one-111111111111/file",
    ]


def test_a_changed_byte_is_refused(tmp_path: Path, exported: Path) -> None:
    """One other byte in one file: the error names it, and nothing is left."""
    tar = exported.with_name("unpacked.tar")
    RUN.run(["zstd", "-q", "-d", "--long=30", str(exported), "-o", str(tar)])
    tar.write_bytes(tar.read_bytes().replace(b"twotwo", b"twoXwo", 1))
    RUN.run(["zstd", "-q", "-f", str(tar), "-o", str(exported)])

    with pytest.raises(BundleError) as caught:
        import_(tmp_path, exported)

    assert caught.value.where.endswith("two-222222222222/file")
    assert left(tmp_path) == []


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6])
def test_a_truncated_file_is_refused(
    tmp_path: Path, exported: Path, share: float
) -> None:
    """A file that was cut off is refused, and nothing is left."""
    data = exported.read_bytes()
    exported.write_bytes(data[: int(len(data) * share)])

    with pytest.raises(BundleError):
        import_(tmp_path, exported)

    assert left(tmp_path) == []


def test_a_byte_that_changed_on_the_way_is_refused(
    tmp_path: Path, exported: Path
) -> None:
    """The compressed file carries a checksum of its own."""
    data = bytearray(exported.read_bytes())
    data[len(data) // 2] ^= 1
    exported.write_bytes(data)

    with pytest.raises(BundleError, match="broken, or no exported bundle"):
        import_(tmp_path, exported)

    assert left(tmp_path) == []


def test_what_was_built_on_demand_need_not_be_in_the_file(
    tmp_path: Path, exported: Path
) -> None:
    """A part that this source knows, and the file lacks, is refused when required."""
    cache = Cache(tmp_path / "to")
    known = {**KEYS, "addon": "3" * 64}
    with cache.lock():
        with pytest.raises(BundleError) as caught:
            transfer.import_(cache, exported, known, known, RUN)
        artefacts = transfer.import_(cache, exported, known, KEYS, RUN)

    assert caught.value.seen == "these differ: addon"
    assert [artefact.name for artefact in artefacts] == list(KEYS)


def test_equal_files_are_carried_once(tmp_path: Path) -> None:
    """Images of machines begin with the same files."""
    cache = Cache(tmp_path / "from")
    noise = os.urandom(6_000_000)  # more than the usual window
    for name, key in KEYS.items():
        with cache.making(name, key) as folder:
            (folder / "file").write_bytes(noise)
    file = tmp_path / "bundle.tar"
    transfer.export(cache, [cache.artefact(n, k) for n, k in KEYS.items()], file, RUN)

    assert file.stat().st_size < 6_100_000


def test_a_bundle_of_other_versions_is_refused(tmp_path: Path, exported: Path) -> None:
    """The artefact that differs is named, and nothing is left."""
    cache = Cache(tmp_path / "to")
    with cache.lock(), pytest.raises(BundleError) as caught:
        transfer.import_(cache, exported, {**KEYS, "two": "3" * 64}, KEYS, RUN)

    assert caught.value.seen == "these differ: two"
    assert left(tmp_path) == []


def test_a_failed_export_leaves_no_file(tmp_path: Path, exported: Path) -> None:
    """When the folder cannot be written, no part of the file stays."""
    cache = Cache(tmp_path / "from")
    gone = Artefact("three", "3" * 64, 0, "")
    target = tmp_path / "other.tar"

    with pytest.raises(BundleError, match="cannot be exported"):
        transfer.export(cache, [gone], target, RUN)

    assert list(tmp_path.glob("*other.tar*")) == []


@pytest.mark.parametrize("there", ["folder", "device"])
def test_what_is_no_file_is_not_replaced(
    tmp_path: Path, exported: Path, there: str
) -> None:
    """As root, /dev/null would be a bundle for all programs."""
    target = tmp_path / "there"
    if there == "folder":
        target.mkdir()
    else:
        os.mkfifo(target)
    before = target.stat().st_mode
    with pytest.raises(BundleError, match="cannot be exported") as caught:
        transfer.export(Cache(tmp_path / "from"), [], target, RUN)

    assert "no file is there" in caught.value.seen
    assert target.stat().st_mode == before


def test_a_link_to_another_disk_stays(tmp_path: Path, exported: Path) -> None:
    """The file comes where the link leads."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk" / "kit")
    cache = Cache(tmp_path / "from")
    one = cache.artefact("one", KEYS["one"])
    transfer.export(cache, [one], tmp_path / "link", RUN)

    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "disk" / "kit").is_file()


@pytest.mark.parametrize(
    ("seen", "step"),
    [
        ("tar (child): zstd -d --long=30: Cannot exec: No such file", "setup"),
        ("tar: one/file: Wrote only 4608 of 10240 bytes", "make room"),
        ("tar: one/file: Cannot write: No space left on device", "make room"),
    ],
)
def test_not_every_failure_is_the_files(
    tmp_path: Path, exported: Path, seen: str, step: str
) -> None:
    """Another file would not help."""

    class Failing:
        where = "here"

        def run(self, *_: object, **__: object) -> Completed:
            raise CommandFailed(["tar"], where="here", returncode=2, stderr=seen)

    with pytest.raises(BundleError) as caught:
        transfer.import_(Cache(tmp_path / "to"), exported, KEYS, KEYS, Failing())

    assert step in caught.value.next
    assert "broken" not in caught.value.what


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    """It is said what is there, and what to give."""
    with pytest.raises(BundleError, match="no such file") as caught:
        import_(tmp_path, tmp_path)

    assert caught.value.seen == "a folder"
