"""Summarise what was measured several times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Samples:
    """The values of one measurement, in the order they were taken.

    Attributes:
        label: What was measured.
        values: The raw values.
    """

    label: str
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The value in the middle."""
        return median(self.values)

    def row(self, digits: int = 2) -> list[str]:
        """Return label, median, min, max and the raw values, as a table's row."""
        figures = (self.median, min(self.values), max(self.values))
        raw = ", ".join(f"{value:.{digits}f}" for value in self.values)
        return [self.label, *(f"{figure:.{digits}f}" for figure in figures), raw]


def heading(what: str, unit: str) -> list[str]:
    """Return the heading of a table of `Samples.row`."""
    return [what, f"median ({unit})", "min", "max", "raw values"]


def ratios(first: Sequence[float], second: Sequence[float]) -> tuple[float, ...]:
    """Return the first's values divided by the second's, pair by pair."""
    return tuple(a / b for a, b in zip(first, second, strict=True))


def middle(values: Sequence[float]) -> int:
    """Return the place of the value nearest the median; the earliest of equals."""
    target = median(values)
    return min(range(len(values)), key=lambda place: abs(values[place] - target))
