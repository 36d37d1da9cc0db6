"""Read a manifest, and know the lines of its paths."""

from __future__ import annotations

import difflib
import os
import shlex
import unicodedata
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ..errors import BadInput, BadManifest
from . import _yaml

FOLDER = "manifests"
_SUFFIXES = (".yaml", ".yml", ".json")


@dataclass(frozen=True)
class Manifest:
    """One object in a file.

    Attributes:
        name: The path below ``manifests/``.
        path: Where the file is.
        text: Its text.
        root: Its YAML nodes, which know their lines.
        data: What the YAML says.
    """

    name: str
    path: Path
    text: str
    root: yaml.MappingNode
    data: dict[str, Any]

    @property
    def kind(self) -> str:
        """The object's kind; empty when it has none."""
        return str(self.data.get("kind", ""))

    @property
    def api_version(self) -> str:
        """The object's apiVersion; empty when it has none."""
        return str(self.data.get("apiVersion", ""))

    @property
    def metadata(self) -> dict[str, Any]:
        """The object's metadata; empty when it has none."""
        return self.data.get("metadata") or {}

    def lines(self, path: str) -> range:
        """Return the line numbers, from 1, of what a dotted path names.

        Args:
            path: As in ``spec.template.spec.containers.0.image``.

        Raises:
            BadInput: There is no such path.
        """
        node, begin = _walk(self.root, path)
        if node is None:
            raise BadInput(
                f"the manifest has no {path}",
                where=self.name,
                wanted="a path with dots that is in it",
                seen=path,
            )
        # What an alias (*name) names stands above it; the line itself is meant.
        return range(begin + 1, max(_last(node), begin) + 2)

    def line(self, path: str) -> int:
        """Return the first line of a path, or of as much of it as is there."""
        while path and _walk(self.root, path)[0] is None:
            path = path.rpartition(".")[0]
        return self.lines(path).start if path else 1


def find(name: str | Path, start: Path | None = None) -> Path:
    """Return the file below the nearest ``manifests/`` folder, looking upwards.

    Args:
        name: The path below that folder.
        start: Where to begin; the working directory by default.

    Raises:
        BadInput: There is no such file.
    """
    here, name = (start or Path.cwd()).resolve(), str(name)
    near: list[str] = []
    for folder in (here, *here.parents):
        candidate = folder / FOLDER / name
        with suppress(OSError):  # of a name that is too long
            if candidate.is_file():
                return candidate
        if (folder / FOLDER).is_dir():
            known = [str(p.relative_to(folder / FOLDER)) for p in _all(folder / FOLDER)]
            near += difflib.get_close_matches(name, known, n=3)
    raise BadInput(
        "there is no such manifest",
        where=f"{FOLDER}/{name}",
        wanted=" or ".join(near) or f"a file below a folder named {FOLDER}",
        seen=name,
    )


def read(path: Path, name: str = "") -> Manifest:
    """Read a manifest as YAML; nothing of Kubernetes is checked yet.

    Raises:
        BadInput: It cannot be read.
        BadManifest: It is no YAML that kubectl reads, or not one object.
    """
    name = name or path.name
    try:
        text = _yaml.decode(*_content(path, name))
        found = _yaml.documents(text)
    except _yaml.Unreadable as error:
        raise bad(
            error.what,
            name,
            error.line,
            error.column,
            wanted=error.wanted,
            seen=error.seen,
        ) from error
    first = found[0] if found else None
    if len(found) != 1 or first is None or not isinstance(first.root, yaml.MappingNode):
        mark = found[min(1, len(found) - 1)].root.start_mark if found else None
        raise bad(
            "a manifest holds one object",
            name,
            mark.line + 1 if mark else 1,
            mark.column + 1 if mark else 1,
            wanted="keys such as apiVersion, kind and metadata, once",
            seen="no keys" if len(found) == 1 else f"{len(found)} documents",
        )
    return Manifest(name, path, text, first.root, first.data)


def _content(path: Path, name: str) -> tuple[bytes, int]:
    """Return what a file holds, as far as it can be a manifest, and its size."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            return file.read(_yaml.MAX_BYTES + 1), size
    except (FileNotFoundError, IsADirectoryError):
        raise
    except OSError as error:
        raise BadInput(
            "this manifest cannot be read",
            where=f"{FOLDER}/{name}",
            seen=error.strerror or "",
            next=f"chmod u+r {shlex.quote(str(path))}",
        ) from error


def _walk(
    node: yaml.Node, path: str, begin: int | None = None
) -> tuple[yaml.Node | None, int]:
    """Return the node a path names, and the line, from 0, on which it begins.

    A key may hold dots itself, as ``app.kubernetes.io/name`` does beside ``app``, so
    every key that the path can begin with is tried, the longest first.
    """
    begin = node.start_mark.line if begin is None else begin
    if not path:
        return node, begin
    if isinstance(node, yaml.SequenceNode):
        head, _, rest = path.partition(".")
        if head.isdigit() and int(head) < len(node.value):
            return _walk(node.value[int(head)], rest)
    if isinstance(node, yaml.MappingNode):
        fitting = [
            (key, value)
            for key, value in node.value
            if path == str(key.value) or path.startswith(f"{key.value}.")
        ]
        fitting.sort(key=lambda pair: -len(str(pair[0].value)))
        for key, value in fitting:
            rest = path[len(str(key.value)) + 1 :]
            found = _walk(value, rest, key.start_mark.line)
            if found[0] is not None:
                return found
    return None, 0


def _last(node: yaml.Node) -> int:
    """Return the line, from 0, on which a node ends.

    The end of a block is where the next one begins, so the last word in it counts.
    """
    if isinstance(node, yaml.CollectionNode) and node.value and not node.flow_style:
        last = node.value[-1]
        return _last(last[1] if isinstance(last, tuple) else last)
    end = node.end_mark
    return end.line - (1 if end.column == 0 and end.line > node.start_mark.line else 0)


def bad(
    what: str,
    name: str,
    line: int,
    column: int = 0,
    *,
    wanted: str,
    seen: str,
    next: str = "",
) -> BadManifest:
    """Return the error about one place in a manifest; a column of 0 is not told."""
    what, seen = _visible(what), _visible(seen)
    where = f"{FOLDER}/{name}:{line}" + (f":{column}" if column else "")
    return BadManifest(what, where=where, wanted=wanted, seen=seen, next=next)


def _visible(text: str) -> str:
    """Return a text in which signs that nobody sees have a name."""
    return "".join(
        f"<U+{ord(each):04X}>"
        if unicodedata.category(each) in ("Cf", "Zs", "Zl", "Zp") and each != " "
        else each
        for each in text
    )


def _all(folder: Path) -> Iterable[Path]:
    return (each for each in folder.glob("**/*") if each.suffix in _SUFFIXES)
