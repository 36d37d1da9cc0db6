"""How graders are proven: no, then yes, then no again, and yes to another solution."""

from typing import Any

import kernels
import yaml
from labs import Lab
from nbformat import NotebookNode, v4
from paths import ROOT

from booktools.notebooks import Chapter, chapter_paths, load, tags
from k8slab.kube import snapshot

FOLDER = ROOT / "tests" / "cluster" / "graders"
WANTED = [False, True, False, True]
CHAPTERS = {path.stem: path for path in chapter_paths(ROOT)}


def exercises(chapter: Chapter) -> list[str]:
    """Return the names of a chapter's exercises, in order."""
    ids = kernels.cell_ids(chapter)
    ends = [each for each in ids if each.startswith("exercise-")]
    return [e[9:-6] for e in ends if e.endswith("-grade")]


def proofs(name: str) -> dict[str, Any]:
    """Return how a chapter's graders are proven, by exercise."""
    proofs: dict[str, Any] = yaml.safe_load(
        (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")
    )
    return proofs


def steps(chapter: Chapter, exercise: str, proof: dict[str, Any]) -> list[NotebookNode]:
    """Return the cells of one proof in order, those that grade named ``grade-N``."""
    cells = {cell.id: cell for cell in chapter.cells("code")}
    begins = f"solution-{exercise}"
    solution = [c for i, c in cells.items() if i.startswith(begins)]
    start = [cells[i] for i in (*proof["before"], f"exercise-{exercise}-start")]
    grade = cells[f"exercise-{exercise}-grade"]
    undo, other = (v4.new_code_cell(proof[word]) for word in ("undo", "other"))
    return [*start, grade, *solution, grade, undo, grade, other, grade]


def is_solved(cell: NotebookNode) -> bool:
    """Say what a grader's output says; one that says nothing is a mistake."""
    text = "".join(o.get("text", "") for o in cell.outputs)
    assert "✔" in text or "✘" in text, cell.id
    return "✘" not in text


def asked(name: str, lab: Lab) -> tuple[dict[str, list[bool]], list[str]]:
    """Grade a chapter's exercises unsolved, solved, undone and solved another way.

    Returns:
        What each grader said, to be compared with `WANTED`; what is left in the lab.
    """
    chapter = load(CHAPTERS[name])
    setup, *_ = chapter.cells("code")
    tidy = [c for c in chapter.cells("code") if "lab-cleanup" in tags(c)]
    said: dict[str, list[bool]] = {}
    with lab.cluster() as cluster:
        before = snapshot.take(cluster)
        with kernels.kernel(chapter, lab.name) as execute:
            execute(setup)
            for exercise, proof in proofs(name).items():
                verdicts = said.setdefault(exercise, [])
                for cell in steps(chapter, exercise, proof):
                    done = execute(cell)
                    if cell.id == f"exercise-{exercise}-grade":
                        verdicts.append(is_solved(done))
            for cell in tidy:
                execute(cell)
        left = snapshot.difference(before, snapshot.take(cluster))
    return said, left
