"""Read a file as the YAML that kubectl reads: its documents, or where it is none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from ._loader import Loader

MAX_BYTES = 3_000_000
"""More than any API server takes in one request."""
MAX_NODES = 200_000
"""Of a file, and of what its aliases unfold to: kubectl refuses excessive aliasing."""
_WORD = 32
"""A text weighs one such value more for each so many of its signs."""
MAX_DEPTH = 100
SHOWN = 80
"""So many signs of a line are shown."""
_BOM = "\ufeff"
_HALVES = re.compile(
    r"(?<!\\)((?:\\\\)*)\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})", re.I
)
# kubectl splits a file at these lines before it reads it as YAML.
_SEPARATOR = re.compile(r"^---[^\S\n]*([^\s#])", re.M)
_SLASH = re.compile(r"(?<!\\)(?:\\\\)*(\\/)")
_TEXT = "tag:yaml.org,2002:str"
_STRANGE = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
)


class Unreadable(Exception):
    """A file that is no YAML, or none that kubectl would take.

    Args:
        what: What is wrong.
        line: Its line, from 1.
        column: Its column, from 1.
        wanted: What would be right.
        seen: What is there.
    """

    def __init__(
        self, what: str, line: int, column: int, *, wanted: str, seen: str
    ) -> None:
        super().__init__(what)
        self.what = what
        self.line = line
        self.column = column
        self.wanted = wanted
        self.seen = seen


@dataclass(frozen=True)
class Document:
    """One document of a file.

    Attributes:
        root: Its YAML nodes, which know their lines.
        data: What it says.
    """

    root: yaml.Node
    data: Any


def decode(content: bytes, size: int = 0) -> str:
    """Return the text of a file.

    Args:
        content: What it holds, or the first bytes of it when it is too large.
        size: How many bytes it has, when ``content`` may be but a part.

    Raises:
        Unreadable: It is too large, another encoding than UTF-8, or holds a sign that
            no text has.
    """
    size = max(size, len(content))
    if size > MAX_BYTES:
        raise Unreadable(
            "this file is too large for a manifest",
            1,
            1,
            wanted=f"at most {MAX_BYTES / 1e6:g} MB",
            seen=f"{size / 1e6:.1f} MB",
        )
    if content[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in content[:4]:
        raise _encoding(1, 1, "UTF-16 or UTF-32, as some editors of Windows save it")
    try:
        text = content.decode("utf-8").removeprefix(_BOM)
    except UnicodeDecodeError as error:
        line, column = _place(content[: error.start].decode("utf-8"))
        raise _encoding(line, column, f"the byte {content[error.start]:#x}") from error
    strange = _STRANGE.search(text)
    if strange is not None:
        line, column = _place(text[: strange.start()])
        raise Unreadable(
            "a manifest holds no control characters",
            line,
            column,
            wanted="text; in double quotes such a sign is written \\x1b",
            seen=f"the sign U+{ord(strange[0]):04X}",
        )
    return text


def documents(text: str) -> list[Document]:
    """Return the documents of a text that say something.

    Raises:
        Unreadable: It is no YAML that kubectl reads, or too large.
    """
    is_json = text.lstrip()[:1] == "{"
    if is_json:  # which writes some signs in two halves
        text = _HALVES.sub(_joined, text)
    else:
        _refuse_separator(text)
    try:
        has_aliases = _scan(text, is_json)
        loader = Loader(text)
        try:
            found = list(_documents(loader, has_aliases))
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        raise _marked(text, error) from error
    except yaml.YAMLError as error:
        raise Unreadable(
            "this is not YAML", 1, 1, wanted="key: value", seen=str(error)[:SHOWN]
        ) from error
    except (ValueError, TypeError) as error:
        raise Unreadable(
            "a value in this file cannot be read",
            1,
            1,
            wanted="numbers, texts, lists and keys",
            seen=str(error)[:SHOWN],
        ) from error
    return found


def _joined(match: re.Match[str]) -> str:
    """Return an escape of YAML for two of JSON that are one sign together."""
    high, low = int(match[2], 16), int(match[3], 16)
    sign = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)
    return f"{match[1]}\\U{sign:08x}"


def _refuse_separator(text: str) -> None:
    """Refuse content behind ``---``, and a text with a line that begins so."""
    found = _SEPARATOR.search(text)
    if found is not None:
        line, column = _place(text[: found.start(1)])
        raise Unreadable(
            "the separator --- stands alone on its line",
            line,
            column,
            wanted="--- alone, and the object below it",
            seen=text.split("\n")[line - 1].strip()[:SHOWN],
        )


def _scan(text: str, is_json: bool) -> bool:
    """Refuse what nobody can read in time, and what kubectl does not read.

    Returns:
        Whether there are aliases.
    """
    depth = nodes = 0
    has_aliases = False
    for event in yaml.parse(text, Loader=Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise _deep(event.start_mark)
        if isinstance(event, yaml.NodeEvent):
            nodes += 1
            has_aliases |= isinstance(event, yaml.AliasEvent)
        if nodes > MAX_NODES:
            raise _large("this manifest has too many values", event.start_mark, "more")
        if isinstance(event, yaml.DocumentStartEvent):
            _refuse_directives(text, event)
        if isinstance(event, yaml.ScalarEvent) and not is_json:
            _refuse_slash(text, event)
    return has_aliases


def _refuse_directives(text: str, event: Any) -> None:
    if event.version or event.tags:
        mark = event.start_mark
        raise Unreadable(
            "kubectl reads no directives",
            mark.line + 1,
            mark.column + 1,
            wanted="the object, or --- above it",
            seen=text.splitlines()[mark.line].strip()[:SHOWN],
        )


def _refuse_slash(text: str, event: Any) -> None:
    """Refuse an escape that libyaml takes, and kubectl in JSON alone."""
    if event.style != '"' or "/" not in event.value:
        return
    begin = event.start_mark.index
    found = _SLASH.search(text[begin : event.end_mark.index])
    if found is not None:
        line, column = _place(text[: begin + found.start(1)])
        raise Unreadable(
            "\\/ is an escape of JSON alone", line, column, wanted="/", seen="\\/"
        )


def _documents(loader: Any, has_aliases: bool) -> Iterator[Document]:
    while loader.check_node():
        node = loader.get_node()
        if node.tag == "tag:yaml.org,2002:null":
            continue
        if has_aliases:
            _measure(node, 0, {}, set())
        _settle_keys(loader, node, set())
        yield Document(node, _plain(loader.construct_document(node)))


def _plain(value: Any) -> Any:
    """Return a value as the JSON that kubectl sends: 3.0 is 3."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if value is None or isinstance(value, str | int):
        return value
    raise TypeError(f"a {type(value).__name__} is nothing that JSON has")


