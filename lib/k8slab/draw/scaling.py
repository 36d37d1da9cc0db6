"""Draw load, CPU and Pods along one time, one panel below the other."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

from ..core.rendered import Rendered
from ..record._scaling import Sample, Scaling
from .svg import BAD, GOOD, frame, words

# Narrow, so that its words can be read on a telephone; a page shows it larger.
_WIDTH, _WIDEST, _LEFT, _RIGHT = 460, 600, 40, 8
_TITLE, _LINE, _HEAD, _PANEL, _GAP = 26, 18, 20, 64, 14
_NOW = 12  # room in which the last values are seen
_CELLS = 60
_LEVELS = "▁▂▃▄▅▆▇█"
_NONE = "·"
_OTHER = "#c77b20"


@dataclass(frozen=True)
class _Panel:
    """One quantity along the time.

    Attributes:
        name: What it is.
        values: Its values, as many as there are samples; None where none is known.
        top: The value at the upper edge.
        colour: The colour of its line.
        level: A value to aim at, if there is one.
    """

    name: str
    values: Sequence[int | None]
    top: int
    colour: str
    level: int | None = None


def draw(story: Scaling, title: str) -> Rendered:
    """Draw a panel for the load, one for the CPU and one for the Pods.

    Args:
        story: What was recorded.
        title: What the picture is of.
    """
    samples, marks = story.samples, story.marks
    end = max([1.0, *(s.at_s for s in samples), *(m.at_s for m in marks)])
    panels = _panels(samples, story.target)
    text = "\n".join([title, *_words(story, panels, end)])
    first = _TITLE + len(marks) * _LINE
    tops = [first + index * (_HEAD + _PANEL + _GAP) for index in range(len(panels))]
    floor = tops[-1] + _HEAD + _PANEL
    parts = [words(0, 15, title, weight="bold"), *_axis(end, first, floor)]
    parts += [
        _drawn(panel, samples, end, y) for panel, y in zip(panels, tops, strict=True)
    ]
    for index, mark in enumerate(marks):
        x, y = _x(mark.at_s, end), _TITLE + 12 + index * _LINE
        late = mark.at_s > 0.5 * end
        # Through the panels, and not through their names.
        ways = [
            (y - 10, first),
            *((each + _HEAD, each + _HEAD + _PANEL) for each in tops),
        ]
        way = "".join(f"M{x} {upper}V{lower}" for upper, lower in ways)
        parts.append(
            f'<path d="{way}" stroke="currentColor" stroke-dasharray="3 3"/>'
            + words(
                x + (-5 if late else 5),
                y,
                f"{mark.what} ({mark.at_s:.0f} s)",
                anchor="end" if late else "start",
            )
        )
    drawn = frame(parts, text, title, _WIDTH, floor + 22, widest=_WIDEST)
    return Rendered(text, drawn)


def _panels(samples: Sequence[Sample], target: int) -> list[_Panel]:
    used = [each.used for each in samples]
    load = [each.load for each in samples]
    ready = [each.ready for each in samples]
    return [
        _Panel("requests answered in a second", load, _top(load, 4), GOOD),
        _Panel(
            f"average CPU, % of what a Pod requests (target {target})",
            used,
            _top([*used, target], 4),
            BAD,
            target,
        ),
        _Panel("ready Pods", ready, _top(ready, 2), _OTHER),
    ]


def _top(values: Sequence[int | None], least: int) -> int:
    return max([least, *(each for each in values if each is not None)])


def _words(story: Scaling, panels: Sequence[_Panel], end: float) -> list[str]:
    """Return the same facts as lines: a row of blocks for each panel, and the marks."""
    lines = []
    for panel in panels:
        cells: list[int | None] = [None] * _CELLS
        known: int | None = None
        seen = iter(zip(story.samples, panel.values, strict=True))
        following = next(seen, None)
        for cell in range(_CELLS):
            while following and following[0].at_s <= (cell + 1) * end / _CELLS:
                known = following[1]
                following = next(seen, None)
            cells[cell] = known
        row = "".join(_block(each, panel.top) for each in cells)
        lines += [f"{panel.name}, up to {panel.top}", row]
    scale = f"{end:.0f} s"
    lines.append(f"0 s{scale:>{_CELLS - 3}}")
    lines += [f"{each.at_s:.0f} s  {each.what}" for each in story.marks]
    return lines


def _block(value: int | None, top: int) -> str:
    if value is None:
        return _NONE
    return _LEVELS[min(round(value / top * (len(_LEVELS) - 1)), len(_LEVELS) - 1)]


def _x(at_s: float, end: float) -> float:
    return round(_LEFT + (_WIDTH - _LEFT - _RIGHT - _NOW) * at_s / end, 1)


def _axis(end: float, top: int, floor: int) -> list[str]:
    step = next((s for s in (1, 2, 5, 10, 20, 30, 60) if end / s <= 6), 120)
    parts = []
    for tick in range(int(end / step) + 1):
        x = _x(tick * step, end)
        parts.append(
            f'<path d="M{x} {top}V{floor + 4}" stroke="currentColor" '
            'stroke-opacity="0.12"/>'
            + words(x, floor + 18, f"{tick * step} s", anchor="middle")
        )
    return parts


def _drawn(panel: _Panel, samples: Sequence[Sample], end: float, y: int) -> str:
    """Return one panel: its name, its scale and its line of steps."""
    floor = y + _HEAD + _PANEL

    def at(value: int) -> float:
        return round(floor - _PANEL * value / panel.top, 1)

    parts = [
        words(_LEFT + 5, y + 13, panel.name),
        words(_LEFT - 6, y + _HEAD + 12, str(panel.top), anchor="end"),
        words(_LEFT - 6, floor, "0", anchor="end"),
        f'<path d="M{_LEFT} {floor}H{_WIDTH - _RIGHT}" stroke="currentColor" '
        'stroke-opacity="0.5"/>',
    ]
    if panel.level is not None:
        parts.append(
            f'<path d="M{_LEFT} {at(panel.level)}H{_WIDTH - _RIGHT}" '
            'stroke="currentColor" stroke-opacity="0.6" stroke-dasharray="6 4"/>'
        )
    steps = _steps(panel.values, [_x(each.at_s, end) for each in samples])
    if steps and panel.values[-1] is not None:  # so it is until now
        steps[-1].append((_WIDTH - _RIGHT, panel.values[-1]))
    for step in steps:
        path = " ".join(f"H{x} V{at(value)}" for x, value in step)
        begin = f"M{step[0][0]} {at(step[0][1])}"
        parts += [
            f'<path d="{begin} {path} V{floor} H{step[0][0]}Z" '
            f'fill="{panel.colour}" fill-opacity="0.18"/>',
            f'<path d="{begin} {path}" stroke="{panel.colour}" stroke-width="2"/>',
        ]
    return f"<g><title>{html.escape(panel.name)}</title>{''.join(parts)}</g>"


def _steps(
    values: Sequence[int | None], places: Sequence[float]
) -> list[list[tuple[float, int]]]:
    """Return the corners of each stretch of known values; equal ones are left out."""
    stretches: list[list[tuple[float, int]]] = []
    before: int | None = None
    for index, (value, x) in enumerate(zip(values, places, strict=True)):
        if value is not None:
            if before is None:
                stretches.append([])
            if value != before or index == len(values) - 1:
                stretches[-1].append((x, value))
        elif before is not None:  # it was known until here
            stretches[-1].append((x, before))
        before = value
    return stretches
