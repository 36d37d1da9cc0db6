"""Draw counts as bars that can be read on light and dark grounds."""

from __future__ import annotations

import html
from collections.abc import Mapping

from ..core.rendered import Rendered
from .svg import BAD, GOOD, frame, words

NOBODY = "no answer"
_WIDTH, _ROW, _LABEL, _NUMBER, _HEAD = 640, 28, 190, 60, 30
_CELLS = 30
_LONGEST = 24


def draw(counts: Mapping[str, int], title: str, *, failed: int = 0) -> Rendered:
    """Draw a bar for each count, and a last one for what nobody answered.

    Args:
        counts: The counts by name, in the order to draw them.
        title: What is counted, for who cannot see the picture too.
        failed: How many requests nobody answered.
    """
    rows = [*counts.items(), *([(NOBODY, failed)] if failed else [])]
    most = max([number for _, number in rows] + [1])
    text = "\n".join([title, *_lines(rows, most)])
    height = _HEAD + max(1, len(rows)) * _ROW + 6
    parts = [words(0, 18, title, weight="bold")]
    for index, (name, number) in enumerate(rows):
        bad = name == NOBODY and failed > 0 and index == len(rows) - 1
        parts.append(_bar(name, number, most, _HEAD + index * _ROW, bad=bad))
    return Rendered(text, frame(parts, text, title, _WIDTH, height))


def short(name: str) -> str:
    """Return a name that fits beside its row."""
    return name if len(name) <= _LONGEST else "…" + name[1 - _LONGEST :]


def _lines(rows: list[tuple[str, int]], most: int) -> list[str]:
    wide = max((len(name) for name, _ in rows), default=0)
    digits = max((len(str(number)) for _, number in rows), default=0)
    return [
        f"{name:<{wide}}  {number:>{digits}}  {'█' * _share(number, most)}".rstrip()
        for name, number in rows
    ]


def _share(number: int, most: int) -> int:
    # What is there is seen, however few it is.
    return max(round(_CELLS * number / most), 1 if number else 0)


def _bar(name: str, number: int, most: int, y: int, *, bad: bool) -> str:
    room = _WIDTH - _LABEL - _NUMBER
    wide = max(round(room * number / most), 2 if number else 0)
    look = (
        f'stroke="{BAD}" stroke-width="1.5" stroke-dasharray="4 3" '
        f'fill="{BAD}" fill-opacity="0.25"'
        if bad
        else f'fill="{GOOD}" fill-opacity="0.85"'
    )
    sign = "✘ " if bad else ""
    return (
        f"<g><title>{html.escape(f'{name}: {number}')}</title>"
        + words(_LABEL - 12, y + 17, sign + short(name), anchor="end")
        + f'<rect x="{_LABEL}" y="{y + 3}" width="{wide}" height="{_ROW - 8}" rx="3" '
        f"{look}/>" + words(_LABEL + wide + 8, y + 17, str(number)) + "</g>"
    )