def _key(key: Any) -> str:
    """Return a key as the text that kubectl makes of it."""
    if isinstance(key, bytes):
        return key.decode("utf-8", "replace")
    if isinstance(key, float):
        return f"{key:g}"
    return str(key).lower() if isinstance(key, bool) else str(key)


def _measure(
    node: yaml.Node, depth: int, known: dict[int, int], above: set[int]
) -> int:
    """Return how many nodes a node unfolds to, each alias counted where it stands."""
    if id(node) in known:
        return known[id(node)]
    if id(node) in above or depth > MAX_DEPTH:
        raise _deep(node.start_mark)
    # A long text weighs more, for each alias writes all of it again.
    size = 1 + (len(node.value) // _WORD if isinstance(node, yaml.ScalarNode) else 0)
    for each in _below(node):
        size += _measure(each, depth + 1, known, above | {id(node)})
    if size > MAX_NODES:
        seen = f"{size:.3g} values" if size > 1e9 else f"{size} values"
        what = "aliases (*name) make this manifest too large"
        raise _large(what, node.start_mark, seen)
    known[id(node)] = size
    return size


def _settle_keys(loader: Any, node: yaml.Node, seen: set[int]) -> None:
    """Make all keys text, of which JSON's are made; refuse what cannot be one.

    Python would have ``1`` and ``true`` for one key. Refused are keys that stand twice,
    and those that are no word.
    """
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        keys: set[str] = set()
        for place, (key, value) in enumerate(node.value):
            word, mark = key.value, key.start_mark
            is_word = isinstance(key, yaml.ScalarNode)
            if not is_word or key.tag == "tag:yaml.org,2002:null":
                raise Unreadable(
                    "a key is text or a number",
                    mark.line + 1,
                    mark.column + 1,
                    wanted="a word; null in quotes, 'null', is one",
                    seen=(word[:SHOWN] or "nothing") if is_word else f"a {key.id}",
                )
            if key.tag not in (_TEXT, "tag:yaml.org,2002:merge"):
                word = _key(loader.construct_object(key))
                text = yaml.ScalarNode(_TEXT, word, mark, key.end_mark)
                node.value[place] = (text, value)
            if word in keys and word != "<<":
                raise Unreadable(
                    "a key stands twice",
                    mark.line + 1,
                    mark.column + 1,
                    wanted=f"one {word[:SHOWN]}",
                    seen=key.value[:SHOWN],
                )
            keys.add(word)
    for each in _below(node):
        _settle_keys(loader, each, seen)


def _below(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.SequenceNode):
        yield from node.value
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield key
            yield value


def _marked(text: str, error: yaml.MarkedYAMLError) -> Unreadable:
    mark = error.problem_mark or error.context_mark
    number = mark.line if mark else 0
    column = mark.column + 1 if mark else 1
    lines = text.splitlines() or [""]
    line = lines[min(number, len(lines) - 1)]
    for at in (number, number - 1):  # a key that has no value is missed a line later
        if 0 <= at < len(lines) and "\u00a0" in lines[at]:
            where = lines[at].index("\u00a0") + 1
            return Unreadable(
                "a no-break space is no blank, as some web pages have them",
                at + 1,
                where,
                wanted="plain spaces",
                seen=_around(lines[at], where),
            )
    if "\t" in line[: len(line) - len(line.lstrip())] or "\\t" in str(error.problem):
        return Unreadable(
            "YAML is indented with spaces, never with a tab",
            number + 1,
            column,
            wanted="spaces",
            seen=_around(line, column).replace("\t", "<tab>")[:SHOWN],
        )
    return Unreadable(
        "this is not YAML",
        number + 1,
        column,
        wanted="key: value, indented alike",
        seen=f"{_around(line, column).strip()} ({str(error.problem)[:SHOWN]})",
    )


def _around(line: str, column: int) -> str:
    """Return what stands about a column, from 1, of a line."""
    begin = max(0, min(column - 1 - SHOWN // 2, len(line) - SHOWN))
    return line[begin : begin + SHOWN]


def _deep(mark: Any) -> Unreadable:
    return Unreadable(
        "this manifest is nested without end",
        mark.line + 1,
        mark.column + 1,
        wanted=f"at most {MAX_DEPTH} levels, and no alias inside of what it names",
        seen="more",
    )


def _large(what: str, mark: Any, seen: str) -> Unreadable:
    return Unreadable(
        what,
        mark.line + 1,
        mark.column + 1,
        wanted=f"at most {MAX_NODES} values in all",
        seen=seen,
    )


def _encoding(line: int, column: int, seen: str) -> Unreadable:
    return Unreadable(
        "a manifest is UTF-8 text", line, column, wanted="UTF-8", seen=seen
    )


def _place(before: str) -> tuple[int, int]:
    """Return line and column, from 1, of what stands behind a text."""
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
