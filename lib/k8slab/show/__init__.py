"""Draw what is there: manifests, tables and pictures, as text and as HTML alike."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from os import PathLike, fspath
from pathlib import Path as _Path
from typing import Any

from pygments import highlight as _paint
from pygments.formatters import HtmlFormatter
from pygments.lexers import YamlLexer
from pygments.style import Style
from pygments.token import Comment, Literal, Name, Number, Punctuation, String

from ..core import given
from ..core.rendered import Rendered
from ..draw import arrivals as _arrivals
from ..draw import bars as _bars
from ..draw import matrix as _matrix
from ..draw import scaling as _scaling
from ..draw import timeline as _timeline
from ..draw.topology import draw
from ..errors import BadInput, LabMissing
from ..kube import current
from ..kube.cluster import Cluster
from ..kube.namespace import Namespace
from ..probe._series import Requests
from ..record import Recording, Scaling
from . import _judge as _judge
from . import _manifest as _manifest

_MARKED = "background: rgba(255, 190, 0, 0.22); display: inline-block; min-width: 100%"


class _Tones(Style):
    """Tones that can be read on a light and on a dark ground."""

    background_color = "transparent"
    highlight_color = "transparent"
    styles = {  # noqa: RUF012 - pygments reads a plain dict
        Comment: "italic #7d7d7d",
        Name.Tag: "#2878b5",
        Literal: "#a0662a",
        String: "#a0662a",
        Number: "#8a5cc7",
        Punctuation: "#7d7d7d",
    }


def manifest(
    path: str | _Path, highlight: str | Sequence[str] = (), *, check: bool | None = None
) -> Rendered:
    """Show a manifest with its line numbers, some paths marked.

    Args:
        path: The file, below the book's ``manifests/`` folder.
        highlight: Paths with dots, as in ``spec.selector``.
        check: Refuse what Kubernetes would refuse; by default every manifest but
            those named ``….broken.yaml``. An API server judges when there is one.

    Raises:
        BadInput: That is no path, or there is no such file, or no such path in it.
        BadManifest: Kubernetes would refuse it.
    """
    paths = given.texts("highlight", highlight, "paths with dots, as spec.selector")
    path = _path(path)
    found = _manifest.read(_manifest.find(path), path)
    if check is None:
        check = ".broken." not in path
    if check:
        _judge.check(found, _cluster())
    marked = {number for each in paths for number in found.lines(each)}
    lines = found.text.rstrip("\n").splitlines()
    width = len(str(len(lines)))
    plain = [f"# {_manifest.FOLDER}/{path}"]
    for number, line in enumerate(lines, start=1):
        mark = ">" if number in marked else " "
        plain.append(f"{mark} {number:>{width}} │ {line}".rstrip())
    return Rendered("\n".join(plain), _manifest_html(path, lines, marked))


def validate(path: str | _Path) -> None:
    """Refuse a manifest that Kubernetes would refuse, and print nothing.

    Args:
        path: The file, below the book's ``manifests/`` folder.

    Raises:
        BadInput: That is no path, or there is no such file.
        BadManifest: Kubernetes would refuse it.
    """
    path = _path(path)
    _judge.check(_manifest.read(_manifest.find(path), path), _cluster())


def table(records: Sequence[Any], columns: str | Sequence[str] = ()) -> Rendered:
    """Show records as a table.

    Args:
        records: Dataclass instances or mappings.
        columns: The fields to show, in order; all by default.

    Raises:
        BadInput: These are no records, or one of them has no such field.
    """
    records = _several(records)
    names = given.texts("columns", columns, 'names of fields, as ["name", "node"]')
    names = names or (_fields(records[0]) if records else [])
    rows = [[_cell(record, name) for name in names] for record in records]
    heads = [name.replace("_", " ") for name in names]
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    text = "\n".join(
        "  ".join(
            cell.ljust(width) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in [[head.upper() for head in heads], *rows]
    )
    head = "".join(f"<th>{html.escape(each)}</th>" for each in heads)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    return Rendered(
        text or "nothing",
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>",
    )


def topology(source: Cluster | Namespace) -> Rendered:
    """Draw the lab's machines with the Pods on them.

    Args:
        source: A namespace, or the cluster for the Pods of all namespaces.

    Raises:
        BadInput: It cannot be drawn of that.
    """
    _known_as(source, Namespace | Cluster, "a namespace, or the cluster")
    if isinstance(source, Namespace):
        return draw(source.cluster.nodes(), source.pods(), source.where)
    return draw(source.nodes(), source.pods(), source.where)


def timeline(
    recording: Recording, title: str = "From a wish to a ready Pod"
) -> Rendered:
    """Draw what `record.changes` heard, a row for each step with its time.

    Args:
        recording: The recording.
        title: What the picture is of.

    Raises:
        BadInput: It cannot be drawn of that.
    """
    _known_as(recording, Recording, "what record.changes recorded")
    return _timeline.draw(recording.steps, _titled(title))


def bars(
    counts: Requests | Mapping[str, int], title: str = "Requests by Pod"
) -> Rendered:
    """Draw how often each Pod answered, or any other counts, as bars.

    Args:
        counts: What `probe.echoes` returned, or numbers by name.
        title: What is counted.

    Raises:
        BadInput: It cannot be drawn of that.
    """
    if isinstance(counts, Requests):
        return _bars.draw(counts.pods, _titled(title), failed=len(counts.failures))
    _known_as(counts, Mapping, "numbers by name, or what probe.echoes returned")
    _counts(counts)
    return _bars.draw({str(k): v for k, v in counts.items()}, _titled(title))


def matrix(
    counts: Mapping[str, Mapping[str, int]], title: str, *, unit: str = "row"
) -> Rendered:
    """Draw counts by row and column; where nothing is left, the cell says so.

    Args:
        counts: For each row its count by column; all rows have the same columns.
        title: What is counted.
        unit: What one of it is called.

    Raises:
        BadInput: These are no counts, or rows have other columns.
    """
    _known_as(counts, Mapping, "counts by row and column")
    # A Counter answers 0 for what it has not counted.
    fixed = [row for row in counts.values() if not hasattr(row, "__missing__")]
    if len({frozenset(_columns(row)) for row in fixed}) > 1:
        raise BadInput(
            "the rows of these counts have other columns",
            wanted="the same columns in every row",
            seen="; ".join(f"{n}: {', '.join(map(str, r))}" for n, r in counts.items()),
        )
    columns = dict.fromkeys(name for row in counts.values() for name in _columns(row))
    named = {
        str(row): {str(column): cells[column] for column in columns}
        for row, cells in counts.items()
    }
    return _matrix.draw(named, _titled(title), unit=unit)


def requests(record: Requests, title: str = "Requests by time") -> Rendered:
    """Draw when each request was sent, and which Pod answered it.

    Args:
        record: The requests, as of `probe.asking`.
        title: What was asked.

    Raises:
        BadInput: It cannot be drawn of that.
    """
    _known_as(record, Requests, "requests, as of probe.asking")
    return _arrivals.draw(record, _titled(title))


def scaling(story: Scaling, title: str = "Load, CPU and Pods by time") -> Rendered:
    """Draw how an autoscaler followed the load, as `record.scaling` recorded it.

    Args:
        story: What was recorded.
        title: What the picture is of.

    Raises:
        BadInput: It cannot be drawn of that.
    """
    _known_as(story, Scaling, "what record.scaling recorded")
    return _scaling.draw(story, _titled(title))


def _cluster() -> Cluster | None:
    try:
        return current.current()
    except LabMissing:
        return None


def _path(path: object) -> str:
    """Return a manifest's path, or the one that a command printed; refuse others."""
    name = fspath(path) if isinstance(path, PathLike) else path
    return given.text("path", name, "a file below manifests/, as web/pod-a.yaml")


