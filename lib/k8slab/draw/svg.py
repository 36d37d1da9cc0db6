"""The frame, the words and the colours that drawings share."""

from __future__ import annotations

import hashlib
import html

# Mid-tones: both stand out from a white and from a nearly black ground.
GOOD, BAD = "#3f8fd2", "#d9534f"


def frame(
    parts: list[str], text: str, title: str, width: int, height: int, *, widest: int = 0
) -> str:
    """Return the parts as one drawing, with the same facts for who cannot see it.

    Args:
        parts: The shapes and words.
        text: The facts in words.
        title: What it shows.
        width: The width that the parts take.
        height: The height that they take.
        widest: How wide a page may show it, in pixels; else as wide as it is. One
            with such a limit is drawn so narrow that it fits a telephone.
    """
    wide = f"max-width: {widest}px; min-width: 0" if widest else f"max-width: {width}px"
    key = hashlib.sha256(f"{title}{text}".encode()).hexdigest()[:8]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" '
        f'aria-labelledby="t{key} d{key}" viewBox="-2 -2 {width + 4} {height + 4}" '
        f'style="{wide}; width: 100%; color: inherit" '
        f'font-family="system-ui, sans-serif" font-size="13" fill="none">'
        f'<title id="t{key}">{html.escape(title)}</title>'
        f'<desc id="d{key}">{html.escape(text)}</desc>' + "".join(parts) + "</svg>"
    )


def words(
    x: float, y: float, text: str, *, weight: str = "normal", anchor: str = "start"
) -> str:
    """Return words at a place, in the colour of the page's own."""
    return (
        f'<text x="{x}" y="{y}" font-weight="{weight}" text-anchor="{anchor}" '
        f'fill="currentColor">{html.escape(text)}</text>'
    )
