"""Let ``.venv`` follow a clone that was moved or copied: its programs name their place.

Run by ``make`` with the Python of ``.venv`` before anything of it is used, so it needs
nothing but that Python.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

_PROGRAM = "k8slab"
_PLACE = re.compile(rb"""^(?:#!|'''exec' ")(/[^\n]*)/bin/python[0-9.]*[" \n]""", re.M)
_SHEBANG = re.compile(rb"\A#!([^\n]*/bin/python[0-9.]*)\n")
_LONGEST = 127
"""Of a first line that the kernel reads whole."""
_NAMING = (
    "bin/*",
    "pyvenv.cfg",
    "share/jupyter/kernels/*/kernel.json",
    "share/k8slab/bin/*",
    "lib/python*/site-packages/*.pth",
    "lib/python*/site-packages/__editable__*",
    "lib/python*/site-packages/*.dist-info/direct_url.json",
)


def place(venv: Path) -> Path | None:
    """Return where the programs of a virtual environment think they are."""
    try:
        found = _PLACE.search((venv / "bin" / _PROGRAM).read_bytes()[:1000])
    except FileNotFoundError:
        return None
    return Path(os.fsdecode(found[1])) if found else None


def follow(venv: Path) -> Path | None:
    """Let a virtual environment follow its clone; return from where, if it moved.

    Args:
        venv: The folder, where it is now.
    """
    old = place(venv)
    if old is None or os.path.realpath(old) == os.path.realpath(venv):
        return None
    # Last the program, by which a move is known: what was ended half way goes on then.
    program = venv / "bin" / _PROGRAM
    for file in sorted(_files(venv), key=lambda file: file == program):
        before = file.read_bytes()
        after = _moved(before, old, venv)
        if after != before:
            _replace(file, after)
    return old


def _replace(file: Path, content: bytes) -> None:
    """Give a file another content, whole or not at all."""
    draft = file.with_name(f".{file.name}.draft")
    draft.write_bytes(content)
    draft.chmod(file.stat().st_mode)
    draft.replace(file)


def _files(venv: Path) -> Iterator[Path]:
    """Yield the texts that name the place."""
    for pattern in _NAMING:
        for file in venv.glob(pattern):
            is_own = file.is_file() and not file.is_symlink()
            if is_own and b"\0" not in file.read_bytes()[:1000]:
                yield file


def _moved(text: bytes, old: Path, new: Path) -> bytes:
    # The environment first: its clone's folder is the beginning of its name.
    for was, now in ((old, new), (old.parent, new.parent)):
        text = re.sub(
            re.escape(os.fsencode(was)) + rb"(?=[/\"'\s]|\Z)",
            lambda _, now=now: os.fsencode(now),  # type: ignore[misc]
            text,
        )
    first = _SHEBANG.match(text)
    if first and (b" " in first[1] or len(first[0]) > _LONGEST):
        head = b"#!/bin/sh\n'''exec' \"" + first[1] + b'" "$0" "$@"\n\' \'\'\'\n'
        text = head + text[first.end() :]
    return text


if __name__ == "__main__":
    moved_from = follow(Path(os.path.abspath(sys.argv[1])))
    if moved_from is not None:
        sys.stderr.write(f"this clone was at {moved_from.parent}: .venv follows\n")
