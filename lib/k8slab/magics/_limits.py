"""Know a command's time, whether it needs a terminal, and which ends are answers."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence

from ..errors import BadInput
from ..kube import kubectl_arguments

TIMEOUT_S = 120.0
ENDLESS_S = 10.0
MARGIN_S = 5.0
"""Seconds beyond a command's own time-out, so that it can tell of it itself."""
TERMINAL = "a terminal of JupyterLab (File, New, Terminal)"
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)?")
_SECONDS = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0, "h": 3600.0}
_WITH_TIMEOUT = (["wait"], ["delete"], ["drain"], ["apply"], ["replace"])
_SERVERS = ("port-forward", "proxy", "attach")
"""Commands that go on until somebody ends them, and are of use meanwhile."""
_EDITS_LAST = ["apply", "edit-last-applied"]
_NO_TERMINAL = {
    "exec": "leave out -it and give the command after --; or ",
    "run": "leave out -t, keep -i, and give the command after --; or ",
    "debug": "leave out -t, keep -i, and give the command after --; or ",
}
_TIMED_OUT = re.compile("timed out waiting|global timeout reached")
_COULD_NOT_ASK = re.compile(
    r"(?m)^(error:|Error from server|Unable to connect|The connection to the server)"
)


def seconds(duration: str) -> float:
    """Return a duration in seconds: ``90``, ``90s``, ``5m``, ``1m30s``; else 0."""
    if not re.fullmatch(rf"(?:{_DURATION.pattern})+", duration):
        return 0.0
    parts = _DURATION.findall(duration)
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def refuse_terminal(
    own: Sequence[str], shown: Sequence[str], *, typed: str, namespace: str
) -> None:
    """Refuse what needs a keyboard, or would never give the cell back.

    Args:
        own: kubectl's own arguments.
        shown: All of them, as a terminal takes them, with what a Pod runs.
        typed: The command as it was typed.
        namespace: Where they would have acted.

    Raises:
        BadInput: With the command that does it in a terminal.
    """
    verb = kubectl_arguments.verb_of(own)
    if _asks_for_help(own):
        return
    given = list(kubectl_arguments.flags_of(own))
    flags = {flag: value for flag, value in given if value != "false"}
    elsewhere = ["kubectl", *shown]
    if not flags.keys() & {"-n", "--namespace", "-A", "--all-namespaces"}:
        elsewhere[1:1] = ["-n", namespace]
    way = f"in {TERMINAL}: {' '.join(elsewhere)}"
    files = ("-f", "--filename", "--patch-file")
    reads = [value for flag, value in given if flag in files]
    if verb != "logs" and "-" in reads:
        raise BadInput(
            "a cell has no standard input",
            wanted="-f with the path of a file below manifests/",
            seen=typed,
            next='or from Python: cluster.kubectl(["apply", "-f", "-"], input=text)',
        )
    wants = flags.keys() & {"-t", "--tty"}
    asks = verb == "delete" and flags.keys() & {"-i", "--interactive"}
    edits = verb == "edit" or "--edit" in flags
    edits = edits or kubectl_arguments.words_of(own)[:2] == _EDITS_LAST
    if wants or asks or (edits and not os.environ.get("KUBE_EDITOR")):
        hint = _NO_TERMINAL.get(verb, "") if wants else ""
        raise BadInput(
            "a cell has no terminal",
            wanted="a command that needs no keyboard",
            seen=typed,
            next=hint + way,
        )
    if verb in _SERVERS and "--request-timeout" not in flags:
        raise BadInput(
            f"kubectl {verb} goes on until it is ended; no other cell runs meanwhile",
            wanted="a terminal, or a time: --request-timeout=20s",
            seen=typed,
            next=way,
        )


def is_endless(own: Sequence[str]) -> bool:
    """Return whether a command goes on until it is ended, and that is no error."""
    verb = kubectl_arguments.verb_of(own)
    if _asks_for_help(own):
        return False
    flags = {
        (flag, value)
        for flag, value in kubectl_arguments.flags_of(own)
        if value != "false"
    }
    names = {flag for flag, _ in flags}
    if verb in _SERVERS:
        return True
    if verb == "logs":
        return bool(names & {"-f", "--follow"})
    watching = {"-w", "--watch", "--watch-only"}
    return verb in ("get", "events") and bool(names & watching)


def limit(own: Sequence[str], *, endless: bool) -> float:
    """Return the seconds a command gets, which it may give itself."""
    flags = dict(kubectl_arguments.flags_of(own))
    request = seconds(flags.get("--request-timeout", ""))
    if endless:
        return min(request, TIMEOUT_S) or ENDLESS_S
    waits = seconds(flags.get("--timeout", ""))
    return max(TIMEOUT_S, waits and waits + MARGIN_S, request)


def is_answer(own: Sequence[str], returncode: int, remarks: str) -> bool:
    """Return whether an exit code is an answer instead of a failure.

    ``diff`` ends with 1 when there are differences, ``auth can-i`` when the answer is
    no; but the latter does so, too, when it could not ask.

    Args:
        own: kubectl's own arguments.
        returncode: How it ended.
        remarks: What it wrote to its standard error.
    """
    words = kubectl_arguments.words_of(own)
    asks = words[:1] == ["diff"]
    if words[:2] == ["auth", "can-i"]:
        asks = not _COULD_NOT_ASK.search(remarks)
    return returncode == 0 or (returncode == 1 and asks)


def timed_out(own: Sequence[str], remarks: str) -> bool:
    """Return whether a command ended at a time-out of its own."""
    return _takes_timeout(own) and bool(_TIMED_OUT.search(remarks))


def more_time(own: Sequence[str], typed: Sequence[str]) -> str:
    """Return how to give a kubectl command more time than it had.

    Args:
        own: kubectl's own arguments, which the option must be one of.
        typed: All its words as they were typed, with what a Pod runs.
    """
    flag = "--timeout" if _takes_timeout(own) else "--request-timeout"
    had = seconds(dict(kubectl_arguments.flags_of(own)).get(flag, ""))
    mine = kubectl_arguments.own_arguments(typed)
    kept = [
        each
        for before, each in zip(["", *mine], mine, strict=False)
        if flag not in (before, each) and not each.startswith(f"{flag}=")
    ]
    option = f"{flag}={max(10, math.ceil(2 * had / 60))}m"
    longer = " ".join([*kept, option, *typed[len(mine) :]])
    return f"give it more time: %kubectl {longer}"


def _takes_timeout(own: Sequence[str]) -> bool:
    words = kubectl_arguments.words_of(own)
    return words[:1] in _WITH_TIMEOUT or words[:2] == ["rollout", "status"]


def _asks_for_help(own: Sequence[str]) -> bool:
    return bool({"-h", "--help"} & set(own))