def _manifest_html(path: str, lines: list[str], marked: set[int]) -> str:
    formatter: Any = HtmlFormatter(style=_Tones, noclasses=True, nowrap=True)
    painted = _paint("\n".join(lines) + "\n", YamlLexer(stripnl=False), formatter)
    width = len(str(len(lines)))
    rows = []
    for number, line in enumerate(painted.rstrip("\n").split("\n"), start=1):
        shown = f'<span style="opacity: 0.6">{number:>{width}}</span>  {line}'
        if number in marked:
            shown = f'<mark style="color: inherit; {_MARKED}">{shown}</mark>'
        rows.append(shown)
    name = html.escape(f"{_manifest.FOLDER}/{path}")
    return (
        f'<figure style="margin: 0.5em 0"><figcaption><code>{name}</code></figcaption>'
        '<pre style="line-height: 1.45; overflow-x: auto; color: inherit; '
        'background: transparent">' + "\n".join(rows) + "</pre></figure>"
    )


def _several(records: Any) -> list[Any]:
    """Return the records of a table; refuse what is one, or none."""
    single = isinstance(records, str | Mapping) or is_dataclass(records)
    if single or not isinstance(records, Iterable):
        raise BadInput(
            "a table is drawn of several records",
            wanted="a list, as ns.pods() returns one",
            seen=f"a {type(records).__name__}",
            next="call it, with ()"
            if callable(records)
            else "put [ and ] around one record; of a list of the API take its items",
        )
    return list(records)


