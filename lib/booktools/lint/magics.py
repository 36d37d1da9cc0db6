"""Read a cell as a kernel does, and find the magics in it."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from IPython.core import magics
from IPython.core.alias import default_aliases
from IPython.core.inputtransformer2 import TransformerManager


def python(source: str) -> ast.Module | None:
    """Return a cell as the Python that a kernel makes of it; None when it is none."""
    reader: Any = TransformerManager  # it has no types
    try:
        return ast.parse(str(reader().transform_cell(source)))
    except SyntaxError:
        return None


def called(node: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield the method of IPython's shell that a call names, and its first argument."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return
    owner = node.func.value
    if isinstance(owner, ast.Call) and ast.unparse(owner) == "get_ipython()":
        first = node.args[0] if node.args else None
        yield node.func.attr, str(getattr(first, "value", ""))


def bare(code: ast.Module, own: Iterable[str]) -> Iterator[str]:
    """Yield the magics and shell commands that a cell uses without a sign, as ``ls``.

    A kernel takes a line for one where its first word is the name of one, and of
    nothing else: ``ls -l`` is Python, too.

    Args:
        code: The cell.
        own: The names that the notebook sets.
    """
    known = _names().difference(own)
    for node in code.body:
        if isinstance(node, ast.Expr):
            first = _first(node.value)
            if isinstance(first, ast.Name) and first.id in known:
                yield first.id


def names(code: ast.Module) -> Iterator[str]:
    """Yield the names that a cell sets, imports or defines."""
    for node in ast.walk(code):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).partition(".")[0]
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name


def _first(node: ast.expr) -> ast.expr:
    """Return what an expression begins with, where a shell's words may be one."""
    while isinstance(node, ast.BinOp | ast.Compare):
        node = node.left
    return node


@cache
def _names() -> frozenset[str]:
    """Return the names of IPython's magics and of the shell commands it knows."""
    found = {name for name, _ in default_aliases()}
    for each in dir(magics):  # which imports them, too
        kinds = getattr(getattr(magics, each), "magics", None) or {}
        found |= set(kinds.get("line", ()))
    return frozenset(found)
