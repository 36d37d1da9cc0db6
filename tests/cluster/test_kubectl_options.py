"""What is known of kubectl's options holds for the kubectl that a lab has."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from labs import Lab

from k8slab.kube.kubectl_arguments import LOGS_SWITCHES, LONG_SWITCHES, SWITCHES

_COMMAND = re.compile(r"^  ([a-z][\w-]*) +\S")
_OPTION = re.compile(r"(?m)^ +(?:-(\w), )?--([\w-]+)=(.*):$")
_LOCAL = ("kuberc",)  # changes a file of the reader's, and reaches no cluster


def options(kubectl: Path, *words: str) -> Iterator[tuple[str, str, str]]:
    """Yield each command with its options and their defaults, as its help says."""
    argv = [str(kubectl), *words, "--help"]
    text = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    for letter, name, default in _OPTION.findall(text):
        yield " ".join(words), f"--{name}", default
        if letter:
            yield " ".join(words), f"-{letter}", default
    inside = False
    for line in text.splitlines():
        inside = (inside and line != "") or "Commands" in line.partition(":")[0]
        found = _COMMAND.match(line) if inside else None
        if found and found[1] not in _LOCAL and len(words) < 2:
            yield from options(kubectl, *words, found[1])


def test_a_switch_takes_a_value_in_no_command(main: Lab) -> None:
    """One that did could swallow the -- behind it, and hide another server."""
    every = list(options(main.folder.kubectl))
    switches = {option for _, option, said in every if said in ("true", "false")}
    valued = [each for each in every if each[2] not in ("true", "false")]

    assert len({command for command, _, _ in every}) > 60
    assert [each for each in valued if each[1] in LONG_SWITCHES] == []
    assert switches >= LONG_SWITCHES
    clash = [each for each in valued if each[1].removeprefix("-") in SWITCHES]
    assert clash == [("proxy", "-w", "''")]  # kubectl_arguments knows
    assert switches >= {f"-{letter}" for letter in SWITCHES - {"h"}}
    # Of -xn with an unknown switch x, n would be taken for the value of x.
    short = {option[1:] for option in switches if not option.startswith("--")}
    assert short <= SWITCHES | LOGS_SWITCHES
    in_logs = {f"-{letter}" for letter in LOGS_SWITCHES}
    only = [e for e in every if e[1] in in_logs and e[2] in ("true", "false")]
    assert {command for command, _, _ in only} == {"logs"}
