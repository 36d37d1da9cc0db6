"""The chapters keep the rules, and so do the files around them."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from booktools import notebooks, pages
from booktools.lint import checks
from booktools.lint.rules import RULES, Found
from booktools.notebooks import Chapter

# In the column REST: what stands for the beginning of a path, and where it is used.
SHORT = re.compile(r"`(…\w*)` (?:stands )?for `(/[^`]+)`")
USED = re.compile(r"`(?:GET|POST|PUT|PATCH|DELETE) (…\w*)([^`]*)`")


def lines(violations: Sequence[object]) -> list[str]:
    """Return violations as a reader wants them in a failure."""
    return [str(violation) for violation in violations]


@pytest.fixture(scope="module")
def chapters(root: Path) -> list[Chapter]:
    """Return the chapters in reading order."""
    return notebooks.load_all(root)


def test_the_contents_and_the_folder_agree(root: Path) -> None:
    """Every chapter is listed, every listed chapter is there, and there are some."""
    assert lines(checks.in_contents(root)) == []


def test_all_listed_chapters_are_looked_at(root: Path, chapters: list[Chapter]) -> None:
    """The harness finds as many chapters as the contents list, and not zero."""
    listed = notebooks.chapter_paths(root)

    assert [chapter.path for chapter in chapters] == listed
    assert len(listed) > 0


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_chapters_keep_the_rule(
    chapters: list[Chapter], rule: Callable[[Chapter], Found]
) -> None:
    """No chapter breaks it."""
    found = [v for chapter in chapters for v in checks.in_chapter(chapter, [rule])]

    assert lines(found) == []


def test_manifests_are_there_used_single_and_pinned(
    root: Path, chapters: list[Chapter]
) -> None:
    """Chapters and manifests fit together."""
    assert lines(checks.in_manifests(root, chapters)) == []


def test_words_lead_to_the_glossary(root: Path, chapters: list[Chapter]) -> None:
    """Where a chapter first uses them; 'k8slab book link' writes these links."""
    assert lines(checks.in_glossary(root, chapters)) == []


def test_a_short_path_means_the_same_on_a_card_and_in_the_runbook(
    root: Path, chapters: list[Chapter]
) -> None:
    """The runbook takes the cards' tables, and says of its own what ``…`` is."""
    known = dict(SHORT.findall((root / "runbook.md").read_text(encoding="utf-8")))
    wrong, uses = [], 0
    for chapter in chapters:
        prose = "\n".join(cell.source for cell in chapter.cells("markdown"))
        own = dict(SHORT.findall(prose))
        wrong += [(chapter.name, *each) for each in own.items() - known.items()]
        for short, rest in USED.findall("\n".join(pages.card_tables(chapter))):
            uses += 1
            if short not in own or not rest.startswith("/"):
                wrong.append((chapter.name, short, rest))

    assert wrong == []
    assert set(known) == {"…", "…apps", "…autoscaling", "…discovery", "…gateway"}
    assert uses > 50


def test_prose_belittles_nothing(root: Path, chapters: list[Chapter]) -> None:
    """Chapters, the opening and the README leave such words out."""
    prose = {c.path.name: [m.source for m in c.cells("markdown")] for c in chapters}
    for name in ("intro.md", "README.md"):
        prose[name] = [(root / name).read_text(encoding="utf-8")]

    found = [v for n, t in prose.items() for v in checks.in_prose(n, "\n".join(t))]

    assert lines(found) == []


def test_the_book_build_executes_nothing(root: Path) -> None:
    """Execution is off, and no failure is hidden."""
    assert lines(checks.in_config(root)) == []


def test_figures_are_named_after_their_page(
    root: Path, chapters: list[Chapter]
) -> None:
    """A drawing is called <chapter>-<what>.svg, and has a title for who cannot see."""
    names = (*(chapter.name for chapter in chapters), "intro")
    figures = sorted((root / "chapters" / "_figures").iterdir())

    stray = [f.name for f in figures if not f.name.startswith(tuple(names))]
    mute = [f.name for f in figures if "<title" not in f.read_text(encoding="utf-8")]

    assert figures
    assert (stray, mute) == ([], [])
