"""Run every test, step by step, in labs of the tests' own; 'make test' calls this."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from paths import K8SLAB, ROOT, SHARED_BOOK

from k8slab.core.signals import deferred, terminable, undisturbed
from labmaker.bundle.components import on_demand

Command = Sequence[str | Path]
OUT = ROOT / "artefacts"
BOOK = OUT / "book"
# Pytest's workers, as it calls them: chapters have one more than processors, for much
# of a chapter is waiting.
WORKERS = ("gw0", "gw1", "gw2")
# The labs that chapters under test act on, one for each worker (conftest.py names them
# so); never the reader's, which is called "default".
LAB = "test"
LABS = [f"{LAB}-{worker}" for worker in WORKERS]
# Tests in tests/cluster that need no lab that others share: with those of JupyterLab
# they take about as long as all the rest.
APART = ("bare", "going_back", "interrupt", "inventory", "providers")
REMOVAL = "removal of the labs"
INTERRUPTED = 130
"""The exit code of a run that Ctrl-C or a termination ended."""


@dataclass(frozen=True)
class Step:
    """One command of a run.

    Attributes:
        name: What the summary calls it.
        command: What is run.
        in_labs: Whether it acts on the tests' labs.
        beside: What runs at the same time, and is shown when both have ended.
    """

    name: str
    command: Command
    in_labs: bool = False
    beside: Command = ()


def pytest(name: str, *arguments: str | Path) -> Command:
    """Return the command that runs tests and writes ``artefacts/NAME.xml``."""
    report = f"--junitxml={OUT / name}.xml"
    return [sys.executable, "-m", "pytest", "--durations=10", *arguments, report]


def steps() -> list[Step]:
    """Return all steps, in their order."""
    # A file's tests share what its fixtures make: machines, add-ons, faults.
    by_file = ["--dist", "loadfile"]
    no_lab = [
        "tests/unit",
        "tests/book",
        "tests/runs",
        "-n",
        "6",
        "--dist",
        "worksteal",
        "--timeout=300",
    ]
    # Those that take longest first.
    chapters = ["-n", str(len(WORKERS)), *by_file, "--no-loadscope-reorder"]
    book = ["tests/browser", "--ignore-glob=*_jupyterlab*.py"]
    jupyterlab = sorted((ROOT / "tests" / "browser").glob("test_jupyterlab*.py"))
    apart = [f"tests/cluster/test_{name}.py" for name in APART]
    return [
        Step("lint", ["make", "lint"]),
        Step("unit and book tests", pytest("unit", *no_lab)),
        Step("this computer", [K8SLAB, "setup", "--tests"]),
        Step("web book", pytest("browser", *book, *by_file, "-n", "2")),
        Step("bundle", [K8SLAB, "bundle", "build", *on_demand()]),
        # Two workers, and no more: to make a lab keeps both processors busy most of the
        # time, and one that is only there keeps a quarter of one.
        Step(
            "cluster tests and JupyterLab",
            pytest("cluster", "tests/cluster", *(f"--ignore={file}" for file in apart)),
            True,
            beside=pytest("apart", *apart, *jupyterlab),
        ),
        Step("chapters", pytest("chapters", "chapters", *chapters), True),
    ]


def removal() -> list[Command]:
    """Return the commands that remove the tests' labs, those of killed runs, too."""
    commands: list[Command] = [[K8SLAB, "down", "--name", lab] for lab in LABS]
    return [*commands, [sys.executable, ROOT / "tests" / "labs.py"]]


def everything(steps: Sequence[Step], removal: Sequence[Command]) -> int:
    """Run the steps until one fails, and say how long each took.

    Labs are removed before the first step that acts on them, for an earlier run may
    have left some, and at the end, however it comes. Ctrl-C and a termination are
    passed to the step, which may tidy up; a second Ctrl-C kills it. Labs are removed
    even so.

    Args:
        steps: What is run.
        removal: The commands that remove labs.

    Returns:
        The exit code: 0, or that of the step that failed, or `INTERRUPTED`.
    """
    code, now, there_are_labs, took = 0, "", False, list[str]()
    try:
        with terminable():
            for step in steps:
                if step.in_labs and not there_are_labs:
                    now, there_are_labs = REMOVAL, True
                    code = _all(removal)
                if code:
                    break
                now = step.name
                print(f"\n== {now}", flush=True)
                began = time.monotonic()
                code = _run(*filter(None, (step.command, step.beside)))
                took.append(f"{time.monotonic() - began:6.0f} s  {now}")
                if code:
                    break
    except KeyboardInterrupt:
        code = INTERRUPTED
    if there_are_labs:
        with undisturbed():
            left = _all(removal)
        if left and not code:
            code, now = left, REMOVAL
    verdict = f"FAILED in: {now}" if code else "passed"
    print("", *took, f"make test: {verdict}", sep="\n", flush=True)
    return code


def _all(commands: Sequence[Command]) -> int:
    """Run all commands, also after one failed; return the first failure's exit code."""
    codes = [_run(command) for command in commands]
    return next((code for code in codes if code), 0)


def _run(*commands: Command) -> int:
    """Run commands at once, each in a session of its own; return a failure's code.

    A terminal's Ctrl-C does not reach them there, so that what they get is up to us.
    What the first one says is seen at once, what others say when all have ended.
    """
    running: list[subprocess.Popen[bytes]] = []
    with ExitStack() as stack:
        later = [stack.enter_context(TemporaryFile()) for _ in commands[1:]]
        try:
            with deferred():
                for command, said in zip(commands, [None, *later], strict=True):
                    running.append(_start(command, said))
            codes = [process.wait() for process in running]
            return next(filter(None, codes), 0)
        except KeyboardInterrupt:
            try:
                _signal(running, signal.SIGINT)
            except KeyboardInterrupt:
                _signal(running, signal.SIGKILL)
            raise
        finally:
            for said in later:
                said.seek(0)
                print(said.read().decode(errors="replace"), end="", flush=True)


def _start(command: Command, said: IO[bytes] | None) -> subprocess.Popen[bytes]:
    """Start a command, which speaks to where this program does, or into a file."""
    return subprocess.Popen(
        command,
        cwd=ROOT,
        start_new_session=True,
        stdout=said,
        stderr=said and subprocess.STDOUT,
    )


def _signal(running: Sequence[subprocess.Popen[bytes]], number: signal.Signals) -> None:
    """Send processes a signal, and wait for their end.

    Not those that have ended: by now somebody else may have their number.
    """
    for process in running:
        if process.poll() is None:
            os.killpg(process.pid, number)  # not waited for yet, so it is its own
    for process in running:
        process.wait()


def ignore_interrupts_alone() -> None:
    """Go on ignoring Ctrl-C in the background of a script, but start no step so.

    Some of their tests press Ctrl-C. A handler is not inherited, unlike ignoring.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, lambda number, frame: None)


def main() -> None:
    """Run it all as 'make test' does."""
    ignore_interrupts_alone()
    OUT.mkdir(exist_ok=True)
    for report in OUT.glob("*.xml"):
        report.unlink()
    shutil.rmtree(BOOK, ignore_errors=True)
    os.environ.update(K8SLAB_REQUIRED="1", K8SLAB_LAB=LAB)
    os.environ[SHARED_BOOK] = str(BOOK)
    sys.exit(everything(steps(), removal()))


if __name__ == "__main__":
    main()
