"""Run kubectl and shell scripts from cells as an operator types them."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, chain
from typing import TYPE_CHECKING, Any, TypeVar

from ..core import outside
from ..core.parallel import in_parallel
from ..errors import BadInput, CommandFailed, CommandTimeout, LabError
from ..kube import current, kubectl_arguments
from ..ssh.shell import Shell
from . import _filters, _limits, _line, _names
from ._result import Result, cell_number
from ._turns import Turns

if TYPE_CHECKING:  # it takes a second to import, and a kernel's start none of that
    from ..core.process import Completed
    from ..kube.cluster import Cluster

T = TypeVar("T")
_PASTED = (
    *(["kubectl"], ["k"], ["%kubectl"], ["%%kubectl"], ["!kubectl"], ["!!kubectl"]),
    *(["sudo", "kubectl"], ["$", "kubectl"], ["$", "k"]),
)
"""How a line begins that was pasted behind ``%kubectl`` or below ``%%kubectl``."""
__all__ = ["Result", "kubectl", "load_ipython_extension", "on", "register"]


def register(cluster: Cluster) -> None:
    """Make a cluster the session's, with ``%kubectl`` and ``%%on`` in a notebook."""
    current.use(cluster)
    shell = _offer()
    if shell is not None:
        from ..notebook import unfinished

        unfinished.watch(shell, cluster)


def register_machines(machines: current.Machines) -> None:
    """Make machines the session's; ``%kubectl`` refuses until they are a cluster."""
    current.use_machines(machines)
    _offer()


def load_ipython_extension(shell: Any) -> None:
    """Make a kernel the book's from its start: ``%load_ext k8slab.magics``."""
    _offer()


def _offer() -> Any:
    """Make the magics available in a notebook, with completion and short errors.

    Returns:
        The notebook's shell, or None without one.
    """
    if "IPython" not in sys.modules:  # no notebook; a command needs none of these
        return None
    from IPython.core.getipython import get_ipython
    from IPython.core.magic import needs_local_scope, no_var_expand

    from ..notebook import completion, short_errors

    shell: Any = get_ipython()
    if shell is not None:
        for function, kind, name in (
            (kubectl, "line_cell", "kubectl"),
            (on, "cell", "on"),
        ):
            # IPython's own way with braces and $ would change jsonpath and templates.
            ready: Any = needs_local_scope(no_var_expand(function))
            shell.register_magic_function(ready, kind, name)
        completion.offer(shell)
        short_errors.offer(shell)
    return shell


@outside.told()
def kubectl(
    line: str, cell: str | None = None, local_ns: Mapping[str, Any] | None = None
) -> Result:
    r"""Run kubectl on the lab's cluster: ``%kubectl get pods``.

    The default namespace is the chapter's. What it prints appears as it prints it, and
    ``x = %kubectl get pods -o json`` keeps it, too: ``x.text``, ``x.lines``,
    ``x.json``, ``x.returncode``. ``x == "text"`` compares what it printed.

    **Several commands** stand below ``%%kubectl``, one a line, with comments and blank
    lines between them. All are read before the first one runs; the first one that
    fails ends the cell, and is named.

    **Names in braces**: ``{name}`` and ``{name.attribute}`` give what Python knows by
    that name; a Pod, a namespace or any object that has a name gives its name. A list
    gives a word for each item. A name that Python does not know is an error before
    anything is sent. All else in braces stays as typed: ``{.status.podIP}``,
    ``{range …}`` and its ``{end}``, ``{{…}}``, ``%{…}``, JSON. Errors show a command
    as it was typed, for a value may be a secret.

    **There is no shell**: quotes, ``\`` at the end of a line, ``~/`` and ``# a
    comment`` work as in one. Redirections, ``;``, ``&&``, ``$(…)``, ``$name`` and
    patterns of file names are refused before anything is sent. A pipe leads into
    ``grep``, ``head``, ``tail``, ``wc`` or ``sort``, with their usual one-letter
    options, or into several of them: ``%kubectl get pods | grep echo | wc -l``.

    **Exit codes** other than 0 are errors, but for those that are answers: ``diff``
    with differences, ``auth can-i`` with a no.

    **Time**: a command is ended after 120 seconds, or the longer time of its own
    ``--timeout=5m`` or ``--request-timeout=5m``. Those that would go on for ever
    (``--watch``, ``logs -f``) are ended without an error after 10 seconds, or after
    their ``--request-timeout``, at most 120 seconds. What needs a keyboard runs in a
    terminal of JupyterLab, where ``kubectl`` is this lab's.

    Raises:
        BadInput: The line cannot be read, or wants a shell or a terminal.
        Refused: The arguments could reach another cluster.
        CommandFailed: kubectl ended with an exit code that is no answer.
        CommandTimeout: It did not end in time.
    """
    names = _names.known(local_ns)
    if cell is None:
        return _run(_read(line, names), _printer())
    if _line.split(line, "%%kubectl") != [[]]:
        raise BadInput(
            "the commands stand below %%kubectl, one a line",
            wanted="%%kubectl, and nothing behind it",
            seen=f"%%kubectl {line}",
        )
    return _run_all(cell, names)


