"""What a reader hands on, and a team side by side."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from booktools import team
from booktools.progress import Row
from k8slab.core import files
from k8slab.errors import BadInput


def row(seen: int, *solved: str, last: str = "2026-01-02") -> Row:
    """Return a chapter of three claims and two exercises, partly done."""
    return Row("pods", "Run <Pods>", 20, 3, seen, ("one", "two"), solved, last)


def test_what_is_exported_is_what_is_collected(tmp_path: Path) -> None:
    """Nothing is lost on the way, and readers come by name."""
    for name, done in (("Zoë", row(3, "one", "two")), ("adam", row(1, "one"))):
        team.export(tmp_path / name, [done], name=name)

    found = team.collect([tmp_path / "Zoë", tmp_path / "adam"])

    assert [(each.name, each.rows) for each in found] == [
        ("adam", (row(1, "one"),)),
        ("Zoë", (row(3, "one", "two"),)),
    ]


def test_a_team_is_a_table_of_learners_and_chapters() -> None:
    """Each learner has a line; one who knows fewer chapters has a gap."""
    other = Row("dns", "Names", 20, 2, 0, (), (), "")
    shown = team.table(
        [team.Learner("a", (row(1, "one"),)), team.Learner("b", (row(3), other))]
    )

    lines = [line.split() for line in shown.text.splitlines()[:3]]
    assert lines == [
        ["learner", "pods", "dns", "last", "activity"],
        ["a", "◐", "1/3", "1/2", "2026-01-02"],
        ["b", "◐", "3/3", "0/2", "○", "0/2", "0/0", "2026-01-02"],
    ]
    assert "Run &lt;Pods&gt;" in team.page(shown)


ODD = '{"schema": 1, "learner": 7, "chapters": []}'


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{}", '{"schema": 2}', '{"schema": 1}', ODD),
        pytest.param("[" * 100_000, id="deep"),
    ],
)
def test_another_file_is_refused_by_its_name(tmp_path: Path, text: str) -> None:
    """The error names the file and the command that makes a right one."""
    path = tmp_path / "some.json"
    path.write_text(text)

    with pytest.raises(BadInput, match="not the exported") as caught:
        team.collect([path])

    assert caught.value.where == str(path)
    assert caught.value.next.startswith("'k8slab progress ")
    assert caught.value.next.endswith("--export FILE'")


def written(tmp_path: Path, **changed: object) -> Path:
    """Write what a reader exported, with a chapter's fields changed."""
    path = tmp_path / "ada.json"
    team.export(path, [row(1, "one")], name="ada")
    told = json.loads(path.read_text())
    told["chapters"][0] |= changed
    path.write_text(json.dumps(told))
    return path


def test_what_a_newer_version_exports_beside_it_is_left_out(tmp_path: Path) -> None:
    """A lead may have the older book."""
    (learner,) = team.collect([written(tmp_path, hours=3, notes=["mine"])])

    assert learner.rows == (row(1, "one"),)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("last", 5),
        ("title", None),
        ("name", ["pods"]),
        ("minutes", "20"),
        ("seen", 1.5),
        ("claims", True),
        ("solved", "one"),
        ("exercises", [1]),
    ],
)
def test_a_field_of_another_type_is_refused_by_its_name(
    tmp_path: Path, field: str, value: object
) -> None:
    """The table could not be drawn."""
    with pytest.raises(BadInput, match="not the exported") as caught:
        team.collect([written(tmp_path, **{field: value})])

    assert f"{field}: {value!r}" in caught.value.seen


@pytest.mark.parametrize("name", ["J\udcf6rg", "a\nb"])
def test_a_name_that_cannot_be_shown_is_not_exported(tmp_path: Path, name: str) -> None:
    """The reader can give another; the lead, who has the file, cannot."""
    path = tmp_path / "out.json"
    with pytest.raises(BadInput, match="cannot be a learner's name") as caught:
        team.export(path, [row(1)], name=name)

    assert caught.value.seen == repr(name)
    assert not path.exists()


@pytest.mark.parametrize("name", ["J\udcf6rg", "a\nb"])
def test_a_name_that_cannot_be_shown_is_refused_by_its_file(
    tmp_path: Path, name: str
) -> None:
    """The table could not be written."""
    path = written(tmp_path)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"learner": name}))

    with pytest.raises(BadInput, match="not the exported") as caught:
        team.collect([path])

    assert caught.value.where == str(path)
    assert f"learner: {name!r}, which cannot be shown" in caught.value.seen


@pytest.mark.parametrize(
    ("number", "step"),
    [
        (errno.ENOENT, "in a folder that is there"),
        (errno.EACCES, "in a folder that you can write to"),
        (errno.EROFS, "in a folder that you can write to"),
        (errno.ENOSPC, "make room"),
    ],
)
def test_what_to_do_is_what_the_system_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, step: str
) -> None:
    """A full disk has no better folder, nor is one that may not be written missing."""

    def refuse(path: Path, *_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(files, "write", refuse)
    with pytest.raises(BadInput, match="cannot be written") as caught:
        team.export(tmp_path / "out.json", [row(1)], name="ada")

    assert step in caught.value.next


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """The error names it; no part of it is left."""
    with pytest.raises(BadInput, match="cannot be written"):
        team.export(tmp_path / "none" / "file", [row(1)], name="ada")
