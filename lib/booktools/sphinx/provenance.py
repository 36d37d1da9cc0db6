"""Say on each chapter's page when, on what and how long its outputs were made."""

from __future__ import annotations

import html
import json
from datetime import date
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx


def tell(app: Sphinx, doctree: nodes.document) -> None:
    """Put the box below the title of a page whose notebook was run."""
    name = app.env.docname
    lab = app.env.metadata.get(name, {}).get("lab", {})
    settings: dict[str, Any] = json.loads(lab) if isinstance(lab, str) else lab
    title = next(iter(doctree.findall(nodes.title)), None)
    if title is None or "run" not in settings:
        return
    file = app.env.doc2path(name, base=False)
    raw = nodes.raw("", box(settings, file), format="html")
    title.parent.insert(title.parent.index(title) + 1, raw)


def box(settings: dict[str, Any], file: str) -> str:
    """Return the box as HTML.

    Args:
        settings: The notebook's ``lab`` metadata; its ``run`` was written by the run.
        file: The notebook's path in the repository.
    """
    run = settings["run"]
    day = date.fromisoformat(run["date"])
    versions = ", ".join(
        f"{html.escape(name)} {html.escape(version)}"
        for name, version in sorted(run["versions"].items())
    )
    facts = {
        "To read and run": f"{settings.get('minutes', '?')} minutes",
        "Last run": f'<time datetime="{day}">{day.day} {day:%B %Y}</time>, '
        f"in {_duration(run['seconds'])}",
        "On": versions,
        "Run it yourself": "<code>make lab</code>; in JupyterLab open "
        f"<code>{html.escape(file)}</code>",
    }
    pairs = "".join(
        f"<div><dt>{name}</dt><dd>{fact}</dd></div>" for name, fact in facts.items()
    )
    return f'<dl class="lab-run" aria-label="About this page">{pairs}</dl>'


def _duration(seconds: float) -> str:
    """Return seconds as a reader says them."""
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} seconds"
    return f"{minutes} min {rest} s"
