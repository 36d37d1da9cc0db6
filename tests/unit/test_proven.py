"""The rows of what was proven where, and the table that is made of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import proven
import pytest
from proven import Row

HERE = Row(
    system="Debian 12",
    kernel="6.1.0",
    cgroup="2",
    engine="podman 4.3.1",
    runs="itself",
    processors="2",
    memory="6 GiB",
    date="2026-01-01",
    result="passed",
    seconds={"up": 21.4, "chapter": 300.0},
)
GUEST = replace(HERE, runs="tcg")


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Return a file for rows, and a README with a place for the table."""
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{proven._BEGIN}old\n{proven._END}after\n")
    return tmp_path / "proven.yaml", readme


def test_a_row_takes_the_place_of_its_kind(files: tuple[Path, Path]) -> None:
    """Another date, version or result is no other computer; another way to run is."""
    later = replace(HERE, date="2026-02-02", engine="podman 5.0", result="failed: up")
    for row in (HERE, GUEST, later):
        proven.keep(row, *files)

    assert proven.read(files[0]) == [later, GUEST]


def test_the_table_is_renewed_between_its_marks(files: tuple[Path, Path]) -> None:
    """What stands around it stays."""
    proven.keep(HERE, *files)
    text = files[1].read_text()

    assert proven.shown(files[1]) == proven.table([HERE])
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text


def test_the_table_says_how_long_it_took() -> None:
    """Seconds for what is short, minutes for what is long, and what never came."""
    failed = replace(HERE, seconds={"doctor": 400.0}, result="failed: up")
    rows = proven.table([HERE, failed]).splitlines()[2:]

    assert "| 21 s | 5 min |" in rows[0]
    assert "| not reached | 7 min | 2026-01-01 | failed: up |" in rows[1]
