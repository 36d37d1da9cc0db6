"""What the bundle's cache drops, and in which order."""

import os
from pathlib import Path

import pytest

from labmaker.bundle.cache import Artefact, Cache
from labmaker.bundle.prune import prune, size_of

MB = 1_000_000


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    """Return a cache with an artefact, an older one, sources and compile results."""
    cache = Cache(tmp_path)
    for key in ("1" * 64, "2" * 64):
        with cache.making("apt", key) as folder:
            (folder / "file").write_bytes(bytes(MB))
    fill(tmp_path / "go/mod/example.org/code.go", 2)
    fill(tmp_path / "go/mod/cache/download/example.org/@v/v1.zip", 1)
    fill(tmp_path / "go/mod/cache/download/example.org/@v/v2.zip", 2)
    for age in range(4):
        result = tmp_path / f"go/build/0{age}/result-{age}"
        fill(result, 1)
        os.utime(result, (1000 - age, 1000 - age))
    return cache


def fill(path: Path, megabytes: int) -> None:
    """Write a file of some MB."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(megabytes * MB))


def kept(cache: Cache) -> list[Artefact]:
    """Return the artefact that the manifest names."""
    return [cache.artefact("apt", "2" * 64)]


def test_older_artefacts_and_unpacked_sources_go(cache: Cache) -> None:
    """What was fetched from the network stays, as do compile results that fit."""
    done = prune(cache, kept(cache))

    assert not cache.has("apt", "1" * 64)
    assert cache.has("apt", "2" * 64)
    assert set(done.freed) == {"older artefacts", "unpacked sources"}
    assert not (cache.root / "go/mod/example.org").exists()
    assert (cache.root / "go/mod/cache/download/example.org/@v/v1.zip").exists()
    assert len(list((cache.root / "go/build").rglob("result-*"))) == 4


def test_what_is_no_artefact_stays(cache: Cache) -> None:
    """The reader's own, where the cache is a folder that had such a one before."""
    own = [cache.artefacts / name for name in ("photos/one.jpg", "junit.xml")]
    for path in own:
        fill(path, 1)

    prune(cache, kept(cache), limit_bytes=0)

    assert all(path.exists() for path in own)
    assert not cache.has("apt", "1" * 64)


def test_the_results_used_longest_ago_go_first(cache: Cache) -> None:
    """Until the cache is small enough."""
    done = prune(cache, kept(cache), limit_bytes=6 * MB + MB // 2)

    names = {p.name for p in (cache.root / "go/build").rglob("result-*")}
    assert names == {"result-0", "result-1"}
    assert done.freed["compile results"] == 2 * MB
    assert done.left_bytes == size_of(cache.root) < 6.5 * MB


def test_the_largest_archives_go_where_that_is_not_enough(cache: Cache) -> None:
    """Go fetches them again, and keeps what proves that they are the same."""
    proof = cache.root / "go/mod/cache/download/example.org/@v/v2.ziphash"
    fill(proof, 0)
    done = prune(cache, kept(cache), limit_bytes=2 * MB + MB // 2)

    assert {path.name for path in proof.parent.iterdir()} == {"v1.zip", proof.name}
    assert done.freed["compile results"] == 4 * MB
    assert done.freed["archives of modules"] == 2 * MB
    assert done.left_bytes < 2.5 * MB


def test_it_says_what_went(cache: Cache) -> None:
    """In MB, and what is left."""
    text = prune(cache, kept(cache), limit_bytes=0).text

    assert text == (
        "1 MB kept; 1 MB of older artefacts, 2 MB of unpacked sources, "
        "4 MB of compile results, 3 MB of archives of modules dropped"
    )


def test_a_second_time_nothing_goes(cache: Cache) -> None:
    """And it says so."""
    prune(cache, kept(cache))
    again = prune(cache, kept(cache))

    assert again.freed == {}
    assert again.text == "8 MB kept; nothing dropped"
