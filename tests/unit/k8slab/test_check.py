"""Claims and exercises: one stable line each, and an error where it belongs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from k8slab import check
from k8slab.errors import (
    ApiError,
    BadInput,
    CheckFailed,
    LabError,
    NotReady,
    Unreachable,
)


def test_a_true_claim_prints_its_mark(capsys: pytest.CaptureFixture[str]) -> None:
    """A true claim is one line."""
    check.that("three Pods are ready", 3)

    assert capsys.readouterr().out == "✔ three Pods are ready\n"


def test_a_false_claim_raises_with_its_hint(capsys: pytest.CaptureFixture[str]) -> None:
    """A false claim is one line and an error that tells what was seen."""
    with pytest.raises(CheckFailed) as caught:
        check.that("no Pod is left", [], hint="look at the selector")

    assert capsys.readouterr().out == "✘ no Pod is left\n"
    assert (caught.value.seen, caught.value.next) == ("[]", "look at the selector")


def test_a_promised_failure_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """The error's own words are printed, without its facts."""
    with check.fails(Unreachable):
        raise Unreachable("nothing answers on node1:31245", where="172.30.1.12")

    assert capsys.readouterr().out == (
        "✔ fails as promised: nothing answers on node1:31245\n"
    )


def test_what_differs_from_run_to_run_is_not_printed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Addresses, UIDs and generated endings are replaced."""
    with check.fails(LabError):
        raise LabError(
            "echo-x7k2p at 10.244.1.7 (0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f) is away"
        )

    assert capsys.readouterr().out == (
        "✔ fails as promised: echo-… at an address (a UID) is away\n"
    )


def test_matching_words_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """With words to match, those are what is printed."""
    with check.fails(LabError, match="does not match"):
        raise LabError("the selector does not match 10.0.0.1")

    assert capsys.readouterr().out == "✔ fails as promised: does not match\n"


def test_no_failure_is_a_failure() -> None:
    """A block that works breaks the promise."""
    with pytest.raises(CheckFailed, match="should have failed"), check.fails(LabError):
        pass


def test_another_failure_breaks_the_promise() -> None:
    """Another error, or other words, break the promise, and the cause is kept."""
    with pytest.raises(CheckFailed) as caught, check.fails(Unreachable):
        raise NotReady("late", wanted="3", seen="2", waited_s=1)
    with pytest.raises(CheckFailed), check.fails(LabError, match="small"):
        raise LabError("too large")

    assert isinstance(caught.value.__cause__, NotReady)


def test_errors_that_are_not_ours_pass() -> None:
    """A mistake in the cell itself is shown as it is."""
    with pytest.raises(ZeroDivisionError), check.fails(LabError):
        print(1 // 0)


def test_hints_come_one_after_the_other(capsys: pytest.CaptureFixture[str]) -> None:
    """Each try shows the next hint of the first claim that fails; nothing is raised."""
    claims = (("one", True, "never"), ("two", False, "first", "second"), ("3", 0, "no"))
    seen = []
    for _ in range(3):
        verdict = check.exercise("hints", *claims)
        seen.append(capsys.readouterr().out.splitlines())

    assert seen[0] == ["✔ one", "✘ two", "✘ 3", "  hint: first"]
    assert [lines[-1] for lines in seen[1:]] == ["  hint: second"] * 2
    assert (verdict.solved, repr(verdict)) == (False, "hints: 1 of 3")
    verdict._ipython_display_()
    assert capsys.readouterr().out == ""


def test_each_claim_has_its_own_first_hint(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Tries of one claim use up no hint of the next, and a true claim begins anew."""
    true = [False, False]
    seen = []
    for at in (0, 0, 1, 0):
        check.exercise(
            "own hints",
            ("one", lambda: true[0], "one's first", "one's second"),
            ("two", lambda: true[1], "two's first", "two's second"),
        )
        seen.append(capsys.readouterr().out.splitlines()[-1])
        true[0] = at == 0 and len(seen) == 2

    assert seen == [
        "  hint: one's first",
        "  hint: one's second",
        "  hint: two's first",
        "  hint: one's first",
    ]