@dataclass(frozen=True)
class _Command:
    """One command that was read and may run."""

    argv: list[str]
    own: list[str]
    filters: list[list[_line.Word]]
    words: list[str]
    mine: int  # how many of the words stand before the -- of kubectl
    shown: str

    @property
    def typed(self) -> str:
        """The command as errors show it: names in braces may stand for secrets."""
        return " ".join(["kubectl", *self.words])

    def more_time(self, said: str = "") -> str:
        """How to give it more time."""
        mine, rest = self.words[: self.mine], self.words[self.mine :]
        return _limits.more_time(self.own, mine, rest, said=said)


def _read(line: str, names: Mapping[str, Any]) -> _Command:
    """Read a line and refuse what must not run, before anything is sent."""
    words, *filters = _line.split(line)
    for prompt in _PASTED:
        if [each.text for each in words[: len(prompt)]] == prompt:
            words = words[len(prompt) :]
            break
    _refuse_open_braces(words, line, names)
    values = [_names.put([each], names) for each in words]
    given = list(chain.from_iterable(values))
    argv = [each.text for each in given]
    typed = [each.typed for each in words]
    try:
        kubectl_arguments.kubectl_arguments(argv)
    except BadInput as error:
        if given != words:  # a value may be a secret
            error.seen = " ".join(["kubectl", *typed])
        raise
    own = kubectl_arguments.own_arguments(argv)
    _refuse_items(words, line, names)
    _refuse_patterns(words, line)
    for part in filters:
        if "{" not in part[0].text:  # the braces behind it may be another tool's
            _filters.check_name(part)
        _refuse_items(part, line, names)
    behind = [_names.put(part, names) for part in filters]
    namespace = current.current().namespace
    pasted = [[_pasted(word, names) for word in part] for part in (words, *filters)]
    _limits.refuse_terminal(
        own, words, pasted[0], namespace=namespace, named=given != words
    )
    for part in behind:
        _filters.check(part)
    ends = accumulate(len(each) for each in values)
    mine = sum(end <= len(own) for end in ends)
    stages = [[shlex.quote(word.text) for word in part] for part in (given, *behind)]
    if any(word.secret for word in chain(given, *behind)):
        stages = pasted
    first = _limits.elsewhere(own, stages[0], namespace)
    shown = " | ".join([first, *(" ".join(stage) for stage in stages[1:])])
    return _Command(argv, own, behind, typed, mine, shown)


def _pasted(word: _line.Word, names: Mapping[str, Any]) -> str:
    """Return a word as a terminal takes it; a name in braces stays as typed."""
    plain = _names.put([word], names) == [word]
    return shlex.quote(word.text) if plain else word.typed


def _refuse_open_braces(
    words: Sequence[_line.Word], line: str, names: Mapping[str, Any]
) -> None:
    """Refuse an option of kubectl whose braces a blank has cut in two."""
    own = kubectl_arguments.own_arguments([word.text for word in words])
    left = [_left_open(word) for word in words[: len(own)]]
    cut = [word.typed for word, number in zip(words, left, strict=False) if number]
    # Of a lone one, which a password may have, no blank has cut off the other.
    if cut and sum(left) == 0:
        typed = " ".join(word.typed for word in words[: len(own)])
        if cut_name := _names.expression_of(typed, names):
            raise _no_name(cut_name, line)
        raise BadInput(
            f"a blank ends a word, also in braces: {cut[0]}",
            wanted="single quotes around all of it, as in "
            "-o jsonpath='{range .items[*]}{.metadata.name}{end}'",
            seen=f"%kubectl {line.strip()}",
        )


