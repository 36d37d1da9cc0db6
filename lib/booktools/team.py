"""Hand on what a reader has done, and lay several readers side by side."""

from __future__ import annotations

import errno
import getpass
import html
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from k8slab.core import files, outside
from k8slab.core.env import DEFAULT_LAB
from k8slab.core.hints import command
from k8slab.core.rendered import Rendered
from k8slab.errors import BadInput

from .progress import Row

SCHEMA = 1
_NEXT = {
    **dict.fromkeys(
        (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST),
        "name a file in a folder that is there",
    ),
    **dict.fromkeys(
        (errno.EACCES, errno.EPERM, errno.EROFS),
        "name a file in a folder that you can write to",
    ),
}
"""What to do about an error of the system that the name of the file mends."""


@dataclass(frozen=True)
class Learner:
    """One reader, and how far that reader is.

    Attributes:
        name: The reader's name.
        rows: The chapters of the reader's book.
    """

    name: str
    rows: tuple[Row, ...]

    @property
    def last(self) -> str:
        """The day of the latest activity; or empty."""
        return max((row.last for row in self.rows), default="")


def export(file: Path, rows: Sequence[Row], *, name: str) -> None:
    """Write what a reader has done into a file that a lead can collect.

    It holds the chapters, the numbers of claims, the exercises and the days, and
    nothing of the lab.

    Args:
        file: The file to write.
        rows: The chapters and what was done of each.
        name: The reader's name; see `learner`.

    Raises:
        BadInput: The file cannot be written, or the name cannot be shown.
    """
    if not name.isprintable():
        raise BadInput(
            "that cannot be a learner's name",
            wanted="text in UTF-8, on one line",
            seen=repr(name),
            next="give it by --learner NAME",
        )
    told = {
        "schema": SCHEMA,
        "learner": name,
        "chapters": [asdict(row) for row in rows],
    }
    _write(file, json.dumps(told, indent=1) + "\n")


def publish(file: Path, shown: Rendered) -> None:
    """Write a table as a page; see `page`.

    Args:
        file: The file to write.
        shown: The table.

    Raises:
        BadInput: The file cannot be written.
    """
    _write(file, page(shown))


def learner(lab: str) -> str:
    """Return the name of a lab's reader: the lab's own, where it has one.

    Readers on one computer have a lab each, and may share a login.
    """
    return lab if lab != DEFAULT_LAB else _login()


def _login() -> str:
    """Return the login's name; its number where the system knows no name for it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # which of them depends on Python's version
        return f"user {os.getuid()}"


def collect(paths: Sequence[Path]) -> list[Learner]:
    """Read what readers exported, the readers by name.

    Raises:
        BadInput: A file is missing, or was not written by `export`.
    """
    return sorted(map(_read, paths), key=lambda learner: learner.name.casefold())


def table(learners: Sequence[Learner]) -> Rendered:
    """Lay readers against chapters: claims seen, exercises solved, the latest day."""
    titles: dict[str, str] = {}
    for learner in learners:
        titles |= {row.name: row.title for row in learner.rows}
    heads = ["learner", *titles, "last activity"]
    body = []
    for learner in learners:
        known = {row.name: _cell(row) for row in learner.rows}
        cells = [known.get(name, "") for name in titles]
        body.append([learner.name, *cells, learner.last or "never"])
    widths = [max(map(len, column)) for column in zip(heads, *body, strict=True)]
    lines = [
        "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip()
        for row in [heads, *body]
    ]
    lines.append("in each cell: claims checked of all, exercises solved of all")
    return Rendered("\n".join(lines), _html(heads, body, titles))


def page(shown: Rendered) -> str:
    """Return a table as one HTML page that needs nothing else."""
    style = (
        "body{font-family:system-ui,sans-serif;margin:2em;color-scheme:light dark}"
        "table{border-collapse:collapse}th,td{border:1px solid #8888;padding:.3em .6em;"
        "text-align:left}"
    )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        f"<title>Progress</title><style>{style}</style><h1>Progress</h1>"
        f"{shown.html}</html>\n"
    )


def _write(file: Path, text: str) -> None:
    try:
        files.write(file, text, mode=0o644)
    except OSError as error:
        raise BadInput(
            "the progress cannot be written",
            where=str(file),
            seen=error.strerror or str(error),
            next=_NEXT.get(error.errno or 0) or outside.ours(error).next,
        ) from error


def _cell(row: Row) -> str:
    solved = f"{len(row.solved)}/{len(row.exercises)}"
    return f"{row.sign} {row.seen}/{row.claims} {solved}"


def _html(heads: list[str], body: list[list[str]], titles: dict[str, str]) -> str:
    head = "".join(
        f'<th title="{html.escape(titles.get(each, each))}">{html.escape(each)}</th>'
        for each in heads
    )
    rows = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
        for row in body
    )
    return (
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        "<p>In each cell: claims checked of all, exercises solved of all.</p>"
    )


def _read(path: Path) -> Learner:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        if told["schema"] != SCHEMA:
            raise ValueError(f"schema {told['schema']}")
        return Learner(_text(told, "learner"), tuple(map(_row, told["chapters"])))
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadInput(
            "this is not the exported progress of a reader",
            where=str(path),
            wanted="a file that the learner's own command wrote",
            seen=f"{type(error).__name__}: {error}",
            next=command("progress", DEFAULT_LAB, "--export FILE"),
        ) from error


def _row(told: dict[str, Any]) -> Row:
    """Return a chapter as it was exported; what a newer version adds is left out."""
    return Row(
        name=_text(told, "name"),
        title=_text(told, "title"),
        minutes=_number(told, "minutes"),
        claims=_number(told, "claims"),
        seen=_number(told, "seen"),
        exercises=_words(told, "exercises"),
        solved=_words(told, "solved"),
        last=_text(told, "last"),
    )


def _text(told: dict[str, Any], key: str) -> str:
    if not isinstance(told[key], str):
        raise TypeError(f"{key}: {told[key]!r}, which is no text")
    if not told[key].isprintable():
        raise ValueError(f"{key}: {told[key]!r}, which cannot be shown")
    return str(told[key])


def _number(told: dict[str, Any], key: str) -> int:
    if type(told[key]) is not int:
        raise TypeError(f"{key}: {told[key]!r}, which is no whole number")
    return int(told[key])


def _words(told: dict[str, Any], key: str) -> tuple[str, ...]:
    words = told[key]
    if not isinstance(words, list) or not all(isinstance(each, str) for each in words):
        raise TypeError(f"{key}: {words!r}, which is no list of words")
    return tuple(words)
