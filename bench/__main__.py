"""Measure what is asked for, and write it down: ``python -m bench``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from k8slab.errors import LabError

from . import bring_up, chapters, commands, host, memory, report, waiting
from .labs import LAB, k8slab, own_home, removed, say
from .report import Section

PARTS = ("up", "wait", "commands", "memory", "chapters")
RUNS, TRIALS = 5, 10
RESULTS = host.ROOT / "bench" / "RESULTS.md"
PARTIAL = host.ROOT / "artefacts" / "bench.md"


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, write the report and return the exit code."""
    asked = _arguments(argv)
    try:
        with own_home():
            sections = _measure(asked.only or PARTS, asked.runs, asked.trials)
    except LabError as error:
        say(f"bench: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        say("bench: interrupted; no report was written")
        return 130
    if asked.into:
        report.merge(asked.into, sections[1:])  # its own first section stays true
    else:
        ended = Section("End")
        ended.say(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC; load {host.load():.1f}.")
        report.write(asked.out, "Measurements", [*sections, ended])
    say(f"written: {asked.into or asked.out}")
    return 0


def _measure(parts: Sequence[str], runs: int, trials: int) -> list[Section]:
    sections = [host.describe(runs, trials)]
    if "up" in parts:
        sections += bring_up.measure(runs)
    if {"wait", "commands", "memory"} & set(parts):
        with removed(LAB):
            say("one lab for what follows")
            k8slab("up", "--name", LAB)
            if "memory" in parts:  # first: nothing has run on it yet
                sections.append(memory.measure(LAB))
            if "wait" in parts:
                sections += waiting.measure(LAB, trials)
            if "commands" in parts:
                sections.append(commands.measure_lab(runs))
            if "memory" in parts:  # last: what they cached stays
                sections.append(memory.with_addons(LAB))
    if "commands" in parts:
        sections.append(commands.measure_idle(runs))
    if "chapters" in parts:
        sections.append(chapters.measure())
    return sections


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--runs", type=_count, default=RUNS, help="how often each")
    parser.add_argument("--trials", type=_count, default=TRIALS, help="of each wait")
    parser.add_argument("--only", nargs="+", choices=PARTS, help="these parts only")
    parser.add_argument("--out", type=Path, help="the report's file")
    parser.add_argument("--into", type=Path, help="a report whose other parts stay")
    asked = parser.parse_args(argv)
    if asked.into and not report.is_one(asked.into):
        parser.error(f"--into: {asked.into} is no report")
    asked.out = asked.out or (PARTIAL if asked.only else RESULTS)
    return asked


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not 1 or more")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
