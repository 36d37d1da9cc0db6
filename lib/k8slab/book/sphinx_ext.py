"""Make the web book ask nothing of the network, and say which run it shows."""

from __future__ import annotations

import json
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("doctree-read", tell_run)
    app.connect("html-page-context", drop_thebe, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def tell_run(app: Sphinx, doctree: nodes.document) -> None:
    """Say below a chapter when and on what its outputs were made."""
    metadata = app.env.metadata.get(app.env.docname, {})
    lab = metadata.get("lab", {})
    run = (json.loads(lab) if isinstance(lab, str) else lab).get("run")
    if not run:
        return
    versions = ", ".join(f"{name} {v}" for name, v in sorted(run["versions"].items()))
    text = (
        f"The outputs on this page come from one run on {run['date']}: "
        f"{versions}, {run['seconds']} s."
    )
    doctree.append(nodes.paragraph(text, text, classes=["lab-run"]))


def drop_thebe(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any
) -> None:
    """Remove thebe, which jupyter-book puts on every page with an outside address."""
    context["script_files"] = [
        script
        for script in context.get("script_files", [])
        if "thebe" not in str(getattr(script, "filename", script)).lower()
        and "THEBE" not in str(getattr(script, "attributes", {}).get("body", ""))
    ]
