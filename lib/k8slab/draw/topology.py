"""Draw machines with their Pods as SVG that can be read on light and dark grounds."""

from __future__ import annotations

import hashlib
import html
from collections.abc import Sequence

from ..core.rendered import Rendered
from ..kube.objects import Node, Pod

_WIDTH, _GAP, _HEAD, _ROW = 250, 16, 44, 30
_SIGNS = {"Ready": "●", "Terminating": "◌"}
_LONGEST = 26


def draw(nodes: Sequence[Node], pods: Sequence[Pod], where: str) -> Rendered:
    """Draw machines as boxes with their Pods inside, and Pods without a machine below.

    Args:
        nodes: The machines.
        pods: The Pods.
        where: What the picture is of, for its title.
    """
    names = [node.name for node in nodes]
    on = {name: [pod for pod in pods if pod.node == name] for name in names}
    homeless = [pod for pod in pods if pod.node not in on]
    text = _words(nodes, on, homeless)
    deepest = max([len(each) for each in on.values()] + [1])
    height = _HEAD + deepest * _ROW + 10
    total = height + (len(homeless) * _ROW + _HEAD if homeless else 0)
    width = len(nodes) * (_WIDTH + _GAP) - _GAP if nodes else _WIDTH
    parts = [
        _machine(node, on[node.name], index * (_WIDTH + _GAP), height)
        for index, node in enumerate(nodes)
    ]
    if homeless:
        parts.append(_text(10, height + 26, "on no machine", weight="bold"))
        parts += [
            _pod(pod, 10, height + _HEAD + row * _ROW)
            for row, pod in enumerate(homeless)
        ]
    key = hashlib.sha256(f"{where}{text}".encode()).hexdigest()[:8]
    title = html.escape(f"The machines and Pods of {where}")
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" '
        f'aria-labelledby="t{key} d{key}" viewBox="-2 -2 {width + 4} {total + 4}" '
        f'style="max-width: {width}px; width: 100%; color: inherit" '
        f'font-family="system-ui, sans-serif" font-size="13" fill="none">'
        f'<title id="t{key}">{title}</title>'
        f'<desc id="d{key}">{html.escape(text)}</desc>' + "".join(parts) + "</svg>"
    )
    return Rendered(text, svg)


def _words(
    nodes: Sequence[Node], on: dict[str, list[Pod]], homeless: Sequence[Pod]
) -> str:
    lines = []
    for node in nodes:
        lines.append(f"{node.name} ({_state(node)})")
        lines += [f"  {pod.name} {pod.state}" for pod in on[node.name]]
    if homeless:
        lines.append("on no machine")
        lines += [f"  {pod.name} {pod.state}" for pod in homeless]
    return "\n".join(lines)


def _state(node: Node) -> str:
    state = "Ready" if node.ready else "NotReady"
    return state if node.schedulable else f"{state}, cordoned"


def _machine(node: Node, pods: Sequence[Pod], x: int, height: int) -> str:
    dashes = "" if node.ready else ' stroke-dasharray="6 4"'
    box = (
        f'<rect x="{x}" y="0" width="{_WIDTH}" height="{height}" rx="8" '
        f'stroke="currentColor" stroke-width="1.5"{dashes}/>'
    )
    rows = [_pod(pod, x + 10, _HEAD + row * _ROW) for row, pod in enumerate(pods)]
    label = _text(x + 12, 20, node.name, weight="bold")
    return box + label + _text(x + 12, 36, _state(node), size=11) + "".join(rows)


def _pod(pod: Pod, x: int, y: int) -> str:
    solid = pod.ready and not pod.terminating
    dashes = "" if solid else ' stroke-dasharray="3 3"'
    sign = _SIGNS.get(pod.state, "○")
    name = pod.name if len(pod.name) <= _LONGEST else pod.name[: _LONGEST - 1] + "…"
    state = "" if pod.state == "Ready" else f" {pod.state}"
    return (
        f"<g><title>{html.escape(f'{pod.name} {pod.state}')}</title>"
        f'<rect x="{x}" y="{y}" width="{_WIDTH - 20}" height="{_ROW - 6}" rx="5" '
        f'stroke="currentColor" stroke-opacity="0.6" fill="currentColor" '
        f'fill-opacity="{0.10 if solid else 0.02}"{dashes}/>'
        + _text(x + 8, y + 16, f"{sign} {name}{state}"[:36], size=12)
        + "</g>"
    )


def _text(x: int, y: int, text: str, *, size: int = 13, weight: str = "normal") -> str:
    return (
        f'<text x="{x}" y="{y}" font-size="{size}" font-weight="{weight}" '
        f'fill="currentColor">{html.escape(text)}</text>'
    )
