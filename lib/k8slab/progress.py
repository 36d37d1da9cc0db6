"""Remember what the reader has done of each chapter."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .core import files
from .core.env import DEFAULT_LAB, Environment
from .errors import LabError

_SHOWN = 80


@dataclass
class Done:
    """What the reader has done of one chapter.

    Attributes:
        claims: The claims that were seen to be true.
        solved: The exercises that were solved.
        tries: How often a claim of an exercise was graded in vain since it was last
            true, by ``EXERCISE: CLAIM``.
        last: The day of the latest.
    """

    claims: list[str] = field(default_factory=list)
    solved: list[str] = field(default_factory=list)
    tries: dict[str, int] = field(default_factory=dict)
    last: str = ""

    @classmethod
    def of(cls, noted: object) -> Done:
        """Return what is known of what a record notes of a chapter.

        Another version of the book may have noted more, or otherwise.
        """
        known = noted if isinstance(noted, dict) else {}
        last = known.get("last")
        return cls(
            claims=_words(known.get("claims")),
            solved=_words(known.get("solved")),
            tries=_numbers(known.get("tries")),
            last=last if isinstance(last, str) else "",
        )


def note(
    claim: str = "", *, solved: str = "", tries: tuple[str, int] | None = None
) -> None:
    """Remember a claim that is true, an exercise that is solved, or the tries of one.

    Nothing is kept outside of JupyterLab, nor when tests run a chapter. A record that
    cannot be written is no reason to stop a chapter, and `progress` tells of it. What
    another version of the book noted beside it stays.
    """
    env = Environment.read()
    if not env.notebook or not env.recorded:
        return
    try:
        file = path(env.home, env.lab)
        env.home.mkdir(parents=True, exist_ok=True)
        with files.locked(file.with_name(f".{file.name}.lock")):
            record = _load(file)
            chapter = Path(env.notebook).stem
            before, done = record.get(chapter), Done.of(record.get(chapter))
            for new, known in ((claim, done.claims), (solved, done.solved)):
                if new and new not in known:
                    known.append(new)
            if tries is not None:
                done.tries |= dict([tries])
            done.last = datetime.now(UTC).date().isoformat()
            others = before if isinstance(before, dict) else {}
            record[chapter] = {**others, **vars(done)}
            files.write(file, json.dumps(record, indent=1) + "\n")
    except (OSError, LabError):
        return


def tries(claim: str) -> int:
    """Return how often a claim of this chapter was graded in vain, as remembered.

    Where nothing is remembered, that is 0; see `note`.
    """
    env = Environment.read()
    if not env.notebook or not env.recorded:
        return 0
    try:
        done = read(path(env.home, env.lab)).get(Path(env.notebook).stem, Done())
    except LabError:
        return 0
    return done.tries.get(claim, 0)


def path(home: Path, lab: str) -> Path:
    """Return the file of a reader's record; readers on one computer have a lab each.

    Args:
        home: The folder of all labs.
        lab: The reader's lab.
    """
    return home / ("progress.json" if lab == DEFAULT_LAB else f"progress-{lab}.json")


def labs(home: Path) -> list[str]:
    """Return the labs whose readers have a record.

    Args:
        home: The folder of all labs.
    """
    named = [file.stem.partition("-")[2] for file in home.glob("progress-*.json")]
    return sorted(
        [*named, *([DEFAULT_LAB] if path(home, DEFAULT_LAB).exists() else [])]
    )


def read(file: Path) -> dict[str, Done]:
    """Return what the reader has done, by chapter.

    Args:
        file: The record, as `path` names it.

    Raises:
        LabError: The record is there and cannot be read.
    """
    return {name: Done.of(noted) for name, noted in _load(file).items()}


def _load(file: Path) -> dict[str, Any]:
    """Return a record as it is.

    Raises:
        LabError: The record is there and cannot be read.
    """
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise _unreadable(file, str(error)) from error
    if not isinstance(record, dict):
        raise _unreadable(file, f"{record!r}"[:_SHOWN])
    return record


def _unreadable(file: Path, seen: str) -> LabError:
    aside = shlex.join(["mv", str(file), f"{file}.aside"])
    return LabError(
        "the record of your progress cannot be read",
        where=str(file),
        wanted="the JSON object that this book wrote",
        seen=seen,
        next=f"put it aside, and a new one begins: {aside}",
    )


def _words(noted: object) -> list[str]:
    """Return the words of a list; none of what is no list."""
    known = noted if isinstance(noted, list) else []
    return [each for each in known if isinstance(each, str)]


def _numbers(noted: object) -> dict[str, int]:
    """Return the counts of an object; none of what is no object."""
    known = noted if isinstance(noted, dict) else {}
    return {name: n for name, n in known.items() if isinstance(n, int) and n >= 0}
