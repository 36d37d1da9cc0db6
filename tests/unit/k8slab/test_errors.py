"""The exception tree, as drawn and as it is."""

from __future__ import annotations

import re

import pytest

from k8slab import errors
from k8slab.errors import (
    CheckFailed,
    CommandFailed,
    CommandTimeout,
    HostProblem,
    LabError,
    NotReady,
    PhaseFailed,
    UnknownMachine,
)


def _tree(base: type[LabError]) -> dict[str, str]:
    """Return each class below a base by name, with its parent's name."""
    found = {}
    for child in base.__subclasses__():
        if child.__module__ == errors.__name__:
            found[child.__name__] = base.__name__
            found.update(_tree(child))
    return found


def test_the_drawn_tree_is_the_real_one() -> None:
    """Every class is drawn at the module's top, under its parent, and no other."""
    drawn: dict[str, str] = {}
    above = {0: "LabError"}
    for line in (errors.__doc__ or "").splitlines():
        if found := re.match(r"( +[│ ]*)[├└]── (\w+)", line):
            depth = len(found[1]) // 4
            above[depth] = found[2]
            drawn[found[2]] = above[depth - 1]

    assert _tree(LabError) == drawn


def test_the_drawn_exit_codes_are_the_real_ones() -> None:
    """Each exit code drawn is its class's; no two drawn codes are alike."""
    text = errors.__doc__ or ""
    drawn = {n: int(c) for n, c in re.findall(r"(\w+) +exit (\d+)", text)}
    real = {name: getattr(errors, name).exit_code for name in drawn}

    assert real == drawn
    assert len(set(drawn.values())) == len(drawn) >= 9


def test_an_error_says_what_where_wanted_seen_and_next() -> None:
    """The text holds the known facts in order, and wraps those of several lines."""
    error = LabError("it broke", where="node1", wanted="a", seen="b\nc", next="mend it")

    assert str(error).splitlines() == [
        "it broke",
        "  where:  node1",
        "  wanted: a",
        "  seen:   b",
        "          c",
        "  next:   mend it",
    ]


def test_facts_that_are_unknown_are_left_out() -> None:
    """An error that only knows what went wrong is one line."""
    assert str(LabError("it broke")) == "it broke"


def test_an_error_keeps_its_facts_as_attributes() -> None:
    """A program reads the facts without parsing the text."""
    error = UnknownMachine("node9", ["master", "node1"])

    assert (error.name, error.known) == ("node9", ("master", "node1"))
    assert (error.wanted, error.exit_code) == ("one of master, node1", 2)


def test_a_failed_command_shows_the_last_lines() -> None:
    """Of a long complaint the last twelve lines are shown; all are kept."""
    text = "".join(f"line {n}\n" for n in range(100))
    error = CommandFailed(["x", "y"], where="node1", returncode=4, stderr=text)

    assert error.seen.splitlines() == [f"line {n}" for n in range(88, 100)]
    assert (error.stderr, error.where) == (text, "node1: x y")


def test_a_failed_command_without_complaint_shows_its_output() -> None:
    """Standard output stands in for a silent standard error."""
    error = CommandFailed(["x"], where="node1", returncode=4, stdout="only this\n")
    silent = CommandFailed(["x"], where="node1", returncode=4)

    assert error.seen == "only this"
    assert silent.seen == "exit code 4 and no output"


def test_a_timeout_is_a_failed_command_that_names_its_limit() -> None:
    """The message names the number that was used."""
    error = CommandTimeout(["x"], where="node1", timeout=2.5)

    assert isinstance(error, CommandFailed)
    assert error.what == "'x' did not end within 2.5 s and was ended"
    assert (error.timeout, error.returncode) == (2.5, 124)


def test_a_failed_phase_hands_on_its_causes_facts() -> None:
    """The reader sees the cause's facts under the phase's name."""
    cause = HostProblem("no disk", where="here", wanted="3", seen="1", next="make room")
    error = PhaseFailed("machines", cause)

    assert error.what == "phase 'machines' failed: no disk"
    assert (error.facts(), error.cause) == (cause.facts(), cause)


@pytest.mark.parametrize("cause", [KeyboardInterrupt(), ValueError("odd")])
def test_a_failed_phase_takes_any_cause(cause: BaseException) -> None:
    """An error that is not ours is named by its kind."""
    assert type(cause).__name__ in PhaseFailed("machines", cause).what


def test_a_false_claim_is_an_assertion() -> None:
    """Test runners count a false claim as a failure, not as an error."""
    with pytest.raises(AssertionError):
        raise CheckFailed("three Pods are ready")


def test_a_notebook_shows_the_text_alone() -> None:
    """The notebook's short form names the kind and no line of code."""
    error = NotReady("Pod web", wanted="Ready", seen="Pending", waited_s=3)

    assert error._render_traceback_() == [f"NotReady: {error}"]


def test_no_error_names_a_password_of_an_address() -> None:
    """Neither the command nor what it said, which readers paste; the rest is there."""
    words = ["env", "GOPROXY=https://ada:secret@proxy.example/go", "go", "list"]
    said = 'Get "https://t0ken@proxy.example/x": EOF'
    error = CommandFailed(words, where="here", returncode=1, stderr=said)

    assert "secret" not in str(error)
    assert "t0ken" not in str(error)
    assert "…@proxy.example/go" in error.where
    assert error.argv == tuple(words)


def test_a_fact_that_is_no_text_is_shown() -> None:
    """What a reader gave in place of a name is part of the message."""
    assert "7" in str(UnknownMachine(7, ["master"]))  # type: ignore[arg-type]
    assert "3" in str(LabError("x", seen=3))  # type: ignore[arg-type]
