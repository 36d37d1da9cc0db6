"""Draw when each request was sent and which Pod answered it."""

from __future__ import annotations

import html
from collections.abc import Sequence

from ..core.rendered import Rendered
from ..probe._series import Requests
from .bars import NOBODY, short
from .svg import BAD, GOOD, frame

_WIDTH, _LABEL, _ROW, _LINE = 720, 180, 26, 20
_CELLS = 60


def draw(record: Requests, title: str) -> Rendered:
    """Draw a row for each Pod and one for no answer, along the time.

    Args:
        record: The requests and what happened meanwhile.
        title: What was asked, for who cannot see the picture too.
    """
    names = _in_order(record)
    moments = [each.at_s for each in record.requests]
    until = max([0.1, *moments, *(mark.at_s for mark in record.marks)])
    text = "\n".join([title, *_words(record, names, until), record.seen])
    top = 28 + len(record.marks) * _LINE
    floor = top + len(names) * _ROW
    parts = [_text(0, 18, title, weight="bold"), *_axis(until, top, floor)]
    parts += [
        _row(record, name, until, top + index * _ROW)
        for index, name in enumerate(names)
    ]
    for index, mark in enumerate(record.marks):
        x, y = _at(mark.at_s, until), 40 + index * _LINE
        late = x > _WIDTH * 0.6
        label = f"{mark.what} ({mark.at_s:.2f} s)"
        parts.append(
            f'<path d="M{x} {y - 12}V{floor}" stroke="currentColor" '
            'stroke-dasharray="3 3"/>'
            + _text(x + (-5 if late else 5), y, label, anchor="end" if late else "")
        )
    parts.append(_text(_LABEL, floor + 40, record.seen))
    return Rendered(text, frame(parts, text, title, _WIDTH, floor + 46))


def _in_order(record: Requests) -> list[str]:
    """Return the Pods, the first to answer first, then the row for no answer."""
    pods = dict.fromkeys(each.pod for each in record.requests if each.pod)
    return [*pods, NOBODY]


def _times(record: Requests, name: str) -> list[float]:
    wanted = "" if name == NOBODY else name
    return [each.at_s for each in record.requests if each.pod == wanted]


def _words(record: Requests, names: Sequence[str], until: float) -> list[str]:
    wide = max(len(name) for name in names)
    lines = []
    for name in names:
        cells = ["·"] * _CELLS
        for at_s in _times(record, name):
            cells[_cell(at_s, until)] = "✘" if name == NOBODY else "█"
        lines.append(f"{name:<{wide}}  {''.join(cells)}")
    scale = f"{until:.1f} s"
    lines.append(f"{'':<{wide}}  0 s{scale:>{_CELLS - 3}}")
    lines += [f"{mark.at_s:.2f} s  {mark.what}" for mark in record.marks]
    return lines


def _cell(at_s: float, until: float) -> int:
    return min(int(_CELLS * at_s / until), _CELLS - 1)


def _at(at_s: float, until: float) -> float:
    return round(_LABEL + (_WIDTH - _LABEL - 10) * at_s / until, 1)


def _axis(until: float, top: int, floor: int) -> list[str]:
    step = next((s for s in (0.1, 0.2, 0.5, 1, 2, 5) if until / s <= 10), 10)
    parts = []
    for tick in range(int(until / step) + 1):
        x = _at(tick * step, until)
        parts.append(
            f'<path d="M{x} {top}V{floor + 4}" stroke="currentColor" '
            'stroke-opacity="0.15"/>'
            + _text(x, floor + 18, f"{tick * step:g} s", anchor="middle", size=11)
        )
    return parts


def _row(record: Requests, name: str, until: float, y: int) -> str:
    middle = y + _ROW / 2
    label = _text(_LABEL - 12, middle + 4, short(name), anchor="end")
    shapes = []
    for at_s in _times(record, name):
        x = _at(at_s, until)
        if name == NOBODY:
            cross = f"M{x - 4} {middle - 4}l8 8m0-8l-8 8"
            shapes.append(f'<path d="{cross}" stroke="{BAD}" stroke-width="2"/>')
        else:
            shapes.append(f'<circle cx="{x}" cy="{middle}" r="3.5" fill="{GOOD}"/>')
    return label + "".join(shapes)


def _text(
    x: float,
    y: float,
    text: str,
    *,
    weight: str = "normal",
    anchor: str = "",
    size: int = 13,
) -> str:
    return (
        f'<text x="{x}" y="{y}" font-size="{size}" font-weight="{weight}" '
        f'text-anchor="{anchor or "start"}" fill="currentColor">'
        f"{html.escape(text)}</text>"
    )
