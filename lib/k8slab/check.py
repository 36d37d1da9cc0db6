"""Check claims, and say the result in one stable line each."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import overload

from . import progress
from .errors import CheckFailed, LabError

Claim = Sequence[object]

# The lines are what nbval compares, so they never hold what a cluster makes up.
_UNSTABLE = (
    (re.compile(r"\b\d{1,3}(\.\d{1,3}){3}\b"), "an address"),
    (re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "a UID"),
    (re.compile(r"(?<=[a-z0-9])-[bcdfghjklmnpqrstvwxz2456789]{5}\b"), "-…"),
)
_attempts: dict[str, int] = {}


def that(claim: str, fact: object, *, hint: str = "") -> None:
    """Print a claim with a mark when it is true, and raise when it is not.

    Args:
        claim: What should be true, in words that stay the same.
        fact: Whether it is: anything that is true or false.
        hint: What to look at when it is not.

    Raises:
        CheckFailed: It is not true.

    Example:
        >>> that("two and two are four", 2 + 2 == 4)
        ✔ two and two are four
    """
    if fact:
        print(f"✔ {claim}")
        progress.note(claim)
        return
    print(f"✘ {claim}")
    raise CheckFailed(
        f"not true: {claim}",
        wanted=claim,
        seen=repr(fact),
        next=hint or "look at what the cells above show, then run this one again",
    )


@contextmanager
def fails(error: type[LabError], match: str | None = None) -> Iterator[None]:
    """Assert that a block raises an error, and print what it says.

    Args:
        error: The error that has to come.
        match: Words its message has to hold; these are printed then.

    Raises:
        CheckFailed: Nothing was raised, or another error.

    Example:
        >>> with fails(LabError, match="too small"):
        ...     raise LabError("the disk is too small")
        ✔ fails as promised: too small
    """
    try:
        yield
    except LabError as raised:
        if not isinstance(raised, error):
            raise CheckFailed(
                "it failed with another error than promised",
                wanted=error.__name__,
                seen=f"{type(raised).__name__}: {raised}",
            ) from raised
        if match is not None and match not in str(raised):
            raise CheckFailed(
                "it failed with other words than promised",
                wanted=match,
                seen=str(raised),
            ) from raised
        said = f"fails as promised: {match or stable(raised.what)}"
        print(f"✔ {said}")
        progress.note(said)
    else:
        raise CheckFailed(
            "it should have failed and did not",
            wanted=error.__name__ + (f": {match}" if match else ""),
            seen="no error",
            next="look whether an earlier step already repaired it",
        )


@dataclass(frozen=True)
class Verdict:
    """How far an exercise is.

    Attributes:
        name: The exercise's name.
        passed: How many of its claims are true.
        claims: How many there are.
    """

    name: str
    passed: int
    claims: int

    @property
    def solved(self) -> bool:
        """Whether all claims are true."""
        return self.passed == self.claims

    def __bool__(self) -> bool:
        return self.solved

    def __repr__(self) -> str:
        return f"{self.name}: {self.passed} of {self.claims}"

    def _ipython_display_(self) -> None:
        """Show nothing as a cell's last value: the lines are printed already."""


class Exercise:
    """Collects the claims of one exercise; made by `exercise`.

    Args:
        name: The exercise's name.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._results: list[tuple[str, bool, tuple[str, ...]]] = []

    def claim(self, text: str, fact: object, *hints: str) -> None:
        """Add a claim.

        Args:
            text: What should be true, in words that stay the same.
            fact: Whether it is; a function is called, and an error means it is not.
            hints: What to look at; the first try shows the first, the next the next.
        """
        self._results.append((text, _truth(fact), hints))

    def verdict(self) -> Verdict:
        """Print a line for each claim, with a hint for the first that is not true."""
        missed = [hints for _, true, hints in self._results if not true]
        _attempts[self.name] = _attempts.get(self.name, 0) + 1 if missed else 0
        for text, true, _ in self._results:
            print(f"{'✔' if true else '✘'} {text}")
            if true:
                progress.note(text)
        if not missed:
            progress.note(solved=self.name)
        if missed:
            print(f"  hint: {self._hint(missed[0])}")
        return Verdict(self.name, len(self._results) - len(missed), len(self._results))

    def _hint(self, hints: Sequence[str]) -> str:
        known = [hint for hint in hints if hint] or ["read the task once more"]
        return known[min(_attempts[self.name], len(known)) - 1]

    def __enter__(self) -> Exercise:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is None:
            _require(self.verdict())


@overload
def exercise(name: str) -> Exercise: ...


@overload
def exercise(name: str, first: Claim, /, *claims: Claim) -> Verdict: ...


def exercise(name: str, *claims: Claim) -> Verdict | Exercise:
    """Grade an exercise: a line for each claim, a hint for the first that fails.

    An unsolved exercise is no error, so that a notebook runs as it stands. Use `grade`
    where it has to be solved.

    Args:
        name: The exercise's name.
        claims: For each claim its text, the fact, and hints in the order of tries.
            Without any, the claims are collected in a ``with`` block, which then
            has to be solved.

    Example:
        >>> exercise("sums", ("two and two are four", 2 + 2 == 4, "count again"))
        ✔ two and two are four
        sums: 1 of 1
    """
    collected = Exercise(name)
    if not claims:
        return collected
    for text, fact, *hints in claims:
        collected.claim(str(text), fact, *map(str, hints))
    return collected.verdict()


def grade(name: str, *claims: Claim) -> Verdict:
    """Grade an exercise that has to be solved; see `exercise`.

    Raises:
        CheckFailed: One of the claims is not true.
    """
    collected = Exercise(name)
    for text, fact, *hints in claims:
        collected.claim(str(text), fact, *map(str, hints))
    return _require(collected.verdict())


def stable(text: str) -> str:
    """Return a message without what differs from run to run."""
    for pattern, word in _UNSTABLE:
        text = pattern.sub(word, text)
    return text


def _truth(fact: object) -> bool:
    if not isinstance(fact, Callable):  # type: ignore[arg-type]
        return bool(fact)
    try:
        return bool(fact())  # type: ignore[operator]
    except LabError:
        return False


def _require(verdict: Verdict) -> Verdict:
    if not verdict.solved:
        raise CheckFailed(
            f"exercise '{verdict.name}' is not solved yet",
            wanted=f"all {verdict.claims} claims true",
            seen=f"{verdict.passed} true",
            next="follow the hint and run this cell again; each run shows the next one",
        )
    return verdict
