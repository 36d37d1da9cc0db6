"""The words of a chapter lead to the glossary, each once and where it first stands."""

from __future__ import annotations

from pathlib import Path

import nbformat.v4 as v4
import pytest
from fakes import chapters

from booktools import glossary
from booktools.lint import checks, rules
from booktools.notebooks import Chapter, load

PAGE = """# Glossary

```{glossary}
API server
  The one door.
  It is asked by all.

control plane
  Decides.

node
  A machine.

Pod
  Runs.

request
  Set aside.
```
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return the folder of a book that has a glossary."""
    (tmp_path / "glossary.md").write_text(PAGE)
    (tmp_path / "chapters").mkdir()
    return tmp_path


def chapter(root: Path, *sources: str) -> Chapter:
    """Write a chapter of Markdown cells below its title."""
    title = "# Run a Pod\n\nA Pod runs."
    cells = [
        v4.new_markdown_cell(source, id=f"text-{number}")
        for number, source in enumerate([title, *sources])
    ]
    return chapters.write(root / "chapters", cells)


def linked(root: Path, *sources: str) -> list[str]:
    """Return such cells with their words linked, without the title."""
    return list(glossary.linked(chapter(root, *sources), root).values())[1:]


def test_the_glossary_is_read_as_a_list(root: Path) -> None:
    assert glossary.terms(PAGE) == [
        "API server",
        "control plane",
        "node",
        "Pod",
        "request",
    ]


def test_a_word_is_linked_where_it_first_stands(root: Path) -> None:
    """Once, in the plural, at the beginning of a sentence, and over two lines."""
    assert linked(
        root, "Nodes run two Pods.", "A Pod on a node, by the\nAPI\nserver."
    ) == [
        "[Nodes](../glossary.md#term-node) run two [Pods](../glossary.md#term-pod).",
        "A Pod on a node, by the\n[API\nserver](../glossary.md#term-api-server).",
    ]


@pytest.mark.parametrize(
    "source",
    [
        "## Pods in a heading",
        "`kubectl get Pod`, ``a Pod``",
        "```console\n$ echo Pod\n```",
        ":::{admonition} Why a Pod\n:class: tip\n:::",
        "| Pod | node |",
        "![A Pod](_figures/a.svg) and [the Pod](other.ipynb)",
        "<https://example.com/Pod>",
        "a pod, a Podium, node.js, ./node and some-node",
        "Next: [Pods](pods.ipynb), which are on a node.",
        "**You will learn that**\n\n- a Pod runs on a node",
        "A request is plain English.",
    ],
)
def test_what_is_no_use_of_a_word_has_no_link(root: Path, source: str) -> None:
    assert linked(root, source) == [source]


def test_words_that_the_chapter_explains_have_no_link(root: Path) -> None:
    """Nor have they before it does, and in bold they may stand in the plural."""
    sources = ["A Pod on a node.", "**Pods** run on a **node**."]

    assert linked(root, *sources) == sources


def test_a_link_by_hand_counts(root: Path) -> None:
    sources = ["A Pod.", "[It](../glossary.md#term-pod) runs."]

    assert linked(root, *sources) == sources


def test_links_move_with_the_text_and_are_written_once(root: Path) -> None:
    """The linked chapter is as it should be; one with an earlier use is not."""
    path = chapter(root, "A Pod.", "Two Pods.").path

    assert glossary.link([path], root) == [path]
    assert glossary.link([path], root) == []
    assert checks.in_glossary(root, [load(path)]) == []
    assert checks.in_chapter(load(path), [rules.one_run]) == []
    moved = load(path)
    first, second = list(moved.cells("markdown"))[1:]
    first.source, second.source = second.source, first.source
    found = checks.in_glossary(root, [moved])
    assert [violation.cell for violation in found] == ["text-1", "text-2"]
    assert "k8slab book link" in found[0].wanted


def test_the_glossary_has_headings_for_plain_markdown() -> None:
    """With the anchors that chapters link to."""
    page = glossary.as_sections(PAGE)

    assert "(term-api-server)=\n### API server\n\nThe one door.\nIt is asked" in page
    assert "```" not in page
