"""Draw counts by row and column, so that what was lost stands out from what is kept."""

from __future__ import annotations

import html
from collections.abc import Mapping

from ..core.rendered import Rendered
from .svg import BAD, GOOD, frame, words

_LABEL, _WIDE, _ROW, _HEAD = 170, 150, 36, 62


def draw(counts: Mapping[str, Mapping[str, int]], title: str, *, unit: str) -> Rendered:
    """Draw a cell for each count; one of zero is dashed and marked as lost.

    Args:
        counts: For each row its count by column; all rows have the same columns.
        title: What is counted.
        unit: What one of it is called, as in ``row``.
    """
    columns = list(next(iter(counts.values()), {}))
    table = [
        [row, *(_words(cells[column], unit) for column in columns)]
        for row, cells in counts.items()
    ]
    widths = [max(map(len, each)) for each in zip(["", *columns], *table, strict=True)]
    lines = [
        "  ".join(f"{word:<{wide}}" for word, wide in zip(row, widths, strict=True))
        for row in [["", *columns], *table]
    ]
    text = "\n".join([title, *(line.rstrip() for line in lines)])
    parts = [words(0, 18, title, weight="bold")]
    for place, column in enumerate(columns):
        parts.append(
            words(_middle(place), _HEAD - 12, column, weight="bold", anchor="middle")
        )
    for index, (row, cells) in enumerate(counts.items()):
        y = _HEAD + index * _ROW
        parts.append(words(_LABEL - 12, y + 21, row, anchor="end"))
        parts += [
            _cell(row, column, cells[column], place, y, unit)
            for place, column in enumerate(columns)
        ]
    width = _LABEL + max(1, len(columns)) * _WIDE
    height = _HEAD + max(1, len(counts)) * _ROW
    return Rendered(text, frame(parts, text, title, width, height))


def _words(count: int, unit: str) -> str:
    sign = "✔" if count else "✘"
    return f"{sign} {count} {unit}" + ("" if count == 1 else "s")


def _middle(place: int) -> int:
    return _LABEL + place * _WIDE + _WIDE // 2


def _cell(row: str, column: str, count: int, place: int, y: int, unit: str) -> str:
    said = _words(count, unit)
    look = (
        f'stroke="{GOOD}" fill="{GOOD}" fill-opacity="0.3"'
        if count
        else f'stroke="{BAD}" stroke-dasharray="4 3" fill="{BAD}" fill-opacity="0.12"'
    )
    return (
        f"<g><title>{html.escape(f'{row}, {column}: {said}')}</title>"
        f'<rect x="{_LABEL + place * _WIDE + 3}" y="{y + 2}" width="{_WIDE - 6}" '
        f'height="{_ROW - 4}" rx="4" stroke-width="1.5" {look}/>'
        + words(_middle(place), y + 21, said, anchor="middle")
        + "</g>"
    )
