"""The rules that every chapter keeps, each a function that yields what breaks it."""

from __future__ import annotations

import ast
import re
import statistics
from collections.abc import Callable, Iterator
from typing import Any

import yaml

from k8slab import check
from k8slab.notebook.source import names, python

from ..gateway import NEEDS
from ..glossary import LEARN
from ..notebooks import Chapter, digest, dump, tags, text_of, without_code
from . import magics, secrets

TAGS = frozenset(
    {
        "nbval-check-output",
        "nbval-ignore-output",
        "nbval-skip",
        "hide-input",
        "hide-cell",
        "remove-cell",
        "lab-check",
        "lab-fault",
        "lab-solution",
        "lab-cleanup",
    }
)
MAX_LINES = 15
MAX_MEDIAN_LINES = 4
MAX_MINUTES = 30
MAX_SETUP_LINES = 5
MAX_CELLS = 92
MAX_TERMS = 8
MAX_WORDS_BEFORE_CODE = 150
OUTCOMES = range(3, 6)
# How long a reader takes, and how far the notebook's own number may be from that.
WORDS_A_MINUTE = 130
SECONDS_A_CELL = 20
MINUTES_OFF = 2
# Sections that every chapter has and that are not a claim of its own.
STANDARD = re.compile(
    r"(?i)^(in this chapter|when it breaks|exercises?|runbook card|checklist|"
    r"questions|check yourself|clean(ing)? up|in practice|further reading)\b"
)


Found = Iterator[tuple[str, str, str]]  # cell id, seen, wanted


def counts(chapter: Chapter) -> Found:
    """Counts are 1 to n, and the stored run timed each cell."""
    run = [c for c in chapter.cells("code") if "nbval-skip" not in tags(c)]
    timed = chapter.run.get("above")
    for want, cell in enumerate(run, start=1):
        if cell.execution_count != want:
            yield cell.id, f"execution count {cell.execution_count}", str(want)
        if timed is not None and cell.id not in timed:
            yield cell.id, "a cell that the stored run does not know", "k8slab book run"


def one_run(chapter: Chapter) -> Found:
    """What is stored is what the stored run ran and printed, as its digest says."""
    stored = chapter.run.get("digest")
    if stored != digest(chapter.notebook):
        seen = "code or outputs of another run" if stored else "no digest of a run"
        yield "", seen, "k8slab book run"


def stored_errors(chapter: Chapter) -> Found:
    """No stored output is an error."""
    for cell in chapter.cells("code"):
        for output in cell.outputs:
            if output.output_type == "error":
                yield cell.id, f"a stored {output.ename}", "check.fails, or no error"


def checks_compare(chapter: Chapter) -> Found:
    """Each check cell has something that nbval can compare, and a chapter has some."""
    checked = [c for c in chapter.cells("code") if "nbval-check-output" in tags(c)]
    if not checked:
        yield "", "no nbval-check-output cell", "at least one"
    for cell in checked:
        if cell.execution_count is None or not text_of(cell.outputs).strip():
            yield cell.id, "a check cell with no stored output", "an executed cell"


def known_tags(chapter: Chapter) -> Found:
    """Tags come from the vocabulary; a misspelt one would do nothing."""
    for cell in chapter.notebook.cells:
        for tag in sorted(tags(cell) - TAGS):
            yield cell.id, f"tag {tag!r}", "a tag of the vocabulary"
        reason = cell.metadata.get("lab", {}).get("skip_reason")
        if "nbval-skip" in tags(cell) and not reason:
            yield cell.id, "nbval-skip without a reason", "metadata lab.skip_reason"
        acts = re.search(r"%kubectl|%%on|\bns\.|\bcluster\.|lab\.", cell.source)
        if "remove-cell" in tags(cell) and cell.cell_type == "code" and acts:
            yield cell.id, "remove-cell on an action", "a cell the reader sees"
        if re.search(r"(?m)^\s*#\s*(NBVAL|PYTEST_VALIDATE)_", cell.source):
            yield cell.id, "a comment marker of nbval", "a tag"


def anatomy(chapter: Chapter) -> Found:
    """A chapter has setup first, a check in each acting section and clean-up last."""
    code = list(chapter.cells("code"))
    ids = [cell.id for cell in code]
    if not ids or ids[0] != "setup":
        yield (ids or [""])[0], "another first code cell", "the cell 'setup'"
    elif len(code[0].source.splitlines()) > MAX_SETUP_LINES:
        yield "setup", "a long setup", f"at most {MAX_SETUP_LINES} lines"
    cleaning = [cell.id for cell in code if "lab-cleanup" in tags(cell)]
    if not cleaning or cleaning[-1:] != ids[-1:]:
        yield (ids or [""])[-1], "no clean-up at the end", "tag lab-cleanup"
    for title, cells in sections(chapter):
        acts = [c for c in cells if c.cell_type == "code" and c.id not in cleaning]
        checks = [c for c in acts if tags(c) & {"lab-check", "lab-solution"}]
        if any(c.id != "setup" for c in acts) and not checks:
            yield acts[0].id, f"no check below {title!r}", "a cell tagged lab-check"


