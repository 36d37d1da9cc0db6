"""Say what is wrong with cells that a table names, as those that show and check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from booktools.notebooks import Chapter, tags

CHECKS = {"lab-check", "lab-solution"}


def broken(name: str, row: Mapping[str, Sequence[str]], chapter: Chapter) -> list[str]:
    """Return what is wrong with a row, a line each.

    Args:
        name: What the row is about.
        row: The ids of the cells that show it, and of those that check it.
        chapter: The chapter that has them.
    """
    cells = {cell.id: cell for cell in chapter.cells("code")}
    lines = []
    for column in ("shown", "checked"):
        if not row[column]:
            lines.append(f"{name}: nowhere {column}")
        lines += [f"{name}: no cell {c}" for c in row[column] if c not in cells]
    lines += [
        f"{name}: {cell} checks nothing"
        for cell in row["checked"]
        if cell in cells and not tags(cells[cell]) & CHECKS
    ]
    return lines
