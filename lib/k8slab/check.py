"""Check claims, and say the result in one stable line each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import yaml

from . import progress
from .core import facts, given
from .errors import (
    BadInput,
    CheckFailed,
    LabError,
    NoFact,
    NoMachines,
    NotBegun,
    NotReady,
)

__all__ = ["exercise", "fails", "grade", "that"]

Claim = Sequence[object]
HINTS = "_hints"
"""The folder beside the chapters that keeps the hints of their exercises."""
_NOT_THERE = (TypeError, ValueError, AttributeError, StopIteration)
"""What a fact meets when what it asks for is not there yet."""
_NOT_BEGUN = (NameError, NotBegun)

# What a cluster makes up, which lines that nbval compares never hold.
ADDRESS = re.compile(r"\b\d{1,3}(\.\d{1,3}){3}\b")
UID = re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
SUFFIX = re.compile(r"(?<=[a-z0-9])-[bcdfghjklmnpqrstvwxz2456789]{5}\b")
"""The end of a generated name."""
_UNSTABLE = ((ADDRESS, "an address"), (UID, "a UID"), (SUFFIX, "-…"))
_attempts: dict[str, int] = {}


def that(claim: str, fact: object, *, hint: str = "") -> None:
    """Print a claim with a mark when it is true, and raise when it is not.

    Args:
        claim: What should be true, in words that stay the same.
        fact: Whether it is: anything that is true or false. A function is called, and
            what it looks for and does not find means no.
        hint: What to look at when it is not.

    Raises:
        BadInput: The claim is no text; or the fact is always true: a function, a
            generator, a coroutine, a pair of a value and a message, a list of what is
            true or false, or the text of an answer, as "no".
        CheckFailed: It is not true.

    Example:
        >>> that("two and two are four", 2 + 2 == 4)
        ✔ two and two are four
    """
    claim = _text(claim)
    missed: Exception | None = None
    try:
        fact = _asked(claim, fact)
    except (LookupError, *_NOT_THERE) as error:
        fact, missed = False, error
    if fact:
        print(f"✔ {claim}")
        progress.note(claim)
        return
    print(f"✘ {claim}")
    raise CheckFailed(
        f"not true: {claim}",
        wanted=claim,
        seen=repr(fact) if missed is None else f"{type(missed).__name__}: {missed}",
        next=hint or "look at what the cells above show, then run this one again",
    ) from missed


@contextmanager
def fails(error: type[LabError], match: str | None = None) -> Iterator[None]:
    """Assert that a block raises an error, and print what it says.

    Args:
        error: The error that has to come.
        match: Words its message has to hold; these are printed then.

    Raises:
        BadInput: That is no error of this book, or these are no words; the block did
            not run.
        CheckFailed: Nothing was raised, or another error of this book; an error of
            Python's own is raised as it is.
        NoMachines: The block needs a machine, which an adopted cluster does not give:
            nothing is known of its claim.

    Example:
        >>> with fails(LabError, match="too small"):
        ...     raise LabError("the disk is too small")
        ✔ fails as promised: too small
    """
    if not isinstance(error, type) or not issubclass(error, LabError):
        raise BadInput(
            "that is no error that could be promised",
            wanted="one class of k8slab.errors, without quotes: check.fails(BadInput)",
            seen=repr(error),
            next="from k8slab.errors import BadInput",
        )
    if not isinstance(match, str | None):
        raise BadInput("match takes words", wanted="a text", seen=repr(match))
    try:
        yield
    except LabError as raised:
        if isinstance(raised, NoMachines) and error is not NoMachines:
            raise
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


@dataclass(frozen=True)
class _Judged:
    """A claim, whether it is true, its hints, and why nobody can tell yet.

    Before the exercise's start cell has run there is nothing to tell at all.
    """

    text: str
    true: bool
    hints: tuple[str, ...]
    pending: str = ""
    begun: bool = True


class Exercise:
    """Collects the claims of one exercise; made by `exercise`.

    Args:
        name: The exercise's name.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._judged: list[_Judged] = []

    def claim(self, text: str, fact: object, *hints: str) -> None:
        """Add a claim.

        Args:
            text: What should be true, in words that stay the same.
            fact: Whether it is: a function that is called here, so that what is not
                there yet means no instead of ending the cell.
            hints: What to look at; the first try shows the first, the next the next.
                Those of the file of hints by default; see `exercise`.

        Raises:
            BadInput: The text is none; what the fact returns is always true, see
                `that`; or a file of hints cannot be read.
        """
        text = _text(text)
        known = hints or _hints(self.name, text)
        try:
            self._judged.append(_Judged(text, bool(_asked(text, fact)), tuple(known)))
        except NoFact:
            raise
        except Exception as error:  # noqa: BLE001 - a fact may meet anything
            pending, begun = _pending(error), not isinstance(error, _NOT_BEGUN)
            self._judged.append(_Judged(text, False, tuple(known), pending, begun))

    def verdict(self) -> Verdict:
        """Print a line for each claim, with a hint for the first that is not true.

        An exercise that has not begun is told to be so; that is no try.
        """
        missed = [each for each in self._judged if not each.true]
        begun = all(each.begun for each in missed)
        if begun:
            self._count(missed[:1])
        for each in self._judged:
            print(f"{'✔' if each.true else '✘'} {each.text}")
            if each.true:
                progress.note(each.text)
        if not begun:
            print(f"  {next(e.pending for e in missed if not e.begun)}")
        elif missed:
            if missed[0].pending:
                print(f"  {missed[0].pending}")
            print(f"  hint: {self._hint(missed[0])}")
        elif self._judged:
            progress.note(solved=self.name)
            print("Solved: compare with the solution.")
        return Verdict(self.name, len(self._judged) - len(missed), len(self._judged))

    def _count(self, hinted: Sequence[_Judged]) -> None:
        """Count a try for the claim that gets a hint; one that is true begins anew.

        Tries before a restart of the kernel are known from the reader's record.
        """
        for each in self._judged:
            key = self._key(each)
            before = _attempts.setdefault(key, progress.tries(key))
            if each in hinted:
                _attempts[key] += 1
            elif each.true:
                _attempts[key] = 0
            if _attempts[key] != before:
                progress.note(tries=(key, _attempts[key]))

    def _hint(self, missed: _Judged) -> str:
        known = [hint for hint in missed.hints if hint] or ["read the task once more"]
        return known[min(_attempts[self._key(missed)], len(known)) - 1]

    def _key(self, judged: _Judged) -> str:
        return f"{self.name}: {judged.text}"

    def __enter__(self) -> Exercise:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is None and not self._judged:
            raise BadInput(
                "this exercise has no claim, so nothing solves it",
                where=f"exercise '{self.name}'",
                wanted='one or more, as task.claim("three Pods", lambda: 3 == 3)',
                seen="none",
                next="see whether what the block goes through is empty",
            )
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

    A fact is a function, as ``lambda: ns.ready_pods("app=web") == 3``: it is called
    here, and what it looks for and does not find means no. Hints stand behind the
    fact; without any they come from the folder ``_hints`` beside the chapter: YAML
    files that hold, for each exercise and each of its claims, a list of hints.

    Args:
        name: The exercise's name.
        claims: For each claim its text, the fact, and hints in the order of tries.
            Without any, the claims are collected in a ``with`` block, which then
            has to be solved.

    Raises:
        BadInput: One of the claims is no text with its fact, and none is judged; or
            what a fact returns is always true, a file of hints cannot be read, or a
            ``with`` block has no claim.
        CheckFailed: At the end of a ``with`` block: one of the claims is not true.

    Example:
        >>> exercise("sums", ("two and two are four", lambda: 2 + 2 == 4))
        ✔ two and two are four
        Solved: compare with the solution.
        sums: 1 of 1
    """
    return _collected(name, claims).verdict() if claims else Exercise(name)


def grade(name: str, *claims: Claim) -> Verdict:
    """Grade an exercise that has to be solved; see `exercise`.

    Raises:
        BadInput: There is no claim, or one is none that could be judged.
        CheckFailed: One of the claims is not true.
    """
    if not claims:
        raise _no_claim(name, "none")
    return _require(_collected(name, claims).verdict())


def _collected(name: str, claims: Sequence[Claim]) -> Exercise:
    """Return an exercise with its claims, once all of them are known to be some."""
    for each in claims:
        is_claim = isinstance(each, tuple | list) and len(each) > 1
        if not is_claim or not isinstance(each[0], str):
            raise _no_claim(name, repr(each)[:200])
    collected = Exercise(name)
    for text, fact, *hints in claims:
        collected.claim(str(text), fact, *map(str, hints))
    return collected


def _no_claim(name: str, seen: str) -> BadInput:
    return BadInput(
        "a claim is a text and its fact, in parentheses of their own",
        where=f"exercise '{name}'",
        wanted=f'check.exercise("{name}", ("three Pods", lambda: 3 == 3))',
        seen=seen,
    )


def stable(text: str) -> str:
    """Return a message without what differs from run to run."""
    for pattern, word in _UNSTABLE:
        text = pattern.sub(word, text)
    return text


def _text(claim: object) -> str:
    """Return a claim's text; refuse a fact in its place, which nobody would ask."""
    said = given.plain(claim)
    given.of_kind(
        said,
        str,
        "a claim is a text",
        wanted='words, and the fact behind them: "two are two", 2 == 2',
        next="put the text first, then the fact",
    )
    return str(said)