def overview(chapter: Chapter) -> Found:
    """The opening box promises one thing for each section that makes a claim."""
    claims = [t for t, _ in sections(chapter) if not STANDARD.match(t)]
    box = next((c for c in chapter.cells("markdown") if LEARN.search(c.source)), None)
    if box is None:
        yield "", "no box with 'you will learn'", "the box 'In this chapter'"
        return
    behind = LEARN.split(box.source, maxsplit=1)[1]
    items = re.match(r"[^\n]*\n\s*((?:[-*] [^\n]*\n?(?:  [^\n]*\n?)*)+)", behind)
    promised = re.split(r"(?m)^[-*] ", items[1])[1:] if items else []
    if len(promised) != len(claims):
        yield box.id, f"{len(promised)} promises", f"{len(claims)}, one per section"
    if len(promised) not in OUTCOMES:
        wanted = f"{OUTCOMES[0]} to {OUTCOMES[-1]}"
        yield box.id, f"{len(promised)} outcomes", wanted
    for item, claim in zip(promised, claims, strict=False):
        if claim.casefold() not in item.casefold():
            yield box.id, f"the promise {item.strip()!r}", f"the claim {claim!r}"


def short_cells(chapter: Chapter) -> Found:
    """A code cell fits on a slide."""
    for cell in chapter.cells("code"):
        lines = len(cell.source.splitlines())
        if lines > MAX_LINES:
            yield cell.id, f"{lines} lines", f"at most {MAX_LINES}"
    sizes = [len(cell.source.splitlines()) for cell in chapter.cells("code")]
    median = statistics.median(sizes) if sizes else 0
    if median > MAX_MEDIAN_LINES:
        yield "", f"a median of {median:g} lines", f"at most {MAX_MEDIAN_LINES}"


def length(chapter: Chapter) -> Found:
    """A chapter is read and run at one sitting, and says honestly how long that is."""
    cells = chapter.notebook.cells
    if len(cells) > MAX_CELLS:
        yield "", f"{len(cells)} cells", f"at most {MAX_CELLS}"
    kinds = [cell.cell_type for cell in cells]
    first = kinds.index("code") if "code" in kinds else len(cells)
    words = sum(len(cell.source.split()) for cell in cells[:first])
    if words > MAX_WORDS_BEFORE_CODE:
        seen = f"{words} words before the first code cell"
        yield "", seen, f"at most {MAX_WORDS_BEFORE_CODE}"
    minutes = chapter.settings.get("minutes")
    needed = reading_minutes(chapter)
    if isinstance(minutes, int) and abs(minutes - needed) > MINUTES_OFF:
        yield "", f"{minutes} minutes", f"{needed:.0f}, by its words and code cells"
    box = next((c for c in chapter.cells("markdown") if LEARN.search(c.source)), None)
    if box is not None and not re.search(rf"\b{minutes} minutes\b", box.source):
        yield box.id, "another time than the notebook's", f"{minutes} minutes"


def reading_minutes(chapter: Chapter) -> float:
    """Return the minutes that reading the prose and running the cells take."""
    words = sum(len(cell.source.split()) for cell in chapter.cells("markdown"))
    cells = sum(1 for _ in chapter.cells("code"))
    return words / WORDS_A_MINUTE + cells * SECONDS_A_CELL / 60


_BOLD = re.compile(r"\*\*([^*]+)\*\*(:?)")


def terms(chapter: Chapter) -> Found:
    """A chapter defines few terms in bold; labels, which end with a colon, are none."""
    bold: dict[str, str] = {}
    for cell in chapter.cells("markdown"):
        for found in _BOLD.finditer(without_code(cell.source)):
            if not found[2] and not found[1].endswith(":"):
                bold.setdefault(found[1], cell.id)
    for term, where in list(bold.items())[MAX_TERMS:]:
        yield where, f"one more term, {term!r}", f"at most {MAX_TERMS}"


def readable_ids(chapter: Chapter) -> Found:
    """Cell ids are unique words that name a place in the book."""
    seen: set[str] = set()
    for cell in chapter.notebook.cells:
        if cell.id in seen:
            yield cell.id, "an id used twice", "unique ids"
        seen.add(cell.id)
        words = re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", cell.id)
        if not words or re.match(r"([0-9a-f]{8}(-|$)|cell-\d+$)", cell.id):
            yield cell.id, "an id that says nothing", "words joined by hyphens"