def test_what_was_waited_for_is_not_called_seen(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A wait in vain says what it waited for; that is what was not seen."""

    def two() -> bool:
        what = "2 endpoints of Service front: not within 2 s"
        raise NotReady(what, wanted="2 ready", seen="3 ready", waited_s=2.0)

    check.exercise("waits", ("it reaches two", two, "look"))

    assert capsys.readouterr().out.splitlines() == [
        "✘ it reaches two",
        "  waited for: 2 endpoints of Service front: not within 2 s",
        "  hint: look",
    ]


def test_a_solved_exercise_is_true(capsys: pytest.CaptureFixture[str]) -> None:
    """A solved exercise prints marks and what to do next, and no hint."""
    verdict = check.exercise("solved", ("one", True, "hint"))

    assert bool(verdict)
    assert capsys.readouterr().out == "✔ one\nSolved: compare with the solution.\n"


def test_a_fact_may_be_asked_for() -> None:
    """A function is called, and one of our errors means no."""

    def lost() -> bool:
        raise LabError("lost")

    verdict = check.exercise("asked", ("yes", lambda: True, ""), ("no", lost, ""))

    assert (verdict.passed, verdict.claims) == (1, 2)


def not_found() -> bool:
    """Ask for an object that is not there, as the API server answers it."""
    answer = '{"reason": "NotFound", "message": "pods \\"web\\" not found"}'
    raise ApiError(404, where="GET /api/v1/pods/web", body=answer)


def test_an_exercise_that_has_not_begun_costs_no_hint(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Its start cell made the names that the grader asks; it is told, as often."""
    unknown = lambda: nobody  # type: ignore[name-defined] # noqa: E731, F821
    for _ in range(3):
        check.exercise("begun", ("one", lambda: True), ("two", unknown, "a", "b"))
    told = capsys.readouterr().out
    check.exercise("begun", ("one", lambda: True), ("two", lambda: False, "a", "b"))

    assert told.count("  seen: name 'nobody' is not defined: run the") == 3
    assert "hint" not in told
    assert "  hint: a\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("fact", "seen"),
    [
        (lambda: dict[str, str]()["resources"], "there is no resources yet"),
        (lambda: [][0], "there is none yet"),
        (lambda: {"spec": None}["spec"]["x"], "is not there yet"),  # type: ignore[index]
        (lambda: [None][0].name, "is not there yet"),  # type: ignore[attr-defined]
        (lambda: next(iter([])), "is not there yet"),
        (lambda: int("10.5.x"), "is not there yet"),
        (not_found, 'pods "web" not found; run the exercise\'s start cell again'),
    ],
)
def test_a_grader_never_breaks(
    capsys: pytest.CaptureFixture[str], fact: object, seen: str
) -> None:
    """What a fact looks for and does not find means no, in a plain line."""
    verdict = check.exercise("pending", ("one", True), ("two", fact, "look"))
    lines = capsys.readouterr().out.splitlines()

    assert (verdict.passed, lines[:2]) == (1, ["✔ one", "✘ two"])
    assert lines[2].startswith("  seen: ")
    assert seen in lines[2]
    assert lines[3] == "  hint: look"


