"""Give the search the pages' own words for its excerpts, on a disk, too."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

FOLDER = "search"
# Not what a reader looks for: drawings, the title, which the result is called after,
# and the box that says when a chapter was run.
_NO_PROSE = re.compile(r'(?s)<svg\b.*?</svg>|<h1\b.*?</h1>|<dl class="lab-run".*?</dl>')


def keep_text(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any
) -> None:
    """Write a page's prose as a script, which a browser loads from a disk, too."""
    if doctree is None or app.builder.format != "html":
        return
    text = f'<div role="main">{_NO_PROSE.sub("", context.get("body", ""))}</div>'
    path = Path(app.outdir, FOLDER, f"{page}.js")
    path.parent.mkdir(parents=True, exist_ok=True)
    call = f"k8slabPage({json.dumps(page)}, {json.dumps(text)});\n"
    path.write_text(call, encoding="utf-8")