_FORBIDDEN = {
    r"\bsleep\b": ("a sleep", "wait.…"),
    r"get_ipython|subprocess|\bos\.(?:system|popen)|\bfrom os import": (
        "a hidden command",
        "%kubectl or %%on",
    ),
    r"import \*": ("a star import", "import modules"),
    r"sys\.path": ("a path hack", "the installed package"),
    r"(?m)^\s*['\"]?(apiVersion|kind)['\"]?\s*:": ("YAML in a cell", "manifests/"),
}
_INSTALL = re.compile(r"\b(pip3?|conda|mamba|uv|npm)\s+(\w+\s+)?(install|add)\b")


def plain_actions(chapter: Chapter) -> Found:
    """Chapters act by kubectl, a machine's shell and the library, by nothing else."""
    for cell in chapter.cells("code"):
        on_machine = cell.source.lstrip().startswith("%%on")
        for pattern, (seen, wanted) in _FORBIDDEN.items():
            if on_machine and not pattern.startswith(r"\bsleep"):
                continue
            if re.search(pattern, cell.source):
                yield cell.id, seen, wanted
        if _INSTALL.search(cell.source):
            yield cell.id, "a package install", "environment.yml"


LINE_MAGICS = frozenset({"kubectl"})
CELL_MAGICS = frozenset({"kubectl", "on"})
_SHELL = ("system", "getoutput", "getoutput_split")


def known_magics(chapter: Chapter) -> Found:
    """A cell is Python with the book's magics, as a kernel reads it, and no others."""
    read = [(cell.id, python(cell.source)) for cell in chapter.cells("code")]
    own = {name for _, code in read if code for name in names(code)}
    for where, code in read:
        if code is None:
            yield where, "no Python, or a magic in the wrong place", "a cell that runs"
            continue
        for word in magics.bare(code, own):
            yield where, f"the bare command {word}", "%kubectl or %%on"
        for call in ast.walk(code):
            for name, first in magics.called(call):
                if name in _SHELL:
                    yield where, "a shell escape", "%kubectl or %%on"
                elif name == "run_line_magic" and first not in LINE_MAGICS:
                    yield where, f"the magic %{first}", "%kubectl or %%on"
                elif name == "run_cell_magic" and first not in CELL_MAGICS:
                    yield where, f"the magic %%{first}", "%%kubectl or %%on"


def folded(chapter: Chapter) -> Found:
    """Solutions and graders are folded, and the line that still shows tells nothing.

    A notebook shows the first line of a folded cell: it is a comment, also behind a
    magic that has to stand first.
    """
    for cell in chapter.cells("code"):
        solves, grades = "lab-solution" in tags(cell), _is_grader(cell.source)
        if not solves and not grades:
            continue
        if not tags(cell) & {"hide-cell", "hide-input"}:
            yield cell.id, "an open cell", "the tag hide-cell, or hide-input"
        first = cell.source.partition("\n")[0]
        if not re.match(r"#|%%\w+[^\n]*\s#", first):
            yield cell.id, f"the first line {first[:40]!r}", "# Solution: click to open"


def graders(chapter: Chapter) -> Found:
    """A grader asks inside of its facts, and its hints are not in its source."""
    for cell in chapter.cells("code"):
        code = python(cell.source) if _is_grader(cell.source) else None
        if code is None:
            continue
        known = {node.name for node in code.body if isinstance(node, ast.FunctionDef)}
        for node in code.body:
            call = _grading(node)
            if call is None:
                outside = [n for n in ast.walk(node) if isinstance(n, ast.Call)]
                if outside and not isinstance(node, ast.FunctionDef):
                    seen = ast.unparse(outside[0])[:40]
                    yield cell.id, f"{seen} outside of a fact", "a def, or a lambda"
                continue
            for claim in call.args[1:]:
                if not isinstance(claim, ast.Tuple) or len(claim.elts) < 2:
                    yield cell.id, "a claim that is no pair", "(text, function)"
                    continue
                fact = claim.elts[1]
                named = isinstance(fact, ast.Name) and fact.id in known
                if not named and not isinstance(fact, ast.Lambda):
                    seen = ast.unparse(fact)[:40]
                    yield cell.id, f"the fact {seen}", "a def of this cell, or a lambda"
                if len(claim.elts) > 2:
                    yield cell.id, "hints in the source", "chapters/_hints/"