def _counts(counts: Mapping[Any, Any]) -> None:
    """Refuse counts that are no numbers."""
    for name, number in counts.items():
        is_number = isinstance(number, int | float) and not isinstance(number, bool)
        if not is_number or not 0 <= number < float("inf"):
            raise BadInput(
                f"{name} is no count",
                wanted="a number, 0 or more",
                seen=f"{number!r} ({type(number).__name__})",
            )


def _columns(row: Any) -> list[str]:
    """Return the columns of a row of counts."""
    _known_as(row, Mapping, "counts by row and column")
    _counts(row)
    return list(row)


def _titled(title: object) -> str:
    """Return a picture's title; refuse what is no text."""
    return given.text("title", title, "what the picture is of")


def _known_as(value: Any, kinds: Any, wanted: str) -> None:
    """Refuse what is nothing that this picture can be drawn of."""
    given.of_kind(value, kinds, "that cannot be drawn", wanted=wanted)


def _fields(record: Any) -> list[str]:
    if is_dataclass(record):
        return [field.name for field in fields(record)]
    if isinstance(record, Mapping):
        return list(map(str, record))
    raise BadInput(
        "a table does not know the fields of such a record",
        wanted="a record of this book, or a mapping; or columns that name the fields",
        seen=f"a {type(record).__name__}",
    )


def _known(record: Any) -> str:
    """Name the fields of a record, of which any other object has none that we know."""
    if is_dataclass(record) or isinstance(record, Mapping):
        return f"one of {', '.join(map(str, _fields(record)))}"
    return f"an attribute of {type(record).__name__}"


def _key(record: Mapping[Any, Any], name: str) -> Any:
    """Return the key of a column, which may be a number; a Counter has all others."""
    return next((key for key in record if str(key) == name), name)


def _cell(record: Any, name: str) -> str:
    try:
        value = (
            record[_key(record, name)]
            if isinstance(record, Mapping)
            else getattr(record, name)
        )
    except (KeyError, AttributeError) as error:
        raise BadInput(
            "a record has no such field",
            wanted=_known(record),
            seen=name,
        ) from error
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        pairs = sorted(value.items(), key=str)
        return ", ".join(f"{key}={each}" for key, each in pairs)
    if isinstance(value, tuple | list | frozenset):
        return ", ".join(map(str, value))
    return str(value)
