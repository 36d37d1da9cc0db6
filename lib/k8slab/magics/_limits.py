"""Know a command's time, whether it needs a terminal, and which ends are answers."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Sequence

from ..errors import BadInput
from ..kube import kubectl_arguments
from ._line import Word

TIMEOUT_S = 120.0
ENDLESS_S = 10.0
MARGIN_S = 5.0
"""Seconds beyond a command's own time-out, so that it can tell of it itself."""
_DEFAULT = "default"
"""The namespace of a terminal; `kube.api` has it, too, and takes long to import."""
TERMINAL = "a terminal of JupyterLab (File, New, Terminal)"
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)?")
_SECONDS = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0, "h": 3600.0}
_WITH_TIMEOUT = (["wait"], ["delete"], ["drain"], ["apply"], ["replace"], ["scale"])
_SERVERS = ("port-forward", "proxy", "attach")
"""Commands that go on until somebody ends them, and are of use meanwhile."""
_EDITS_LAST = ["apply", "edit-last-applied"]
_NO_TERMINAL = {
    "exec": "leave out -it and give the command after --; or ",
    "run": "leave out -t, keep -i, and give the command after --; or ",
    "debug": "leave out -t, keep -i, and give the command after --; or ",
}
_TIMED_OUT = re.compile("timed out waiting|global timeout reached")
_NOT_RUNNING = re.compile("(?m)^error: timed out waiting for the condition$")
_UNTIL_RUNNING = "--pod-running-timeout"
_COULD_NOT_ASK = re.compile(
    r"(?m)^(error:|Error from server|Unable to connect|The connection to the server)"
)


def seconds(duration: str) -> float:
    """Return a duration in seconds: ``90``, ``90s``, ``5m``, ``1m30s``; else 0."""
    if not re.fullmatch(rf"(?:{_DURATION.pattern})+", duration):
        return 0.0
    parts = _DURATION.findall(duration)
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def elsewhere(own: Sequence[str], shown: Sequence[str], namespace: str) -> str:
    """Return a command for a terminal, whose namespace is ``default``.

    Args:
        own: kubectl's own arguments.
        shown: All of them, as a terminal takes them, with what a Pod runs.
        namespace: Where they act here.
    """
    given = {
        flag for flag, value in kubectl_arguments.flags_of(own) if value != "false"
    }
    named = given & {"-n", "--namespace", "-A", "--all-namespaces"}
    where = [] if named or namespace == _DEFAULT else ["-n", namespace]
    return " ".join(["kubectl", *where, *shown])


def refuse_terminal(
    own: Sequence[str],
    words: Sequence[Word],
    pasted: Sequence[str],
    *,
    namespace: str,
    named: bool,
) -> None:
    """Refuse what needs a keyboard, or would never give the cell back.

    Args:
        own: kubectl's own arguments.
        words: All of them as they were typed, with what a Pod runs.
        pasted: The same words as a terminal takes them.
        namespace: Where they would have acted.
        named: Whether names in braces are among the words.

    Raises:
        BadInput: With the command that does it in a terminal.
    """
    verb = kubectl_arguments.verb_of(own)
    if _asks_for_help(own):
        return
    given = list(kubectl_arguments.flags_of(own))
    flags = {flag: value for flag, value in given if value != "false"}
    typed = " ".join(["kubectl", *(each.typed for each in words)])
    values = ", with values in place of the names in braces" if named else ""
    way = f"in {TERMINAL}{values}: {elsewhere(own, pasted, namespace)}"
    files = ("-f", "--filename", "--patch-file")
    reads = [value for flag, value in given if flag in files]
    if verb != "logs" and "-" in reads:
        argv = json.dumps([each.text for each in words], ensure_ascii=False)
        raise BadInput(
            "a cell has no standard input",
            wanted="-f with the path of a file below manifests/",
            seen=typed,
            next=f"or from Python{values}: cluster.kubectl({argv}, input=text)",
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
    waits = max(seconds(flags.get(each, "")) for each in ("--timeout", _UNTIL_RUNNING))
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
    if kubectl_arguments.verb_of(own) == "run":
        return bool(_NOT_RUNNING.search(remarks))
    return _takes_timeout(own) and bool(_TIMED_OUT.search(remarks))


def more_time(
    own: Sequence[str], mine: Sequence[str], rest: Sequence[str] = (), *, said: str = ""
) -> str:
    """Return how to give a kubectl command more time than it had.

    Args:
        own: kubectl's own arguments.
        mine: The words as they were typed, up to that which holds the ``--`` before
            what a Pod runs. The option must be one of them.
        rest: The other words as they were typed.
        said: What it said when it ended at a time-out of its own.
    """
    flag = "--timeout" if _takes_timeout(own) else "--request-timeout"
    if said and kubectl_arguments.verb_of(own) == "run":
        flag = _UNTIL_RUNNING
    had = seconds(dict(kubectl_arguments.flags_of(own)).get(flag, ""))
    kept = [
        each
        for before, each in zip(["", *mine], mine, strict=False)
        if flag not in (before, each) and not each.startswith(f"{flag}=")
    ]
    typed = " ".join([*kept, f"{flag}={longer(had)}", *rest])
    return f"give it more time: %kubectl {typed}"


def longer(had: float) -> str:
    """Return twice a time in seconds, and ten minutes at least, as it is typed."""
    return f"{max(10, math.ceil(2 * had / 60))}m"


def _takes_timeout(own: Sequence[str]) -> bool:
    words = kubectl_arguments.words_of(own)
    return words[:1] in _WITH_TIMEOUT or words[:2] == ["rollout", "status"]


def _asks_for_help(own: Sequence[str]) -> bool:
    return bool({"-h", "--help"} & set(own))
