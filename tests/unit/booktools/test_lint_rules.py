"""Every rule for chapters, fed with a notebook that breaks it."""

from collections.abc import Callable
from typing import Any

import nbformat.v4 as v4
import pytest
from fakes import chapters
from nbformat import NotebookNode

from booktools.lint.checks import in_chapter
from booktools.lint.rules import RULES, one_run
from booktools.notebooks import Chapter

Cells = list[NotebookNode]
Breaker = Callable[[Cells], object]


def cell(cells: Cells, cell_id: str) -> NotebookNode:
    """Return the cell of that id."""
    return next(c for c in cells if c.id == cell_id)


def source(cell_id: str, text: str) -> Breaker:
    """Return a breaker that gives a cell another source."""
    return lambda cells: cell(cells, cell_id).update(source=text)


def shows(cell_id: str, *outputs: NotebookNode) -> Breaker:
    """Return a breaker that gives a cell other outputs."""
    return lambda cells: cell(cells, cell_id).update(outputs=list(outputs))


def prints(cell_id: str, text: str) -> Breaker:
    """Return a breaker that makes a cell have printed another text."""
    return shows(cell_id, v4.new_output("stream", name="stdout", text=text))


def tagged(cell_id: str, *tags: str) -> Breaker:
    """Return a breaker that gives a cell other tags."""
    return lambda cells: cell(cells, cell_id).metadata.update(tags=list(tags))


def renamed(cell_id: str, new: str) -> Breaker:
    """Return a breaker that gives a cell another id."""
    return lambda cells: cell(cells, cell_id).update(id=new)


def without(*cell_ids: str) -> Breaker:
    """Return a breaker that removes cells."""

    def breaker(cells: Cells) -> None:
        cells[:] = [c for c in cells if c.id not in cell_ids]

    return breaker


def long_cells(cells: Cells) -> None:
    """Give every code cell more lines than half of them may have."""
    for each in cells:
        if each.cell_type == "code":
            each.source = "1\n" * 5


def more(amount: int, text: str = "More.", *, first: int = -1) -> Breaker:
    """Return a breaker that puts cells of prose before the last one, or elsewhere."""

    def breaker(cells: Cells) -> None:
        cells[first:first] = [
            v4.new_markdown_cell(text, id=f"more-{at}") for at in range(amount)
        ]

    return breaker


def promises(amount: int) -> Breaker:
    """Return a breaker that makes a chapter promise, and claim, so many things."""

    def breaker(cells: Cells) -> None:
        claims = [f"fact {at}" for at in range(amount)]
        listed = "".join(f"- {each}\n" for each in claims)
        cell(cells, "box").source = f"You will learn\n\n{listed}\n**Time**: 2 minutes."
        cell(cells, "run").source = "\n\n".join(f"## {each}" for each in claims)
        without("at", "ends")(cells)

    return breaker


ERROR = v4.new_output("error", ename="ZeroDivisionError", evalue="", traceback=[])
TOKEN = "abcdef" + "." + "0123456789abcdef"
AN_IP, A_UID = "10.0.0.7", "6f9619ff-8b86-d011-b42d-00cf4fc964ff"

GRADER = "# Grade\ndef f():\n    return ns.pods()\n\n{}\ncheck.exercise('x', ('a', f))"
CLAIMS = "# Grade\ndef f():\n    return ns.pods()\n\ncheck.exercise('x', {})"

