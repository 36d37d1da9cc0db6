"""Leave the book's workshop out of JupyterLab's file list, and nothing else."""

from __future__ import annotations

from typing import Any

GLOBS = (
    # What chapters use without a reader's doing: drawings, hints, answers to the notes.
    *("_figures", "_hints", "_notes"),
    # What programs leave behind; what begins with a dot Jupyter leaves out by itself.
    *("__pycache__", "*.pyc", "*.egg-info", "*~"),
)
"""Names that are left out in every folder."""
WORKSHOP = frozenset(
    {
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "Makefile",
        "README.md",
        "_build",
        "_config.yml",
        "_toc.yml",
        "artefacts",
        "bench",
        "bundle",
        "conftest.py",
        "environment.yml",
        "lib",
        "pyproject.toml",
        "requirements.lock",
        "tests",
    }
)
"""What the repository has beside the book; left out in the book's folder alone.

A list, and not all that is no chapter and no page: readers have files of their own.
"""


def without_workshop(model: dict[str, Any], path: str) -> dict[str, Any]:
    """Return the model of a folder as the file list shows it.

    Args:
        model: A file or folder of Jupyter's contents API.
        path: Its path.
    """
    listed = model.get("content")
    if model["type"] != "directory" or path.strip("/") or listed is None:
        return model
    shown = [each for each in listed if each["name"] not in WORKSHOP]
    return {**model, "content": shown}
