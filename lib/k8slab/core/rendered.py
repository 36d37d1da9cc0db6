"""Hold what is shown: the same facts as text and as HTML."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Rendered:
    """Something shown: a manifest, a table or a drawing, and the same facts in words.

    Attributes:
        text: For a terminal, and for nbval.
        html: For JupyterLab and the book; a drawing stands in it as inline SVG, so
            that it takes the page's text colour.
    """

    text: str
    html: str

    def __str__(self) -> str:
        return self.text

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/plain": self.text, "text/html": self.html}
