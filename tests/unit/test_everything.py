"""The steps of 'make test', with commands that take no time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import everything
import pytest
from everything import INTERRUPTED, Step
from paths import ROOT

SEES_IT = {**os.environ, "PYTHONPATH": f"{ROOT / 'tests'}:{ROOT / 'lib'}"}
MARK = ["sh", "-c", 'echo "$0" >>"$MARKS"']
UNTIL_CTRL_C = """
import os, signal, sys, time
signal.signal(signal.SIGINT, lambda *_: sys.exit(3))
print("ready", flush=True)
time.sleep(60)
"""
STUBBORN = UNTIL_CTRL_C.replace("sys.exit(3)", 'print("heard", flush=True)')
RUN = """
import sys, everything
from everything import Step
long = [sys.executable, "-c", {long!r}]
beside = [sys.executable, "-c", {beside!r}]
steps = [Step("labs", ["true"], True), Step("long", long, beside=beside)]
sys.exit(everything.everything(steps, [{removal!r}]))
"""


@pytest.fixture
def marks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file in which commands leave their names."""
    path = tmp_path / "marks"
    path.touch()
    monkeypatch.setenv("MARKS", str(path))
    return path


def run(*steps: Step, removal: str = "removed") -> int:
    """Run steps, and let the removal of labs leave a mark."""
    return everything.everything(steps, [[*MARK, removal]])


def test_steps_run_in_order_between_two_removals(
    marks: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Labs are removed before the first step that acts on them, and at the end."""
    code = run(
        Step("lint", [*MARK, "lint"]),
        Step("cluster", [*MARK, "cluster"], True),
        Step("chapters", [*MARK, "chapters"], True),
    )
    said = capfd.readouterr().out.splitlines()

    assert marks.read_text().split() == [
        *("lint", "removed", "cluster", "chapters", "removed")
    ]
    assert [line.split(" s  ")[-1] for line in said[-4:]] == [
        *("lint", "cluster", "chapters", "make test: passed")
    ]
    assert code == 0


def test_a_failed_step_is_named_and_the_last(
    marks: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its exit code is the run's, and labs are removed before that."""
    code = run(
        Step("cluster", ["sh", "-c", "exit 5"], True),
        Step("chapters", [*MARK, "chapters"], True),
    )

    assert marks.read_text().split() == ["removed", "removed"]
    assert capfd.readouterr().out.endswith("make test: FAILED in: cluster\n")
    assert code == 5


def test_without_labs_nothing_is_removed(marks: Path) -> None:
    """A step that fails before there are labs leaves a reader's computer alone."""
    code = run(Step("lint", ["false"]), Step("cluster", ["true"], True))

    assert (code, marks.read_text()) == (1, "")


def test_labs_that_stay_are_a_failure(
    marks: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Though all tests passed; every command of the removal is tried."""
    last = Step("chapters", [*MARK, "chapters"], True)
    removal = [["sh", "-c", 'grep chapters "$MARKS" && exit 4 || :'], [*MARK, "more"]]
    code = everything.everything([last], removal)

    assert marks.read_text().split() == ["more", "chapters", "more"]
    assert capfd.readouterr().out.endswith("FAILED in: removal of the labs\n")
    assert code == 4


def test_two_commands_run_at_the_same_time(
    marks: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Each waits for the other here; what the second says comes last."""
    meets = 'echo $0; echo $0 >>"$MARKS"; until grep -q $1 "$MARKS"; do :; done'
    first, second = (["sh", "-c", meets, *who] for who in ("ab", "ba"))
    code = run(Step("both", first, beside=[*second]))
    said = capfd.readouterr().out.splitlines()

    assert (code, said[2:4]) == (0, ["a", "b"])
    assert sorted(marks.read_text().split()) == ["a", "b"]


@pytest.mark.parametrize("fails", ["exit 4", "kill -9 $$"])
def test_either_of_two_commands_may_fail(fails: str) -> None:
    """The step has failed then, also by a command that was killed."""
    well, ill = ["true"], ["sh", "-c", fails]

    assert run(Step("both", well, beside=ill)) != 0
    assert run(Step("both", ill, beside=well)) != 0
    assert run(Step("both", well, beside=well)) == 0


def test_a_process_that_has_ended_gets_no_signal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its number may be another's; the one beside it gets it."""
    ended, lives = (
        subprocess.Popen(["sleep", seconds], start_new_session=True)
        for seconds in ("0", "60")
    )
    ended.wait()
    told, send = list[int](), os.killpg

    def note(group: int, number: int) -> None:
        told.append(group)
        send(group, number)

    monkeypatch.setattr(os, "killpg", note)
    everything._signal([ended, lives], signal.SIGKILL)

    assert told == [lives.pid]


def started(long: str) -> subprocess.Popen[str]:
    """Start a run whose last step takes long, and wait until that is at work."""
    beside = UNTIL_CTRL_C.replace("ready", "beside")
    code = RUN.format(long=long, beside=beside, removal=["echo", "removed"])
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env=SEES_IT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    next(line for line in process.stdout if line == "ready\n")
    return process


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_reaches_the_step_and_labs_are_removed(number: int) -> None:
    """A termination means the same."""
    process = started(UNTIL_CTRL_C)
    process.send_signal(number)
    said, _ = process.communicate(timeout=60)

    assert "\nremoved\n" in f"\n{said}"
    assert said.endswith("make test: FAILED in: long\n")
    assert process.returncode == INTERRUPTED


@pytest.mark.slow
def test_a_second_ctrl_c_kills_the_step_and_labs_are_removed() -> None:
    """A step that does not end by the first does not hold the removal up."""
    process = started(STUBBORN)
    process.send_signal(signal.SIGINT)
    assert process.stdout is not None
    assert process.stdout.readline() == "heard\n"
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)

    assert "\nremoved\n" in f"\n{said}"
    assert process.returncode == INTERRUPTED


@pytest.mark.slow
def test_steps_in_the_background_hear_ctrl_c() -> None:
    """A run that ignores Ctrl-C, as a background job of a script, hands it to none."""
    disposition = "import signal; print(signal.getsignal(signal.SIGINT).__name__)"
    code = f"""
import signal, sys, everything
signal.signal(signal.SIGINT, signal.SIG_IGN)
everything.ignore_interrupts_alone()
signal.raise_signal(signal.SIGINT)
step = everything.Step("look", [sys.executable, "-c", {disposition!r}])
sys.exit(everything.everything([step], []))
"""
    said = subprocess.run(
        [sys.executable, "-c", code],
        env=SEES_IT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert "default_int_handler" in said


def test_every_report_that_ci_counts_is_written() -> None:
    """Its script names the files by hand."""
    written = {
        word.rpartition("/")[2]
        for step in everything.steps()
        for word in map(str, [*step.command, *step.beside])
        if word.startswith("--junitxml=")
    }
    counted = (ROOT / ".ci" / "run").read_text("utf-8")

    assert written
    assert {name for name in written if f"artefacts/{name} " not in counted} == set()