def _left_open(word: _line.Word) -> int:
    """Return how many more braces a word opens than it closes, outside of quotes."""
    pairs = zip(word.text, word.bare, strict=True)
    outside = [sign for sign, bare in pairs if bare]
    return outside.count("{") - outside.count("}")


def _refuse_items(
    words: Sequence[_line.Word], line: str, names: Mapping[str, Any]
) -> None:
    """Refuse an item of a list in braces, which only Python could look up."""
    for word in words:
        if item := _names.item_of(word, names):
            raise _no_name(item, line)


def _no_name(item: str, line: str) -> BadInput:
    return BadInput(
        f"{item} is no name: braces take a name, and dots behind it",
        wanted="a Python name: one = pods[0] in a line before, then {one}",
        seen=f"%kubectl {line.strip()}",
    )


def _refuse_patterns(words: Sequence[_line.Word], line: str) -> None:
    """Refuse patterns that a shell would replace by the names of files.

    The value of an option may be one: ``-f`` takes patterns, jsonpath has brackets.
    """
    before, own = "", kubectl_arguments.own_arguments([word.text for word in words])
    for at, word in enumerate(words):
        # What a Pod runs is a command, of whose options nobody here knows.
        value = at < len(own) and (
            word.text.startswith("-") or kubectl_arguments.may_wait(before)
        )
        if word.pattern and not value:
            raise BadInput(
                f"a cell has no shell that could read {word.pattern}: a pattern",
                wanted="names in full; or labels: -l app=echo; or all of a kind: --all"
                if at < len(own)
                else _line.IN_POD,
                seen=f"%kubectl {line.strip()}",
                next="if it is meant as it stands, put that word in single quotes",
            )
        before = word.text


def _run_all(cell: str, names: Mapping[str, Any]) -> Result:
    """Run the commands of a cell up to the first that fails; all are read before."""
    numbered = list(_line.commands(cell))
    if not numbered:
        raise BadInput(
            "there is no command below %%kubectl",
            wanted="commands, one a line, as in: get pods",
            seen="comments and blank lines" if cell.strip() else "nothing",
        )
    read = [_in_line(number, partial(_read, line, names)) for number, line in numbered]
    results = [
        _in_line(number, partial(_run, command, _printer()))
        for (number, _), command in zip(numbered, read, strict=True)
    ]
    last = results[-1]
    return Result(
        "\n".join(each.command for each in results),
        "".join(each.text for each in results),
        "".join(each.remarks for each in results),
        last.returncode,
        sum(each.seconds for each in results),
        last._cell,
        "\n".join(each._typed for each in results),
    )


def _in_line(number: int, work: Callable[[], T]) -> T:
    """Do one line's work; an error of it names the line."""
    try:
        return work()
    except LabError as error:
        error.what = f"line {number} of the cell: {error.what}"
        raise


def _run(command: _Command, show: Callable[[str], None]) -> Result:
    """Run a command and print what it says, behind its filters."""
    endless = _limits.is_endless(command.own)
    limit = _limits.limit(command.own, endless=endless)
    cluster = current.current()
    live = None if command.filters else show
    ended = ""
    try:
        done: Completed = cluster.kubectl(
            command.argv, check=False, timeout=limit, on_line=live
        )
        text, remarks, code, seconds = (
            done.stdout,
            done.stderr,
            done.returncode,
            done.seconds,
        )
    except CommandTimeout as error:
        if not endless:
            error.shown = live is not None
            error.where = f"{cluster.where}: {command.typed}"
            error.next = command.more_time()
            raise
        text, remarks, code, seconds = error.stdout, error.stderr, 0, error.timeout
        ended = f"(ended after {error.timeout:g} s)"
    for piped in command.filters:
        text = _filters.apply(piped, text)
    if command.filters:
        for said in _line.lines(remarks + text):
            show(said)
    if not _limits.is_answer(command.own, code, remarks):
        failed = CommandFailed(
            ["kubectl", *command.argv],
            where=cluster.where,
            returncode=code,
            stdout=text,
            stderr=remarks,
        )
        failed.shown = True
        failed.where = f"{cluster.where}: {command.typed}"
        if _limits.timed_out(command.own, remarks):
            failed.next = command.more_time(remarks)
        if f'namespaces "{cluster.namespace}" not found' in remarks:
            failed.next = "run the chapter's first cell again: it makes the namespace"
        raise failed
    if command.filters and not text:
        show("(no line is left)")
    if ended:
        show(ended)
    return Result(
        command.shown, text, remarks, code, seconds, cell_number(), command.typed
    )


