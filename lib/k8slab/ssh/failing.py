"""Know the line at which a script failed, by what bash says of it."""

from __future__ import annotations

import re

from ..core.process import Completed

# Bash tells, on a line of its own mark, which line failed; other shells have no ERR.
MARK = "\x1ek8slab-line "
# Not where a script goes on behind it: in a substitution, behind 'set +e'; nor for the
# whole of it, which is what 'eval' is; nor in another file, which has its own lines.
TRAP = (  # one line, for lines are counted from the script's own first one
    r"""trap 'if [[ $BASH_SUBSHELL = 0 && $- = *e* """
    r"""&& ${BASH_SOURCE:-environment} = environment """
    r"""&& $BASH_COMMAND != "eval \"\$__\"" ]]; """
    r"""then printf "\036k8slab-line %s %s\n" """
    r""""$LINENO" "${BASH_COMMAND%%[[:space:]]*}" >&2; fi' ERR; """
)
_TOLD = re.compile(rf"{MARK}(\d+) (.*)\n?")
# Without ERR, bash ends a script where it cannot go on.
_ENDS = "unbound variable|syntax error|unexpected|exec: |bad substitution"
_BASH = re.compile(rf"(?m)^bash: (?:eval: )?line (\d+): (?=.*(?:{_ENDS}))")
# Where it does not say the word, as of ${x:?}, its last one; a command that is missing
# and ends a script has told its line.
_LAST = re.compile(
    r"(?:bash|environment): (?:eval: )?line (\d+): (?!.*command not found$)"
)
_EVAL = re.compile(r"\beval\b")


def line_of(done: Completed, script: str) -> int:
    """Return the line, from 1, at which a script ended; 0 where it is not known.

    What it evaluates itself counts lines in its own way, so such a line has to begin
    with the command that failed.
    """
    lines, evaluates = script.split("\n"), _EVAL.search(script)
    number, command = 0, ""
    if told := _TOLD.findall(done.stderr):
        number, command = int(told[-1][0]), told[-1][1]
    elif ended := _BASH.findall(done.stderr):
        number = int(ended[-1])
    elif done.returncode == 1 and not evaluates:
        last = _LAST.match(done.stderr.rstrip("\n").rpartition("\n")[2])
        number = int(last[1]) if last else 0
    if number > len(lines) or (evaluates and command not in lines[number - 1]):
        return 0
    return number


def without_marks(text: str) -> str:
    """Return what a script said, without what is told to us alone."""
    return _TOLD.sub("", text)