def _asked(claim: str, fact: object) -> object:
    said = fact() if callable(fact) else fact
    return facts.fact(said, f"{facts.ALWAYS}: {claim}")


def _pending(error: BaseException) -> str:
    """Return the line that says what a fact met, or waited for and never saw."""
    if isinstance(error, NotReady):
        return f"waited for: {stable(error.what)}"
    return f"seen: {_why_pending(error)}"


def _why_pending(error: BaseException) -> str:
    """Return in plain words why a fact cannot be judged, and what helps."""
    again = "run the exercise's start cell again"
    if isinstance(error, _NOT_BEGUN):
        said = error.what if isinstance(error, NotBegun) else str(error)
        return f"{said}: {again}"
    if isinstance(error, LabError):
        status = getattr(error, "status", 0)
        gone = "not found" in f"{error.what} {error.seen}".lower() or status == 404
        said = error.seen if status else error.what
        return f"{stable(said)}; {again}" if gone else stable(said)
    if isinstance(error, LookupError):
        wanted = error.args[0] if error.args and isinstance(error, KeyError) else ""
        missing = f"there is no {wanted} yet" if wanted else "there is none yet"
        return f"{missing}; if the start cell made it, {again}"
    if isinstance(error, _NOT_THERE):
        return (
            f"what this asks for is not there yet; if the start cell made it, {again}"
        )
    return stable(f"{type(error).__name__}: {error}; {again}")


