"""Read a manifest, and know the lines of its paths."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ..errors import BadInput, BadManifest

FOLDER = "manifests"


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
        return range(begin + 1, _last(node) + 2)

    def line(self, path: str) -> int:
        """Return the first line of a path, or of as much of it as is there."""
        while path and _walk(self.root, path)[0] is None:
            path = path.rpartition(".")[0]
        return self.lines(path).start if path else 1


def find(name: str, start: Path | None = None) -> Path:
    """Return the file below the nearest ``manifests/`` folder, looking upwards.

    Args:
        name: The path below that folder.
        start: Where to begin; the working directory by default.

    Raises:
        BadInput: There is no such file.
    """
    here = (start or Path.cwd()).resolve()
    near: list[str] = []
    for folder in (here, *here.parents):
        candidate = folder / FOLDER / name
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
        BadManifest: It is no YAML, holds a tab, a key twice, or not one object.
    """
    name = name or path.name
    text = path.read_text(encoding="utf-8")
    try:
        nodes = list(yaml.compose_all(text, Loader=yaml.SafeLoader))
        loaded = list(yaml.safe_load_all(text))
    except yaml.MarkedYAMLError as error:
        raise _unreadable(name, text, error) from error
    full = [node for node in nodes if node is not None]
    if len(full) != 1 or not isinstance(full[0], yaml.MappingNode):
        raise bad(
            "a manifest holds one object",
            name,
            1,
            wanted="keys such as apiVersion, kind and metadata, once",
            seen=f"{len(full)} documents" if len(full) != 1 else "no keys",
        )
    for line, key in _doubled(full[0]):
        raise bad("a key stands twice", name, line, wanted=f"one {key}", seen=key)
    return Manifest(name, path, text, full[0], loaded[0])


def _walk(node: yaml.Node, path: str) -> tuple[yaml.Node | None, int]:
    """Return the node a path names, and the line, from 0, on which it begins."""
    begin = node.start_mark.line
    while path:
        if isinstance(node, yaml.SequenceNode):
            head, _, path = path.partition(".")
            if not head.isdigit() or int(head) >= len(node.value):
                return None, 0
            node = node.value[int(head)]
            begin = node.start_mark.line
            continue
        if not isinstance(node, yaml.MappingNode):
            return None, 0
        for key, value in node.value:
            rest = path.removeprefix(key.value)
            if rest != path and (not rest or rest.startswith(".")):
                node, begin, path = value, key.start_mark.line, rest[1:]
                break
        else:
            return None, 0
    return node, begin


def _last(node: yaml.Node) -> int:
    """Return the line, from 0, on which a node ends.

    The end of a block is where the next one begins, so the last word in it counts.
    """
    if isinstance(node, yaml.CollectionNode) and node.value and not node.flow_style:
        last = node.value[-1]
        return _last(last[1] if isinstance(last, tuple) else last)
    end = node.end_mark
    return end.line - (1 if end.column == 0 and end.line > node.start_mark.line else 0)


def _doubled(node: yaml.Node) -> Iterator[tuple[int, str]]:
    if isinstance(node, yaml.SequenceNode):
        for each in node.value:
            yield from _doubled(each)
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                yield key.start_mark.line + 1, str(key.value)
            seen.add(key.value)
            yield from _doubled(value)


def _unreadable(name: str, text: str, error: yaml.MarkedYAMLError) -> BadManifest:
    mark = error.problem_mark or error.context_mark
    number = mark.line if mark else 0
    lines = text.splitlines() or [""]
    line = lines[min(number, len(lines) - 1)]
    if "\t" in line[: len(line) - len(line.lstrip())] or "\\t" in str(error.problem):
        return bad(
            "YAML is indented with spaces, never with a tab",
            name,
            number + 1,
            wanted="spaces",
            seen=line.replace("\t", "<tab>"),
        )
    return bad(
        "this is not YAML",
        name,
        number + 1,
        wanted="key: value, indented alike",
        seen=f"{line.strip()} ({error.problem})",
    )


def bad(
    what: str, name: str, line: int, *, wanted: str, seen: str, next: str = ""
) -> BadManifest:
    """Return the error about one line of a manifest."""
    where = f"{FOLDER}/{name}:{line}"
    return BadManifest(what, where=where, wanted=wanted, seen=seen, next=next)


def _all(folder: Path) -> Iterable[Path]:
    return folder.glob("**/*.yaml")
