"""Claims and exercises: one stable line each, and an error where it belongs."""

from __future__ import annotations

import pytest

from k8slab import check
from k8slab.errors import CheckFailed, LabError, NotReady, Unreachable


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
    assert verdict._ipython_display_() is None


def test_a_solved_exercise_is_true(capsys: pytest.CaptureFixture[str]) -> None:
    """A solved exercise prints marks only, and starts its hints over."""
    verdict = check.exercise("solved", ("one", True, "hint"))

    assert bool(verdict)
    assert capsys.readouterr().out == "✔ one\n"


def test_a_fact_may_be_asked_for() -> None:
    """A function is called, and one of our errors means no."""

    def lost() -> bool:
        raise LabError("lost")

    verdict = check.exercise("asked", ("yes", lambda: True, ""), ("no", lost, ""))

    assert (verdict.passed, verdict.claims) == (1, 2)


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