def test_a_mistake_of_another_kind_is_not_hidden(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A fact that divides by zero is a mistake of the book; its name is shown."""
    assert not check.exercise("wrong", ("one", lambda: 1 // 0))
    assert "seen: ZeroDivisionError: " in capsys.readouterr().out


def test_hints_are_fetched_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the files beside the chapters, by exercise and claim, in their order."""
    (tmp_path / "chapters" / "_hints").mkdir(parents=True)
    file = tmp_path / "chapters" / "_hints" / "x.yaml"
    file.write_text("named:\n  it runs:\n  - first\n  - second\n")
    monkeypatch.chdir(tmp_path / "chapters")
    for _ in range(3):
        check.exercise("named", ("it runs", lambda: False))
    hints = [line for line in capsys.readouterr().out.splitlines() if "hint" in line]

    assert hints == ["  hint: first", "  hint: second", "  hint: second"]
    file.write_text("other:\n  it runs: just one\n")
    check.exercise("other", ("it runs", lambda: False))
    assert "  hint: just one\n" in capsys.readouterr().out
    for broken, seen in (
        ("- a list\n", "a list"),
        ("text\n", "a str"),
        ("named:\n- a list\n", "a list"),
        ("named: {it runs: [a\n", "while parsing"),
    ):
        file.write_text(broken)
        with pytest.raises(BadInput, match=r"_hints/x\.yaml") as caught:
            check.exercise("named", ("it runs", lambda: False))
        assert caught.value.seen.startswith(seen)


def test_tab_lists_what_is_for_readers() -> None:
    """Four names, and nothing that the module needs itself."""
    assert check.__all__ == ["exercise", "fails", "grade", "that"]


def test_grade_wants_a_solution() -> None:
    """Where an exercise has to be solved, an unsolved one raises."""
    with pytest.raises(CheckFailed, match="exercise 'graded' is not solved yet"):
        check.grade("graded", ("one", False, "hint"))


def test_claims_are_collected_in_a_block() -> None:
    """A block collects claims and has to be solved at its end."""

    def block() -> None:
        with check.exercise("block") as task:
            task.claim("one", True)
            task.claim("two", False, "hint")

    with pytest.raises(CheckFailed, match="seen:   1 true"):
        block()


def test_a_block_without_a_claim_solves_nothing() -> None:
    """As where the Pods are gone that each should have had its claim."""

    def block(found: list[str]) -> None:
        with check.exercise("block") as task:
            for name in found:
                task.claim(f"{name} is ready", True)

    with pytest.raises(BadInput, match="no claim"):
        block([])
    block(["web-1"])


@pytest.mark.parametrize(
    "error",
    [ZeroDivisionError(), OSError("gone"), AssertionError(), RecursionError()],
    ids=lambda error: type(error).__name__,
)
def test_no_error_of_a_fact_ends_the_cell(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever a fact meets means no; Ctrl-C still ends the cell."""

    def fact() -> bool:
        raise error

    assert not check.exercise("any", ("one", fact, "look"))
    assert "hint: look" in capsys.readouterr().out

    def pressed() -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check.exercise("any", ("one", pressed, "look"))


@pytest.mark.parametrize(
    "value", ["1".isdigit, (x for x in "a"), map(int, "1")], ids=lambda v: str(type(v))
)
def test_what_is_always_true_is_no_fact(value: object) -> None:
    """A check that forgot its call could never fail."""
    for judge in (
        lambda: check.that("it is", lambda: value),
        lambda: check.exercise("x", ("it is", lambda: value)),
    ):
        with pytest.raises(BadInput, match="always true: it is") as caught:
            judge()
        assert "call it" in caught.value.next


class Later:
    """What a coroutine is, without the warning that nobody awaited it."""

    def __await__(self) -> Iterator[object]:
        """Give it at once."""
        return iter(())


@pytest.mark.parametrize(
    ("value", "way"),
    [(Later(), "await"), ((False, "hint"), "alone"), (([], ""), "alone")],
)
def test_what_was_not_awaited_or_has_a_message_is_no_fact(
    value: object, way: str
) -> None:
    """A coroutine is true, and so is a pair, whatever its first half is."""
    for judge in (
        lambda: check.that("it is", value),
        lambda: check.exercise("x", ("it is", lambda: value)),
    ):
        with pytest.raises(BadInput, match="always true: it is") as caught:
            judge()
        assert way in caught.value.next


@pytest.mark.parametrize(
    ("value", "way"),
    [
        ([True, False], "all("),
        ((False, False, False), "all("),
        ({False}, "all("),
        ({"web-1": False}, "values()"),
        ("no\n", "compare it"),
        ("False", "compare it"),
        ("0", "compare it"),
    ],
    ids=str,
)
def test_answers_that_nobody_read_are_no_fact(value: object, way: str) -> None:
    """A list of noes is true, and so is the word itself, as kubectl prints it."""
    for judge in (
        lambda: check.that("they are ready", value),
        lambda: check.exercise("x", ("they are ready", lambda: value)),
    ):
        with pytest.raises(BadInput, match="always true: they are ready") as caught:
            judge()
        assert way in caught.value.next
    check.that("a number was printed, and a word", ["3", "no"])


def test_other_tuples_are_facts(capsys: pytest.CaptureFixture[str]) -> None:
    """Those that are found are as many as they are."""
    check.that("some are found", (1, 2))
    check.that("both versions answered", ("v1", "v2"))
    with pytest.raises(CheckFailed):
        check.that("none is found", ())

    assert capsys.readouterr().out == (
        "✔ some are found\n✔ both versions answered\n✘ none is found\n"
    )


def test_a_function_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    """As graders do, so that the two are not mixed up."""
    with pytest.raises(CheckFailed):
        check.that("it is", lambda: False)
    check.that("it is", lambda: True)

    assert capsys.readouterr().out == "✘ it is\n✔ it is\n"


@pytest.mark.parametrize(
    ("fact", "seen"),
    [
        (lambda: dict[str, int]()["readyReplicas"] == 3, "KeyError: 'readyReplicas'"),
        (lambda: [][0], "IndexError: list index out of range"),
        (lambda: int("<none>") == 3, "ValueError: invalid literal"),
        (lambda: [None][0]["phase"], "TypeError: 'NoneType'"),  # type: ignore[index]
    ],
)
def test_what_a_function_does_not_find_means_no(
    fact: object, seen: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """As in an exercise; the claim is told, and what was met, with its trace."""
    with pytest.raises(CheckFailed, match="not true: three are ready") as caught:
        check.that("three are ready", fact, hint="look at its status")

    assert capsys.readouterr().out == "✘ three are ready\n"
    assert caught.value.seen.startswith(seen)
    assert (caught.value.next, caught.value.__cause__ is None) == (
        "look at its status",
        False,
    )
    with pytest.raises(ApiError):
        check.that("it is there", not_found)


@pytest.mark.parametrize("claim", [2 + 2 == 5, lambda: False, None, ["two"]])
def test_a_fact_in_the_place_of_its_claim_is_refused(
    claim: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """The text behind it would be the fact, and a text is always true."""
    block = check.exercise("swapped")
    for swapped in (check.that, block.claim):
        with pytest.raises(BadInput, match="a claim is a text") as caught:
            swapped(claim, "two and two are five")
        assert caught.value.next == "put the text first, then the fact"

    assert capsys.readouterr().out == ""
