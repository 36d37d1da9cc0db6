"""Read a cell as a kernel does."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from IPython.core.inputtransformer2 import TransformerManager


def python(source: str) -> ast.Module | None:
    """Return a cell as the Python that a kernel makes of it; None when it is none."""
    reader: Any = TransformerManager  # it has no types
    try:
        return ast.parse(str(reader().transform_cell(source)))
    except SyntaxError:
        return None


def names(code: ast.Module) -> Iterator[str]:
    """Yield the names that a cell sets, imports or defines."""
    for node in ast.walk(code):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).partition(".")[0]
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