def _hints(exercise: str, claim: str) -> list[str]:
    """Return a claim's hints from the nearest folder of hints, looking upwards.

    Raises:
        BadInput: A file in it is not what it should be.
    """
    here = Path.cwd()
    for folder in (here, *here.parents):
        files = sorted((folder / HINTS).glob("*.yaml"))
        for path in files:
            try:
                found = yaml.safe_load(path.read_text(encoding="utf-8"))
                for key in (exercise, claim):
                    if not isinstance(found, dict | None):
                        raise ValueError(f"a {type(found).__name__}")
                    found = (found or {}).get(key)
            except (ValueError, yaml.YAMLError) as error:
                raise BadInput(
                    "this file holds no hints",
                    where=f"{HINTS}/{path.name}",
                    wanted="exercise: claim: a list of hints",
                    seen=" ".join(str(error).split()),
                ) from error
            if found:
                return [found] if isinstance(found, str) else [str(e) for e in found]
        if files:
            break
    return []


def _require(verdict: Verdict) -> Verdict:
    if not verdict.solved:
        raise CheckFailed(
            f"exercise '{verdict.name}' is not solved yet",
            wanted=f"all {verdict.claims} claims true",
            seen=f"{verdict.passed} true",
            next="follow the hint and run this cell again; each run shows the next one",
        )
    return verdict
