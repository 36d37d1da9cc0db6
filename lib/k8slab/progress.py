"""Remember what the reader has done of each chapter."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from .core import files
from .core.env import DEFAULT_LAB, Environment
from .errors import LabError


@dataclass
class Done:
    """What the reader has done of one chapter.

    Attributes:
        claims: The claims that were seen to be true.
        solved: The exercises that were solved.
        tries: How often an exercise was graded in vain since it was last solved.
        last: The day of the latest.
    """

    claims: list[str] = field(default_factory=list)
    solved: list[str] = field(default_factory=list)
    tries: dict[str, int] = field(default_factory=dict)
    last: str = ""


def note(
    claim: str = "", *, solved: str = "", tries: tuple[str, int] | None = None
) -> None:
    """Remember a claim that is true, an exercise that is solved, or the tries of one.

    Nothing is kept outside of JupyterLab, nor when tests run a chapter. A record that
    cannot be written is no reason to stop a chapter, and `progress` tells of it.
    """
    env = Environment.read()
    if not env.notebook or not env.recorded:
        return
    try:
        file = path(env.home, env.lab)
        env.home.mkdir(parents=True, exist_ok=True)
        with files.locked(file.with_name(f".{file.name}.lock")):
            record = read(file)
            done = record.setdefault(Path(env.notebook).stem, Done())
            for new, known in ((claim, done.claims), (solved, done.solved)):
                if new and new not in known:
                    known.append(new)
            if tries is not None:
                done.tries |= dict([tries])
            done.last = datetime.now(UTC).date().isoformat()
            known_now = {name: vars(each) for name, each in record.items()}
            text = json.dumps(known_now, indent=1) + "\n"
            files.write(file, text)
    except (OSError, LabError):
        return


def tries(exercise: str) -> int:
    """Return how often an exercise of this chapter was graded in vain, as remembered.

    Where nothing is remembered, that is 0; see `note`.
    """
    env = Environment.read()
    if not env.notebook or not env.recorded:
        return 0
    try:
        done = read(path(env.home, env.lab)).get(Path(env.notebook).stem, Done())
    except LabError:
        return 0
    return done.tries.get(exercise, 0)


def path(home: Path, lab: str) -> Path:
    """Return the file of a reader's record; readers on one computer have a lab each.

    Args:
        home: The folder of all labs.
        lab: The reader's lab.
    """
    return home / ("progress.json" if lab == DEFAULT_LAB else f"progress-{lab}.json")


def read(file: Path) -> dict[str, Done]:
    """Return what the reader has done, by chapter.

    Args:
        file: The record, as `path` names it.

    Raises:
        LabError: The record is there and cannot be read.
    """
    try:
        known = json.loads(file.read_text(encoding="utf-8"))
        return {name: Done(**done) for name, done in known.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, AttributeError) as error:
        raise LabError(
            "the record of your progress cannot be read",
            where=str(file),
            wanted="the JSON that this book wrote",
            seen=str(error),
            next="remove the file, and begin a new record",
        ) from error