@outside.told()
def on(line: str, cell: str, local_ns: Mapping[str, Any] | None = None) -> None:
    """Run the cell as a shell script on a machine: ``%%on node1``.

    The script stops at its first failing command, and the error names its line.
    ``%%on node1 node2`` runs it on both machines side by side, and prints what each
    says below its name. ``{name}`` on the first line gives a machine that Python knows
    by that name; in the script itself braces and ``$`` are the shell's own.

    **Exit code 141** is that of a line as ``… | head -5``: ``head`` ended before the
    program in front of it had written all. ``|| true`` behind the line lets the
    script go on, and ``sed -n 1,5p`` in place of ``head`` reads to the end.

    ``%%on node1 --timeout 5m`` gives it more time than the 120 seconds it has by
    default. A script has no keyboard: ``k8slab ssh node1`` in a terminal of JupyterLab
    opens a shell that has one.

    Raises:
        BadInput: The first line names no machine.
        UnknownMachine: The lab has no such machine.
        CommandFailed: The script ended with an exit code other than 0.
        CommandTimeout: It did not end in time.
    """
    (words,) = _line.split(line, "%%on")
    given = _names.put(words, _names.known(local_ns))
    names, timeout = _on_arguments([each.text for each in given])
    cell = cell.replace("\r\n", "\n")
    shells = [current.machines().on(name) for name in names]
    if len(shells) == 1:
        _script(shells[0], cell, timeout, names, _printer())
        return
    turns = Turns(names, _printer())
    tasks = [
        partial(_take_turn, name, shell, cell, timeout, names, turns)
        for name, shell in zip(names, shells, strict=True)
    ]

    def end() -> None:
        for each in shells:
            each.end()

    failures = [each for each in in_parallel(tasks, abort=end) if each is not None]
    if failures:
        first, *others = failures
        for each in others:
            first.add_note(f"{each.where}: {each.what}")
        raise first


def _script(
    shell: Shell,
    text: str,
    timeout: float,
    names: Sequence[str],
    show: Callable[[str], None],
) -> None:
    """Run a script; what it said is printed already when it fails."""
    try:
        shell.script(text, timeout=timeout, on_line=show)
    except CommandFailed as error:
        error.shown = True
        if error.line:  # the reader has it in the cell above
            error.where += f": {text.split(chr(10))[error.line - 1].strip()}"
        if isinstance(error, CommandTimeout):
            more = f"{' '.join(names)} --timeout {_limits.longer(timeout)}"
            error.next = f"give it more time: %%on {more}"
        raise


def _take_turn(
    name: str,
    shell: Shell,
    script: str,
    timeout: float,
    names: Sequence[str],
    turns: Turns,
) -> LabError | None:
    """Run a script to its end; a failure must not end it on the other machines."""
    try:
        _script(shell, script, timeout, names, partial(turns.line, name))
    except LabError as error:
        return error
    finally:
        turns.end(name)
    return None


def _on_arguments(words: Sequence[str]) -> tuple[list[str], float]:
    """Return the machines, and the seconds that a script gets."""
    names: list[str] = []
    timeout: float | None = None
    seen = f"%%on {shlex.join(words)}"
    rest = iter(words)
    for word in rest:
        flag, equals, value = word.partition("=")
        if flag == "--timeout" and names and timeout is None:
            timeout = _limits.seconds(value if equals else next(rest, ""))
            if not timeout:
                raise BadInput(
                    "that is no time",
                    wanted="--timeout 5m, 90s or 1m30s",
                    seen=seen,
                )
        elif word.startswith("-") or timeout is not None:
            raise BadInput(
                "machines come first, and one option behind them",
                wanted="%%on MACHINE --timeout 5m",
                seen=seen,
            )
        else:
            names.append(word)
    if not names:
        raise BadInput(
            "which machine?",
            wanted="%%on MACHINE, or %%on MACHINE --timeout 5m",
            seen=seen,
        )
    return list(dict.fromkeys(names)), timeout or _limits.TIMEOUT_S


def _printer() -> Callable[[str], None]:
    """Return a function that prints lines where this cell's output goes."""
    # The runner calls it from threads, and a thread's own stdout may be another one.
    # Nothing is flushed: the kernel does that five times a second by itself.
    stream = sys.stdout

    def show(line: str) -> None:
        stream.write(line + "\n")

    return show
