"""What measurements make of what they saw, without measuring."""

from pathlib import Path

import everything
import pytest
from bench import __main__ as bench
from bench import chapters, host, labs
from bench.report import Section, merge, write

from labmaker import lifecycle


def test_a_part_is_measured_anew(tmp_path: Path) -> None:
    """It is replaced where it stands; another one comes before the end."""
    file = tmp_path / "RESULTS.md"
    write(file, "Measurements", [section("Up", "old"), section("Down"), section("End")])

    merge(file, [section("Up", "new"), section("Chapters")])

    text = file.read_text()
    titles = [line[3:] for line in text.splitlines() if line.startswith("## ")]
    assert titles == ["Up", "Down", "Chapters", "End"]
    assert text.startswith("# Measurements\n\n## Up\n\nnew\n\n## Down\n\nsaid\n")
    assert text.endswith("\n\n## End\n\nsaid\n")
    assert "old" not in text


def test_chapters_side_by_side_are_compared() -> None:
    """As 'make test' runs them, with those of one worker."""
    took = {1: 1000.0, len(everything.WORKERS): 400.0}

    shown = chapters.measure(lambda workers: (took[workers], {"a": "passed"}))

    rows = [line.split(" | ")[:3] for line in shown.blocks[1].splitlines()[2:]]
    assert rows == [["| 1", "1000", "1.00"], ["| 3", "400", "0.40"]]
    assert "the same 1 cells passed" in shown.blocks[2]


def test_an_outcome_that_differs_is_no_measurement() -> None:
    """One that was skipped would make it faster."""
    outcome = {1: "passed", 3: "skipped"}

    with pytest.raises(chapters.OtherResult, match="3 workers") as caught:
        chapters.measure(lambda workers: (1.0, {"a": outcome[workers]}))

    assert "a: skipped" in caught.value.seen


def test_a_report_that_is_none_is_told_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An hour later it would be too late."""
    monkeypatch.setattr(host, "describe", lambda *_: pytest.fail("measured"))
    (tmp_path / "other.md").write_text("# Nothing\n")
    for file in ("other.md", "none.md"):
        with pytest.raises(SystemExit) as ended:
            bench.main(["--only", "chapters", "--into", str(tmp_path / file)])
        assert ended.value.code == 2


def test_all_labs_are_removed_whatever_one_of_them_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first error is not lost."""
    asked = []

    def down(name: str) -> None:
        asked.append(name)
        if name == "b":
            raise RuntimeError(name)

    monkeypatch.setattr(lifecycle, "down", down)
    with pytest.raises(RuntimeError), labs.removed("a", "b", "c"):
        pass

    assert sorted(asked) == ["a", "b", "c"]


def section(title: str, said: str = "said") -> Section:
    """Return one that says a word."""
    made = Section(title)
    made.say(said)
    return made