# rule, what is broken, the cell that the violation names
BROKEN = [
    ("stored_errors", shows("run-apply", ERROR), "run-apply"),
    ("checks_compare", shows("run-check"), "run-check"),
    ("checks_compare", without("run-check", "cleanup"), ""),
    ("known_tags", tagged("run-apply", "nbval-ignore-outputs"), "run-apply"),
    ("known_tags", tagged("run-apply", "raises-exception"), "run-apply"),
    ("known_tags", tagged("run-apply", "nbval-skip"), "run-apply"),
    ("known_tags", tagged("run-apply", "remove-cell"), "run-apply"),
    ("known_tags", source("run-apply", "# NBVAL_SKIP\n1"), "run-apply"),
    ("anatomy", without("setup"), "run-apply"),
    ("anatomy", source("setup", "1\n2\n3\n4\n5\n6"), "setup"),
    ("anatomy", without("cleanup"), "run-check"),
    ("anatomy", tagged("run-check"), "run-apply"),
    ("overview", without("box"), ""),
    ("overview", source("box", "You will learn\n\n- a Pod runs\n- and more\n"), "box"),
    ("overview", source("box", "You will learn\n\n- something else\n"), "box"),
    ("overview", promises(2), "box"),
    ("overview", promises(6), "box"),
    ("length", more(83), ""),
    ("length", more(1, "word " * 130, first=2), ""),
    ("length", more(1, "word " * 400), ""),
    ("length", source("box", "You will learn\n\n**Time**: 20 minutes."), "box"),
    ("terms", more(1, "**1** **2** **3** **4** **5** **6** **7** **8**"), "more-0"),
    ("ending", without("next"), "cleanup"),
    ("ending", more(1, "**Next**: [Two](two.ipynb)."), "more-0"),
    ("ending", more(1, "Last words.", first=99), "next"),
    ("short_cells", source("run-apply", "1\n" * 16), "run-apply"),
    ("short_cells", long_cells, ""),
    ("readable_ids", renamed("run-apply", "run-check"), "run-check"),
    ("readable_ids", renamed("run-apply", "1f2e3d4c"), "1f2e3d4c"),
    ("readable_ids", renamed("run-apply", "a1b2c3d4"), "a1b2c3d4"),
    ("readable_ids", renamed("run-apply", "cell-5"), "cell-5"),
    ("readable_ids", renamed("run-apply", "Run_Apply"), "Run_Apply"),
    ("plain_actions", source("run-apply", "time.sleep(3)"), "run-apply"),
    ("plain_actions", source("run-apply", "%%on node1\nsleep 3"), "run-apply"),
    ("known_magics", source("run-apply", "!kubectl get pods"), "run-apply"),
    ("known_magics", source("run-apply", "out = !ls"), "run-apply"),
    ("known_magics", source("run-apply", "%%bash\nls"), "run-apply"),
    ("plain_actions", source("run-apply", "%pip install x"), "run-apply"),
    ("known_magics", source("run-apply", "x = %time 1"), "run-apply"),
    ("known_magics", source("run-apply", "for _ in 'ab':\n    !ls"), "run-apply"),
    ("known_magics", source("run-apply", "%on node1"), "run-apply"),
    ("known_magics", source("run-apply", "# first\n%%on node1\nls"), "run-apply"),
    ("known_magics", source("run-apply", "%%kubctl\nget pods"), "run-apply"),
    ("known_magics", source("run-apply", "ls?"), "run-apply"),
    ("known_magics", source("run-apply", "if True"), "run-apply"),
    ("known_magics", source("run-apply", "ls"), "run-apply"),
    ("known_magics", source("run-apply", "1\nls -l /tmp"), "run-apply"),
    ("known_magics", source("run-apply", "pwd # where am I?"), "run-apply"),
    ("folded", tagged("run-apply", "lab-solution"), "run-apply"),
    ("folded", tagged("run-apply", "lab-solution", "hide-cell"), "run-apply"),
    ("folded", source("run-apply", "check.exercise('x', ('a', f))"), "run-apply"),
    ("graders", source("run-apply", GRADER.format("two = ns.pods()")), "run-apply"),
    ("graders", source("run-apply", CLAIMS.format("('a', 1 == 1)")), "run-apply"),
    ("graders", source("run-apply", CLAIMS.format("('a', two)")), "run-apply"),
    ("graders", source("run-apply", CLAIMS.format("*claims")), "run-apply"),
    ("graders", source("run-apply", CLAIMS.format("('a', f, 'a hint')")), "run-apply"),
    ("plain_actions", source("run-apply", "%%on node1\npip install x"), "run-apply"),
    ("plain_actions", source("run-apply", "import subprocess"), "run-apply"),
    ("plain_actions", source("run-apply", "os.popen('ls')"), "run-apply"),
    ("plain_actions", source("run-apply", "from os import popen"), "run-apply"),
    ("plain_actions", source("run-apply", "from k8slab import *"), "run-apply"),
    ("plain_actions", source("run-apply", "sys.path.append(here)"), "run-apply"),
    ("plain_actions", source("run-apply", "\napiVersion: v1"), "run-apply"),
    ("stable_checks", prints("run-check", f"✔ answers on {AN_IP}"), "run-check"),
    ("stable_checks", prints("run-check", f"✔ the uid {A_UID}"), "run-check"),
    ("stable_checks", prints("run-check", "✔ age 3m12s"), "run-check"),
    ("stable_checks", prints("run-check", "✔ after 12s"), "run-check"),
    ("stable_checks", prints("run-check", "✔ age 2d3h"), "run-check"),
    ("stable_checks", prints("run-check", "✔ Pod echo-x7k2p"), "run-check"),
    ("opening", source("title", "Run a Pod"), ""),
    ("opening", source("run", "# A second title\n\n## A Pod runs"), ""),
    ("no_secrets", prints("run-apply", TOKEN), "run-apply"),
    ("no_secrets", source("run", f"## A Pod runs\n\n{TOKEN}"), "run"),
]  # fmt: skip


