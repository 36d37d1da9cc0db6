"""Run kubectl and shell scripts from cells as an operator types them."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable, Sequence
from typing import Any

from IPython.core.getipython import get_ipython

from .cluster import guard, session
from .cluster.client import Cluster
from .errors import BadInput, CommandTimeout

TIMEOUT_S = 120.0
ENDLESS_S = 10.0
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def register(cluster: Cluster) -> None:
    """Make a cluster the session's, with ``%kubectl`` and ``%%on`` in a notebook."""
    session.use(cluster)
    shell: Any = get_ipython()
    if shell is not None:
        shell.register_magic_function(kubectl, "line", "kubectl")
        shell.register_magic_function(on, "cell", "on")


def kubectl(line: str) -> None:
    """Run kubectl on the lab's cluster: ``%kubectl get pods``.

    What it prints appears as it prints it. The default namespace is the chapter's.
    After 120 seconds, or the time its own ``--timeout`` gives, it is ended; commands
    that would go on for ever (``--watch``, ``logs -f``, ``proxy``) are ended without
    an error after 10 seconds, or after their ``--request-timeout``.

    Raises:
        BadInput: The line cannot be read, or wants a terminal.
        Refused: The arguments could reach another cluster.
        CommandFailed: kubectl ended with an exit code other than 0.
        CommandTimeout: It did not end in time.
    """
    argv = _words(line)
    guard.kubectl_arguments(argv)
    own = guard.own_arguments(argv)
    _refuse_terminal(own)
    endless = _is_endless(own)
    limit = _limit(own, endless=endless)
    try:
        session.current().kubectl(argv, timeout=limit, on_line=_printer())
    except CommandTimeout:
        if not endless:
            raise
        print(f"(ended after {limit:g} s)")


def on(line: str, cell: str) -> None:
    """Run the cell as a shell script on a machine: ``%%on node1``.

    The script stops at its first failing command. ``%%on node1 --timeout 300`` gives
    it more time than the 120 seconds it has by default.

    Raises:
        BadInput: The first line names no machine.
        UnknownMachine: The lab has no such machine.
        CommandFailed: The script ended with an exit code other than 0.
        CommandTimeout: It did not end in time.
    """
    words = _words(line)
    machine, timeout = _on_arguments(words)
    shell = session.current().on(machine)
    shell.script(cell, timeout=timeout, on_line=_printer())


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError as error:
        raise BadInput(
            "this line cannot be read as a command",
            wanted="quotes that are closed",
            seen=f"{error}: {line}",
        ) from error


def _on_arguments(words: Sequence[str]) -> tuple[str, float]:
    usage = "%%on MACHINE, or %%on MACHINE --timeout SECONDS"
    names = [word for word in words if not word.startswith("-")]
    joined = " ".join(words)
    match = re.fullmatch(r"(\S+)(?:\s+--timeout[ =](\d+(?:\.\d+)?))?", joined)
    if match is None or not names:
        raise BadInput("which machine?", wanted=usage, seen=f"%%on {joined}")
    return match.group(1), float(match.group(2) or TIMEOUT_S)


def _refuse_terminal(own: Sequence[str]) -> None:
    follow = "logs" in own
    flags = {flag for flag, _ in guard.flags_of(own, follow=follow)}
    wants = flags & {"-t", "--tty"}
    if guard.verb_of(own) == "edit":
        wants = {"edit"}
    if wants:
        raise BadInput(
            "a cell has no terminal",
            wanted="a command that needs no keyboard",
            seen="kubectl " + " ".join(own),
            next="leave out -it and give the command after --, or use a terminal of "
            "JupyterLab and 'k8slab kubectl'",
        )


def _is_endless(own: Sequence[str]) -> bool:
    verb = guard.verb_of(own)
    flags = {
        (flag, value)
        for flag, value in guard.flags_of(own, follow=verb == "logs")
        if value != "false"
    }
    names = {flag for flag, _ in flags}
    if verb in ("proxy", "port-forward", "attach"):
        return True
    if verb == "logs":
        return bool(names & {"-f", "--follow"})
    watching = {"-w", "--watch", "--watch-only"}
    return verb in ("get", "events") and bool(names & watching)


def _limit(own: Sequence[str], *, endless: bool) -> float:
    """Return the seconds a command gets, which it may give itself."""
    flags = dict(guard.flags_of(own, follow="logs" in own))
    own_limit = flags.get("--request-timeout" if endless else "--timeout", "")
    parts = _DURATION.findall(own_limit)
    given = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    if endless:
        return min(given, TIMEOUT_S) or ENDLESS_S
    return max(TIMEOUT_S, given + 5)


def _printer() -> Callable[[str], None]:
    """Return a function that prints lines where this cell's output goes."""
    # The runner calls it from threads, and a thread's own stdout may be another one.
    # Nothing is flushed: the kernel does that five times a second by itself.
    stream = sys.stdout

    def show(line: str) -> None:
        stream.write(line + "\n")

    return show
