"""Let the search show its excerpts also where a page may read no other file."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

FOLDER = "search"
_DRAWING = re.compile(r"(?s)<svg\b.*?</svg>")


def keep_text(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any
) -> None:
    """Write a page's text as a script, which a browser loads from a disk too."""
    if doctree is None or app.builder.format != "html":
        return
    text = f'<div role="main">{_DRAWING.sub("", context.get("body", ""))}</div>'
    path = Path(app.outdir, FOLDER, f"{page}.js")
    path.parent.mkdir(parents=True, exist_ok=True)
    call = f"k8slabPage({json.dumps(page)}, {json.dumps(text)});\n"
    path.write_text(call, encoding="utf-8")
