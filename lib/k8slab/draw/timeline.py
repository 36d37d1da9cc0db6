"""Draw steps on a line of time, as SVG that can be read on light and dark grounds."""

from __future__ import annotations

import hashlib
import html
from collections.abc import Sequence

from ..core.rendered import Rendered
from ..record.steps import Step

_WIDTH, _ROW, _FOOT = 620, 40, 28
_LEFT, _THICK, _LEAST = 78, 7, 3.0
_NICE = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 60_000)


def draw(steps: Sequence[Step], title: str) -> Rendered:
    """Draw one row for each step, with a bar from the step before to this one.

    Args:
        steps: The steps in order of time.
        title: What the picture is of.
    """
    text = words(steps)
    end = max([step.at_ms for step in steps] + [1])
    height = len(steps) * _ROW + _FOOT
    parts, before = [], 0
    for row, step in enumerate(steps):
        parts.append(_row(step, min(before, step.at_ms), row * _ROW, end))
        before = max(before, step.at_ms)
    parts.append(_axis(end, len(steps) * _ROW))
    key = hashlib.sha256(f"{title}{text}".encode()).hexdigest()[:8]
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" '
        f'aria-labelledby="t{key} d{key}" viewBox="0 0 {_WIDTH} {height}" '
        f'style="max-width: {_WIDTH}px; width: 100%; color: inherit" '
        f'font-family="system-ui, sans-serif" font-size="14" fill="none">'
        f'<title id="t{key}">{html.escape(title)}</title>'
        f'<desc id="d{key}">{html.escape(text)}</desc>' + "".join(parts) + "</svg>"
    )
    return Rendered(text, svg)


def words(steps: Sequence[Step]) -> str:
    """Return a line for each step: when, who, what, about what."""
    if not steps:
        return "nothing happened"
    who = max(len(step.who) for step in steps)
    what = max(len(step.what) for step in steps)
    return "\n".join(
        f"{step.at_ms:>6} ms  {step.who:<{who}}  {step.what:<{what}}  {_about(step)}"
        for step in steps
    )


def _about(step: Step) -> str:
    return f"{step.about} on {step.detail}" if step.detail else step.about


def _row(step: Step, before: int, y: int, end: int) -> str:
    begin, width = _x(before, end), max(_x(step.at_ms, end) - _x(before, end), _LEAST)
    begin = min(begin, _WIDTH - width)
    words = html.escape(f"{step.at_ms - before} ms: {_about(step)}")
    return (
        f"<g><title>{words}</title>"
        + _text(_LEFT - 12, y + 17, f"{step.at_ms} ms", anchor="end", opacity=0.75)
        + f'<text x="{_LEFT}" y="{y + 17}" fill="currentColor">'
        f'<tspan font-weight="600">{html.escape(step.who)}</tspan>'
        f'<tspan dx="8">{html.escape(step.what)}</tspan></text>'
        f'<rect x="{_LEFT}" y="{y + 24}" width="{_WIDTH - _LEFT}" height="{_THICK}" '
        f'rx="3" fill="currentColor" fill-opacity="0.08"/>'
        f'<rect x="{begin:.1f}" y="{y + 24}" width="{width:.1f}" height="{_THICK}" '
        f'rx="{min(3, width / 2):.1f}" fill="currentColor" fill-opacity="0.7"/></g>'
    )


def _axis(end: int, y: int) -> str:
    pace = next((nice for nice in _NICE if end / nice <= 6), end)
    parts = []
    for at in range(0, end + 1, pace):
        x = _x(at, end)
        parts.append(
            f'<path d="M{x:.1f} 0V{y}" stroke="currentColor" stroke-opacity="0.15"/>'
        )
        last = x > _WIDTH - 30
        anchor = "end" if last else "start" if at == 0 else "middle"
        parts.append(_text(x, y + 18, f"{at} ms", anchor=anchor, opacity=0.75))
    return "".join(parts)


def _x(at_ms: int, end: int) -> float:
    return _LEFT + (_WIDTH - _LEFT) * at_ms / end


def _text(x: float, y: int, text: str, *, anchor: str, opacity: float) -> str:
    return (
        f'<text x="{x:.1f}" y="{y}" font-size="12" text-anchor="{anchor}" '
        f'fill="currentColor" fill-opacity="{opacity}">{html.escape(text)}</text>'
    )