def test_a_good_chapter_breaks_no_rule(
    make: Callable[..., Chapter], good: list[NotebookNode]
) -> None:
    """The sample that all other tests break is itself clean."""
    chapter = make(good)

    assert in_chapter(chapter) == []


@pytest.mark.parametrize(
    ("rule", "breaker", "where"),
    BROKEN,
    ids=[f"{rule}-{at}" for at, (rule, *_) in enumerate(BROKEN)],
)
def test_a_broken_chapter_is_seen(
    make: Callable[..., Chapter],
    good: list[NotebookNode],
    rule: str,
    breaker: Breaker,
    where: str,
) -> None:
    """The rule that is broken says so, and names the cell."""
    breaker(good)

    found = in_chapter(make(good))

    assert (rule, where) in {(v.rule, v.cell) for v in found}


def test_a_cell_run_out_of_order_is_seen(
    make: Callable[..., Chapter], good: list[NotebookNode]
) -> None:
    """Counts that are not 1 to n come from no clean run."""
    cell(good, "setup").execution_count = 7

    found = in_chapter(make(good, count=False))

    assert ("counts", "setup") in {(v.rule, v.cell) for v in found}


def test_a_cell_that_the_stored_run_does_not_know_is_seen(
    make: Callable[..., Chapter], good: list[NotebookNode]
) -> None:
    """It was added by hand, with a count that fits."""
    timed = [each.id for each in good if each.cell_type == "code"][1:]
    ran = {"above": dict.fromkeys(timed, 1)}
    found = in_chapter(make(good, lab={**chapters.SETTINGS, "run": ran}))

    assert [(v.rule, v.cell) for v in found] == [("counts", "setup")]


@pytest.mark.parametrize(
    "lab",
    [
        {"needs": "cluster", "minutes": 2, "timeout": 60},
        {"needs": ["telescope"], "minutes": 2, "timeout": 60},
        {"needs": [], "minutes": 0, "timeout": 60},
        {"needs": [], "minutes": 2},
        {"needs": [], "minutes": 31, "timeout": 60},
    ],
)
def test_settings_that_say_nothing_are_seen(
    make: Callable[..., Chapter], good: list[NotebookNode], lab: dict[str, Any]
) -> None:
    """Needs come from a vocabulary; minutes and timeout are numbers."""
    found = in_chapter(make(good, lab=lab))

    assert {v.rule for v in found} - {"length"} == {"settings"}


@pytest.mark.parametrize(
    "change",
    [
        source("run-apply", "%kubectl apply -f ../manifests/x/other.yaml"),
        prints("run-apply", "another output\n"),
        renamed("run-apply", "run-again"),
        without("run-apply"),
    ],
)
def test_what_another_run_printed_is_seen(
    make: Callable[..., Chapter], good: list[NotebookNode], change: Breaker
) -> None:
    """A cell whose output nbval does not compare could keep that of another command."""
    chapter = make(good)
    change(chapter.notebook.cells)

    assert ("one_run", "") in {(v.rule, v.cell) for v in in_chapter(chapter)}


def test_a_chapter_that_no_run_stored_is_seen(
    make: Callable[..., Chapter], good: list[NotebookNode]
) -> None:
    """Whoever executed it by hand has counts, and no digest."""
    lab = {**chapters.SETTINGS, "run": {"digest": ""}}

    assert [v.rule for v in in_chapter(make(good, lab=lab))] == ["one_run"]


def test_prose_and_chance_leave_the_digest_as_it_is(
    make: Callable[..., Chapter], good: list[NotebookNode]
) -> None:
    """Text may be mended, as by 'k8slab book link', and a stream be cut otherwise."""
    prints("run-apply", "two lines,\nin one part\n")(good)
    chapter = make(good)
    parts = ("two lines,\n", "in one part\n")
    source("run", "## A Pod runs\n\nOther words.")(good)
    shows("run-apply", *[v4.new_output("stream", text=each) for each in parts])(good)
    cell(good, "run-apply").source += "\n"
    cell(good, "run-apply").metadata["scrolled"] = True

    assert list(one_run(chapter)) == []