def hints(chapter: Chapter) -> Found:
    """Each hint stands below an exercise and a claim that the chapter has."""
    path = chapter.path.parent / "_hints" / f"{chapter.name}.yaml"
    if not path.exists():
        return
    graded = [c.source for c in chapter.cells("code") if _is_grader(c.source)]
    for exercise, claims in yaml.safe_load(path.read_text(encoding="utf-8")).items():
        source = next((text for text in graded if f'"{exercise}"' in text), None)
        if source is None:
            yield "", f"hints for {exercise!r}", "an exercise of this chapter"
            continue
        for claim in claims:
            if f'"{claim}"' not in source:
                yield "", f"{exercise}: hints for {claim!r}", "a claim of its grader"


def _is_grader(source: str) -> bool:
    return re.search(r"\bcheck\.(exercise|grade)\(", source) is not None


def _grading(node: ast.stmt) -> ast.Call | None:
    """Return the call that grades, when a statement is one."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        called = ast.unparse(node.value.func)
        return node.value if called in ("check.exercise", "check.grade") else None
    return None


_CHANCE = {
    "an IP address": check.ADDRESS,
    "a UID": check.UID,
    "a generated name": check.SUFFIX,
    "an age": re.compile(r"\b(?:\d+d)?(?:\d+h)?(?:\d+m)?\d+(?:\.\d+)?(?:s|ms)\b"),
    "a long age": re.compile(r"\b\d+d(?:\d+h)?\b|\b\d+h(?:\d+m)?\b|\b\d+m\d+s\b"),
}


def stable_checks(chapter: Chapter) -> Found:
    """What nbval compares is the same in every run."""
    for cell in chapter.cells("code"):
        if "nbval-check-output" not in tags(cell):
            continue
        text = text_of(cell.outputs)
        for name, pattern in _CHANCE.items():
            match = pattern.search(text)
            if match:
                yield cell.id, f"{name}: {match[0]}", "words that stay the same"


def settings(chapter: Chapter) -> Found:
    """The notebook says what it needs and how long it may take."""
    lab = chapter.settings
    needs = lab.get("needs")
    if not isinstance(needs, list) or not set(needs) <= NEEDS:
        yield "", f"needs {needs!r}", f"a list from {', '.join(sorted(NEEDS))}"
    for key in ("minutes", "timeout"):
        if not isinstance(lab.get(key), int) or lab[key] <= 0:
            yield "", f"{key} {lab.get(key)!r}", "a positive whole number"
        elif key == "minutes" and lab[key] > MAX_MINUTES:
            yield "", f"{lab[key]} minutes", f"at most {MAX_MINUTES}"


def opening(chapter: Chapter) -> Found:
    """A chapter opens with its one title."""
    titles = re.findall(
        r"(?m)^# .+",
        "\n".join(without_code(c.source) for c in chapter.cells("markdown")),
    )
    first = chapter.notebook.cells[0] if chapter.notebook.cells else None
    if first is None or not first.source.startswith("# ") or len(titles) != 1:
        yield "", f"{len(titles)} titles", "one, in the first cell"


def ending(chapter: Chapter) -> Found:
    """A chapter ends with one link to what comes next."""
    links = [
        cell.id
        for cell in chapter.cells("markdown")
        for _ in re.findall(r"(?m)^\W*Next\b.*\]\(", without_code(cell.source))
    ]
    last = chapter.notebook.cells[-1].id if chapter.notebook.cells else ""
    if links != [last]:
        seen = f"{len(links)} links to what is next"
        yield (links or [last])[0], seen, "one, in the last cell"


def no_secrets(chapter: Chapter) -> Found:
    """No key, token or password is stored, in a source or in an output."""
    for cell in chapter.notebook.cells:
        outputs = cell.get("outputs", [])
        for leak in secrets.leaks(cell.source + "\n" + text_of(outputs)):
            yield cell.id, f"{leak.kind} {leak.start}", "no secret"


def normal_form(chapter: Chapter) -> Found:
    """The file is as `notebooks.dump` writes it, so that a diff shows what changed."""
    if chapter.path.read_text(encoding="utf-8") != dump(chapter.notebook):
        yield "", "another JSON form", "the form of 'k8slab book run'"


def sections(chapter: Chapter) -> list[tuple[str, list[Any]]]:
    """Return each H2 with the cells below it, in order."""
    found: list[tuple[str, list[Any]]] = []
    for cell in chapter.notebook.cells:
        if cell.cell_type == "markdown":
            for title in re.findall(r"(?m)^## +(.+?)\s*$", without_code(cell.source)):
                found.append((title, []))
        if found:
            found[-1][1].append(cell)
    return found


RULES: tuple[Callable[[Chapter], Found], ...] = (
    counts,
    one_run,
    stored_errors,
    checks_compare,
    known_tags,
    anatomy,
    overview,
    short_cells,
    length,
    terms,
    readable_ids,
    plain_actions,
    known_magics,
    folded,
    graders,
    hints,
    stable_checks,
    settings,
    opening,
    ending,
    no_secrets,
    normal_form,
)
