"""Look for what breaks the book's rules, in chapters and in the files around them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from k8slab.core.process import LocalRunner

from .. import glossary
from ..notebooks import Chapter, chapter_paths, without_code
from . import secrets
from .rules import RULES, Found

MAX_FILE_BYTES = 400_000
MAX_FIGURE_BYTES = 60_000
WORDS = re.compile(r"(?i)\b(simply|just|easy|easily)\b|\be\.g\.")
LS_FILES = ("git", "-c", "safe.directory=*", "ls-files")
"""Git's list, also of a clone that is another user's: its reader became root by su."""
_TEXT = {"requirements.lock", "go.sum"}  # long by nature, and holding hashes
_OF_ADDONS = "addons/"  # manifests that no chapter shows: `labmaker.addons` makes them


@dataclass(frozen=True)
class Violation:
    """A place in the project that breaks a rule.

    Attributes:
        file: The file's name.
        cell: The cell's id, or an empty string for the file as a whole.
        rule: The rule's name.
        seen: What is there.
        wanted: What the rule asks for.
    """

    file: str
    cell: str
    rule: str
    seen: str
    wanted: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.cell}" if self.cell else self.file
        return f"{place}: {self.rule}: seen {self.seen}, wanted {self.wanted}"


def in_chapter(
    chapter: Chapter, rules: Iterable[Callable[[Chapter], Found]] = RULES
) -> list[Violation]:
    """Return what breaks the rules in one chapter, all rules looked at."""
    return [
        Violation(chapter.path.name, cell, rule.__name__, seen, wanted)
        for rule in rules
        for cell, seen, wanted in rule(chapter)
    ]


def in_contents(root: Path) -> list[Violation]:
    """Return where ``_toc.yml`` and the notebooks in ``chapters/`` disagree."""
    listed = chapter_paths(root)
    there = set((root / "chapters").glob("*.ipynb"))
    found = [
        Violation(path.name, "", "contents", "no file", "a chapter that _toc.yml names")
        for path in listed
        if path not in there
    ]
    found += [
        Violation(path.name, "", "contents", "a stray notebook", "a line in _toc.yml")
        for path in sorted(there - set(listed))
    ]
    if not listed:
        found.append(Violation("_toc.yml", "", "contents", "no chapter", "one or more"))
    return found


def in_manifests(root: Path, chapters: Iterable[Chapter]) -> list[Violation]:
    """Return manifests missing, unused, unpinned, or with more than one object."""
    folder = root / "manifests"
    there = {p.relative_to(folder).as_posix() for p in folder.rglob("*.y*ml")}
    used: set[str] = set()
    found: list[Violation] = []
    for chapter in chapters:
        for cell in chapter.cells("code"):
            named = set(
                re.findall(r"\.\./manifests/([\w./-]+\.ya?ml)", cell.source)
                + re.findall(r"show\.manifest\(\s*f?['\"]([\w./-]+)", cell.source)
            )
            used |= named
            found += [
                Violation(chapter.path.name, cell.id, "manifests", name, "a file")
                for name in sorted(named)
                if not (folder / name).is_file()
            ]
    for name in sorted(there):
        text = (folder / name).read_text(encoding="utf-8")
        if name not in used and not name.startswith(_OF_ADDONS):
            found.append(
                Violation(name, "", "manifests", "unused", "a chapter that names it")
            )
        if len(re.findall(r"(?m)^kind:", text)) != 1:
            found.append(Violation(name, "", "manifests", "objects", "exactly one"))
        for image in re.findall(r"(?m)^\s*-?\s*image:\s*['\"]?([^\s'\"#]+)", text):
            tag = image.rpartition("/")[2].partition(":")[2]
            if not tag or tag == "latest":
                found.append(Violation(name, "", "manifests", image, "a pinned tag"))
    return found


def in_glossary(root: Path, chapters: Iterable[Chapter]) -> list[Violation]:
    """Return the cells whose words do not lead to the glossary as they should."""
    wanted = "the links that 'k8slab book link' writes"
    return [
        Violation(chapter.path.name, cell.id, "glossary", "other links", wanted)
        for chapter in chapters
        for cell, _ in glossary.changes(chapter, root)
    ]


def in_prose(name: str, markdown: str) -> list[Violation]:
    """Return the words that belittle what a reader may find hard."""
    return [
        Violation(name, "", "prose", repr(match[0]), "a sentence without it")
        for match in WORDS.finditer(without_code(markdown))
    ]


def tracked(root: Path) -> list[Path]:
    """Return the files that git keeps or would keep.

    Raises:
        CommandFailed: The folder is not in a git repository.
    """
    listed = LocalRunner(cwd=root).run(
        [*LS_FILES, "--cached", "--others", "--exclude-standard", "-z"]
    )
    names = [name for name in listed.stdout.split("\0") if name]
    return [root / name for name in names if (root / name).is_file()]


# What ties a file to one network or one computer, whatever their names.
_TIES: dict[str, re.Pattern[str]] = {
    "a home folder": re.compile(r"(?<![\w.])/(?:home/(?!\*)[\w.-]+|Users/[\w.-]+)/\w"),
    "a private mirror": re.compile(
        r"(?i)(?:index-url|extra-index-url|goproxy|registry-mirrors?)\s*[=:]\s*"
        r"[\"']?https?://(?!registry\.lab|depot\.lab)"
    ),
    "credentials in an address": re.compile(r"https?://[^\s/@:'\"{}$]+:[^\s/@'\"]+@"),
    "a host with a port": re.compile(
        r"https?://(?!localhost|127\.0\.0\.1|depot\.lab|registry\.lab|172\.30\.|\[)"
        r"[a-z0-9.-]+:\d{2,5}\b"
    ),
}


def in_file(path: Path, root: Path) -> list[Violation]:
    """Return what a file of the repository must not be or hold."""
    name = path.relative_to(root).as_posix()
    content = path.read_bytes()

    def found() -> Iterator[tuple[str, str, str]]:
        limit = MAX_FIGURE_BYTES if "_figures/" in name else MAX_FILE_BYTES
        if len(content) > limit:
            yield "size", f"{len(content)} bytes", f"at most {limit}"
        if b"\0" in content:
            yield "binary", "a binary file", "text"
            return
        text = content.decode("utf-8", errors="replace")
        if str(root) in text:
            yield "ties", f"the path {root}", "a path inside the project"
        if name.startswith("tests/") or path.name in _TEXT:
            return  # tests name what must be refused; locks hold hashes
        for tie, pattern in _TIES.items():
            match = pattern.search(text)
            if match:
                yield "ties", f"{tie}: {match[0][:60]}", "no tie to one computer"
        for leak in secrets.leaks(text):
            yield "secrets", f"{leak.kind} on line {leak.line}", "no secret"

    return [Violation(name, "", rule, seen, wanted) for rule, seen, wanted in found()]


def in_config(root: Path) -> list[Violation]:
    """Return settings of ``_config.yml`` that would execute, or hide a failure."""
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    execute = config.get("execute", {})
    wanted = {"execute_notebooks": "off", "allow_errors": None, "stderr_output": None}
    return [
        Violation("_config.yml", "", "config", f"{key}: {execute.get(key)}", str(want))
        for key, want in wanted.items()
        if execute.get(key) != want
    ]
