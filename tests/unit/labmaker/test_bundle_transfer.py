"""How a bundle travels in one file, and how a broken file is refused."""

from pathlib import Path

import pytest

from k8slab.core.process import LocalRunner
from k8slab.errors import BundleError
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
        return cache, transfer.import_(cache, file, KEYS, RUN)


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


def test_a_changed_byte_is_refused(tmp_path: Path, exported: Path) -> None:
    """One other byte in one file: the error names it, and nothing is left."""
    data = exported.read_bytes()
    exported.write_bytes(data.replace(b"twotwo", b"twoXwo", 1))

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


def test_a_bundle_of_other_versions_is_refused(tmp_path: Path, exported: Path) -> None:
    """The artefact that differs is named, and nothing is left."""
    cache = Cache(tmp_path / "to")
    with cache.lock(), pytest.raises(BundleError) as caught:
        transfer.import_(cache, exported, {**KEYS, "two": "3" * 64}, RUN)

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