def test_another_json_form_is_seen(
    make: Callable[..., Chapter], good: list[NotebookNode]
) -> None:
    """A notebook saved by an editor is put into the one form again."""
    chapter = make(good)
    chapter.path.write_text(chapter.path.read_text() + "\n")

    assert [v.rule for v in in_chapter(chapter)] == ["normal_form"]


GRADED = '# Grade\ncheck.exercise("sums", ("it adds", lambda: ns.pods()))'


@pytest.mark.parametrize(
    ("hints", "broken"),
    [
        ("sums:\n  it adds: [count]\n", []),
        ("sums:\n  it subtracts: [count]\n", ["hints"]),
        ("products:\n  it adds: [count]\n", ["hints"]),
    ],
)
def test_hints_that_no_grader_shows_are_seen(
    make: Callable[..., Chapter],
    good: list[NotebookNode],
    hints: str,
    broken: list[str],
) -> None:
    """A claim that was renamed would lose its hints without a word."""
    source("run-apply", GRADED)(good)
    tagged("run-apply", "hide-input")(good)
    chapter = make(good)
    folder = chapter.path.parent / "_hints"
    folder.mkdir()
    (folder / f"{chapter.name}.yaml").write_text(hints)

    assert [v.rule for v in in_chapter(chapter)] == broken


def test_every_rule_has_a_notebook_that_breaks_it() -> None:
    """No rule is there that was never seen to fail."""
    elsewhere = {"counts", "one_run", "settings", "hints", "normal_form"}

    assert {rule.__name__ for rule in RULES} == {b[0] for b in BROKEN} | elsewhere


@pytest.mark.parametrize(
    "breaker",
    [
        more(81, ""),
        more(1, "word " * 110, first=2),
        more(1, "word " * 200),
        more(1, "**1** **2** **3** **4** **5** **6** **7** **address**"),
        more(1, "**In short**: **Words**: **1** and **2:** and `**3**`.\n" * 9),
        promises(3),
        promises(5),
    ],
)
def test_what_is_just_within_a_limit_is_no_violation(
    make: Callable[..., Chapter], good: list[NotebookNode], breaker: Breaker
) -> None:
    """As many cells, words, minutes, terms and outcomes as a chapter may have."""
    breaker(good)

    assert in_chapter(make(good)) == []


@pytest.mark.parametrize(
    "text",
    [
        "✔ three echo Pods are ready\n",
        "✔ the container asks for 64Mi and 250m\n",
        "✔ fails as promised: nothing answers on node1:31245 (connection refused)\n",
        "✔ the Pod mysql-controller is back within 60 s\n",
    ],
)
def test_stable_words_are_no_violation(
    make: Callable[..., Chapter], good: list[NotebookNode], text: str
) -> None:
    """What checks really print passes."""
    prints("run-check", text)(good)

    assert in_chapter(make(good)) == []


@pytest.mark.parametrize(
    "text",
    [
        "%kubectl get pods # all | of them",
        "x = %kubectl get pods -o json",
        "for pod in pods:\n    %kubectl delete pod {pod.name}",
        "%%kubectl\nget pods\n# then\nget nodes",
        "%%on node1 --timeout 5m\nif true; then ls; fi",
        "%kubectl exec x -- sh -c ' \\\n    ls'",
        "for page in pods:\n    show.table(page)\npage",
        "time.monotonic() - before",
    ],
)
def test_the_books_own_magics_are_no_violation(
    make: Callable[..., Chapter], good: list[NotebookNode], text: str
) -> None:
    """A cell that a kernel can run passes."""
    source("run-apply", text)(good)

    assert [v.rule for v in in_chapter(make(good))] == []


@pytest.mark.parametrize(
    "text",
    [
        "# Solution: click to open\n%kubectl get pods",
        "%%on node1 # Solution: click to open\nls",
        "# Click to open, then run\ncheck.exercise('x', ('a', lambda: ns.pods()))",
    ],
)
def test_a_folded_cell_that_tells_nothing_is_no_violation(
    make: Callable[..., Chapter], good: list[NotebookNode], text: str
) -> None:
    """A comment shows, and what it hides asks inside of its facts."""
    source("run-apply", text)(good)
    tagged("run-apply", "lab-solution", "hide-cell", "lab-check")(good)

    assert [v.rule for v in in_chapter(make(good))] == []
