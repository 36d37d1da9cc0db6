"""How artefacts are kept, and how a broken one is noticed."""

import errno
import os
from pathlib import Path

import pytest

from k8slab.errors import BundleError, InUse
from labmaker.bundle.cache import Cache, compare, describe

KEY = "0123456789abcdef" * 4


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    cache = Cache(tmp_path)
    with cache.making("part", KEY) as folder:
        (folder / "bin").mkdir()
        (folder / "bin" / "program").write_bytes(b"12345")
        (folder / "link").symlink_to("bin/program")
    return cache


def test_an_artefact_is_named_after_its_key(cache: Cache) -> None:
    """The folder's name ends with the key's first twelve digits."""
    assert cache.has("part", KEY)
    assert cache.folder("part", KEY).name == "part-0123456789ab"


def test_an_artefacts_size_is_the_sum_of_its_files(cache: Cache) -> None:
    """Links and folders count nothing."""
    assert cache.artefact("part", KEY).size_bytes == 5


def test_an_unfinished_artefact_is_none(cache: Cache) -> None:
    """An error within the block leaves neither the artefact nor its pieces."""

    def fail() -> None:
        with cache.making("other", KEY) as folder:
            (folder / "half").write_text("half", "utf-8")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()

    assert not cache.has("other", KEY)
    assert list(cache.artefacts.glob(".tmp-*")) == []


@pytest.mark.parametrize(
    ("harm", "seen"),
    [
        (lambda f: (f / "bin" / "program").write_bytes(b"1234X"), "sha256"),
        (lambda f: (f / "bin" / "program").write_bytes(b"1234"), "4 bytes"),
        (lambda f: (f / "bin" / "program").unlink(), "no file"),
        (lambda f: (f / "bin" / "program").chmod(0o600), "mode 0o100600"),
        (lambda f: _relink(f / "link"), "elsewhere"),
    ],
    ids=["content", "size", "missing", "mode", "link"],
)
def test_harm_to_a_file_is_seen(cache: Cache, harm, seen: str) -> None:  # type: ignore[no-untyped-def]
    """The error names the file, what was wanted and what was seen."""
    artefact = cache.artefact("part", KEY)
    folder = cache.folder("part", KEY)
    harm(folder)

    with pytest.raises(BundleError) as caught:
        compare(folder, cache.files(artefact), hashes=True)

    expected = describe(folder)["bin/program"]["sha256"] if seen == "sha256" else seen
    assert caught.value.seen == expected
    assert caught.value.where.startswith(str(folder))


def test_what_only_root_may_look_at_is_passed_over(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others open a bundle that root shares; all other files are still compared."""
    folder = cache.folder("part", KEY)
    files = cache.files(cache.artefact("part", KEY))
    lstat = Path.lstat

    def refuse(path: Path) -> os.stat_result:
        if path.name == "program":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return lstat(path)

    monkeypatch.setattr(Path, "lstat", refuse)
    compare(folder, files, hashes=False)
    with pytest.raises(PermissionError):
        compare(folder, files, hashes=True)
    (folder / "link").unlink()
    with pytest.raises(BundleError, match="broken"):
        compare(folder, files, hashes=False)


def test_a_changed_list_of_files_is_seen(cache: Cache) -> None:
    """The list itself is under the manifest's hash."""
    artefact = cache.artefact("part", KEY)
    file = cache.list_file(artefact)
    file.write_text(file.read_text("utf-8").replace("12", "13"), "utf-8")

    with pytest.raises(BundleError, match="broken"):
        cache.files(artefact)


def test_two_builds_at_once_are_refused(cache: Cache) -> None:
    """The second one is told who builds."""
    with cache.lock(), pytest.raises(InUse) as caught, cache.lock():
        pass

    assert caught.value.seen == f"process {os.getpid()}"


def test_the_lock_sweeps_what_a_killed_build_left(cache: Cache) -> None:
    """Half-made artefacts are gone, finished ones stay."""
    (cache.artefacts / ".tmp-old-1").mkdir()
    with cache.lock():
        left = sorted(p.name for p in cache.artefacts.iterdir())

    assert left == ["part-0123456789ab", "part-0123456789ab.files.json"]


def _relink(link: Path) -> None:
    link.unlink()
    link.symlink_to("elsewhere")
