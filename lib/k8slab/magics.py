"""Run kubectl and shell scripts from cells as an operator types them."""

from __future__ import annotations

import re
import shlex
import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from .core.hints import command
from .core.parallel import in_parallel
from .errors import BadInput, CommandTimeout, LabError
from .kube import current, kubectl_arguments
from .ssh.shell import Shell

if TYPE_CHECKING:  # it takes a second to import, and a kernel's start none of that
    from .kube.cluster import Cluster

TIMEOUT_S = 120.0
ENDLESS_S = 10.0
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def register(cluster: Cluster) -> None:
    """Make a cluster the session's, with ``%kubectl`` and ``%%on`` in a notebook."""
    current.use(cluster)
    _offer()


def register_machines(machines: current.Machines) -> None:
    """Make machines the session's; ``%kubectl`` refuses until they are a cluster."""
    current.use_machines(machines)
    _offer()


def load_ipython_extension(shell: Any) -> None:
    """Make a kernel the book's from its start: ``%load_ext k8slab.magics``."""
    _offer()


def _offer() -> None:
    """Make both magics available in a notebook, with completion and short errors."""
    if "IPython" not in sys.modules:  # no notebook; a command needs none of these
        return
    from IPython.core.getipython import get_ipython

    from .notebook import completion, short_errors

    shell: Any = get_ipython()
    if shell is not None:
        shell.register_magic_function(kubectl, "line", "kubectl")
        shell.register_magic_function(on, "cell", "on")
        completion.offer(shell)
        short_errors.offer(shell)


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
    kubectl_arguments.kubectl_arguments(argv)
    own = kubectl_arguments.own_arguments(argv)
    _refuse_terminal(own)
    endless = _is_endless(own)
    limit = _limit(own, endless=endless)
    try:
        current.current().kubectl(argv, timeout=limit, on_line=_printer())
    except CommandTimeout:
        if not endless:
            raise
        print(f"(ended after {limit:g} s)")


def on(line: str, cell: str) -> None:
    """Run the cell as a shell script on a machine: ``%%on node1``.

    The script stops at its first failing command. ``%%on node1 --timeout 300`` gives
    it more time than the 120 seconds it has by default. ``%%on node1 node2`` runs it
    on both machines side by side, and prints what each says below its name.

    Raises:
        BadInput: The first line names no machine.
        UnknownMachine: The lab has no such machine.
        CommandFailed: The script ended with an exit code other than 0.
        CommandTimeout: It did not end in time.
    """
    words = _words(line)
    names, timeout = _on_arguments(words)
    shells = [current.machines().on(name) for name in names]
    if len(shells) == 1:
        shells[0].script(cell, timeout=timeout, on_line=_printer())
        return
    turns = _Turns(names, _printer())
    tasks = [
        partial(_take_turn, name, shell, cell, timeout, turns)
        for name, shell in zip(names, shells, strict=True)
    ]

    def end() -> None:
        for each in shells:
            each.end()

    for failure in in_parallel(tasks, abort=end):
        if failure is not None:
            raise failure


class _Turns:
    """Print what several machines say, one machine after the other.

    The first is heard while it works; the next ones are once those before them ended.

    Args:
        names: The machines, in their order.
        show: Prints a line.
    """

    def __init__(self, names: Sequence[str], show: Callable[[str], None]) -> None:
        self._waiting = list(names)
        self._lines: dict[str, list[str]] = {name: [] for name in names}
        self._ended: set[str] = set()
        self._show = show
        self._lock = threading.Lock()
        self._said = ""

    def line(self, name: str, text: str) -> None:
        """Print a machine's line when it is its turn, or keep it until then."""
        with self._lock:
            if name == self._waiting[0]:
                self._print(name, text)
            else:
                self._lines[name].append(text)

    def end(self, name: str) -> None:
        """Let the next ones have their turn when this machine's has come to its end."""
        with self._lock:
            self._ended.add(name)
            while self._waiting and self._waiting[0] in self._ended:
                self._waiting.pop(0)
                for text in self._lines[self._waiting[0]] if self._waiting else []:
                    self._print(self._waiting[0], text)

    def _print(self, name: str, text: str) -> None:
        if self._said != name:
            self._show(f"--- {name}")
            self._said = name
        self._show(text)


def _take_turn(
    name: str, shell: Shell, script: str, timeout: float, turns: _Turns
) -> LabError | None:
    """Run a script to its end; a failure must not end it on the other machines."""
    try:
        shell.script(
            script, timeout=timeout, on_line=lambda text: turns.line(name, text)
        )
    except LabError as error:
        return error
    finally:
        turns.end(name)
    return None


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError as error:
        raise BadInput(
            "this line cannot be read as a command",
            wanted="quotes that are closed",
            seen=f"{error}: {line}",
        ) from error


def _on_arguments(words: Sequence[str]) -> tuple[list[str], float]:
    usage = "%%on MACHINE, or %%on MACHINE --timeout SECONDS"
    joined = " ".join(words)
    name = r"[^\s-]\S*"
    timeout = r"--timeout[ =](\d+(?:\.\d+)?)"
    match = re.fullmatch(rf"({name}(?: {name})*)(?: {timeout})?", joined)
    if match is None:
        raise BadInput("which machine?", wanted=usage, seen=f"%%on {joined}")
    names = list(dict.fromkeys(match.group(1).split()))
    return names, float(match.group(2) or TIMEOUT_S)


def _refuse_terminal(own: Sequence[str]) -> None:
    follow = "logs" in own
    flags = {flag for flag, _ in kubectl_arguments.flags_of(own, follow=follow)}
    wants = flags & {"-t", "--tty"}
    if kubectl_arguments.verb_of(own) == "edit":
        wants = {"edit"}
    if wants:
        raise BadInput(
            "a cell has no terminal",
            wanted="a command that needs no keyboard",
            seen="kubectl " + " ".join(own),
            next="leave out -it and give the command after --, or use a terminal of "
            f"JupyterLab and {command('kubectl', current.current().lab)}",
        )


def _is_endless(own: Sequence[str]) -> bool:
    verb = kubectl_arguments.verb_of(own)
    flags = {
        (flag, value)
        for flag, value in kubectl_arguments.flags_of(own, follow=verb == "logs")
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
    flags = dict(kubectl_arguments.flags_of(own, follow="logs" in own))
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
