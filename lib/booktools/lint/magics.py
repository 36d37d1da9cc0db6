"""Find the magics in a cell."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import cache

from IPython.core import magics
from IPython.core.alias import default_aliases


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
