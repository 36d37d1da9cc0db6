"""Split a line into words as a shell does, and refuse what only a shell could do."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from ..errors import BadInput

BLANKS = " \t\r\n"
_TWO_LINES = "two lines in a cell that begins with %%kubectl; it stops at a failure"
_SCRIPT = "the script stands on the lines below"
_KEPT = "Python: x = %kubectl …, then pathlib.Path('file').write_text(x.text)"
_STREAMS = (
    "two streams in one",
    "the command without it: kubectl's remarks are printed, too, and x.remarks holds "
    "them",
)
_OPERATORS: dict[str, tuple[str, str]] = {
    "&&": ("two commands in one line", _TWO_LINES),
    "||": ("'or else'", "Python: try: … except CommandFailed: …"),
    ";": ("two commands in one line", _TWO_LINES),
    "|&": _STREAMS,
    "&>": ("output into a file", _KEPT),
    "&": ("a command in the background", "a terminal: File, New, Terminal"),
    "<<": ("a here-document", "a file below manifests/, and -f with its path"),
    "<": ("a file as input", "-f with the path of the file"),
    ">&": _STREAMS,
    ">": ("output into a file", _KEPT),
    "(": ("a parenthesis", "single quotes around the word that holds it"),
    ")": ("a parenthesis", "single quotes around the word that holds it"),
}
_CALL = (
    "a call of Python in braces",
    "a Python name: one = f(…) in a line before, then {one}",
)
_CALLED = re.compile(r"\{[^\W\d][\w.]*$")
_COMMANDS = frozenset(_OPERATORS.values())
_INNER = (
    "a command inside a command",
    "x = %kubectl … in a line before, then {x} here; in single quotes it is passed on",
)
_VARIABLE = (
    "a variable of a shell",
    "{name} for a variable of Python; in single quotes $name is passed on as it is",
)
_ANSI = (
    "quotes in which a shell reads escapes as \\n",
    "Python: text = 'a\\nb' in a line before, then {text} here",
)
IN_POD = "for a shell in the Pod to read it: -- sh -c 'ls /data/*'"
"""How to have a script behind ``--``, of which kubectl passes on words alone."""
_DROPPED = (
    "a backslash in front of a letter, which a shell drops outside of quotes",
    "single quotes around all of it and double ones inside: "
    "-o jsonpath='{.a}{\"\\n\"}'",
)
_DASHES = (
    "\N{FIGURE DASH}\N{HORIZONTAL BAR}\N{HYPHEN BULLET}\N{SMALL EM DASH}"
    "\N{SMALL HYPHEN-MINUS}"
    "\N{EN DASH}\N{EM DASH}\N{HYPHEN}\N{NON-BREAKING HYPHEN}\N{MINUS SIGN}"
    "\N{FULLWIDTH HYPHEN-MINUS}"
)
_HASH = "\N{FULLWIDTH NUMBER SIGN}"
_QUOTES = (
    "\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u2032\u2033\u2039\u203a"
    "\u00ab\u00bb\u00b4\uff02\uff07"
)
_CURLY = ("curly quotes", "straight quotes: \" or '")
_PROSE = {
    **dict.fromkeys(_QUOTES, _CURLY),
    **dict.fromkeys(_DASHES, ("a dash as books print it", "hyphens: - or --")),
    _HASH: ("a full-width sign", "a plain #, which begins a comment"),
    "\N{FULLWIDTH VERTICAL LINE}": ("a full-width sign", "a plain |, which is a pipe"),
    "\N{FULLWIDTH SEMICOLON}": _OPERATORS[";"],
    "\N{FULLWIDTH AMPERSAND}": _OPERATORS["&"],
    "\N{FULLWIDTH LESS-THAN SIGN}": _OPERATORS["<"],
    "\N{FULLWIDTH GREATER-THAN SIGN}": _OPERATORS[">"],
    "\N{FULLWIDTH LEFT PARENTHESIS}": _OPERATORS["("],
    "\N{FULLWIDTH RIGHT PARENTHESIS}": _OPERATORS[")"],
}
_ODD_BLANK = ("a blank that no shell takes for one", "a plain blank, or none")
_SECRET = re.compile(r"(?i)pass|pw|token|secret|key|credential|bearer")


@dataclass(frozen=True)
class Word:
    """One word of a line.

    Attributes:
        text: What it says, without its quotes.
        bare: For each character of the text whether it stood outside of all quotes.
        quoted: Whether any part of it stood in quotes.
        typed: How it stands in the line, with its quotes and names in braces.
    """

    text: str
    bare: tuple[bool, ...]
    quoted: bool
    typed: str

    @property
    def secret(self) -> bool:
        """Whether it looks as if it, or a word beside it, held a secret."""
        return bool(_SECRET.search(self.text) or _SECRET.search(self.typed))

    @property
    def pattern(self) -> str:
        """The first sign by which a shell would look for files, or an empty text."""
        for at, sign in enumerate(self.text):
            if self.bare[at] and sign in "*?[":
                return sign
        outside = "".join(
            sign if bare else " "
            for sign, bare in zip(self.text, self.bare, strict=True)
        )
        braces = re.search(r"\{[^{}\s]*(,|\.\.)[^{}\s]*\}", outside)
        return braces[0] if braces else ""


def split(line: str, magic: str = "%kubectl") -> list[list[Word]]:
    """Return the words of a line, and of each filter behind a pipe.

    A ``#`` at the beginning of a word makes the rest of the line a comment. A
    backslash at the end of a line goes on with the next one. Nothing is expanded but
    a leading ``~/``.

    Args:
        line: The line, without its magic.
        magic: What messages call the line by.

    Raises:
        BadInput: A quote is open, or something in it only a shell could do.
    """
    return _Splitter(line, magic).split()


class _Splitter:
    """Read one line from left to right."""

    def __init__(self, line: str, magic: str, *, refuses: bool = True) -> None:
        self._line = line
        self._magic = magic
        self._refuses = refuses  # what is a shell's
        self._at = 0
        self._began = 0  # where the word begins
        self._stages: list[list[Word]] = [[]]
        self._signs: list[tuple[str, bool]] = []
        self._open = False  # in a word, which may be empty so far
        self._quoted = False
        self.goes_on = False  # at its end: a backslash, or an open quote
        self._templates = [m.span() for m in re.finditer(r"\{\{.*?\}\}", line, re.S)]

    def split(self) -> list[list[Word]]:
        while self._at < len(self._line):
            self._step(self._line[self._at])
        self._end_word()
        if len(self._stages) > 1 and not all(self._stages):
            raise self._refused(
                "|", "a pipe with nothing on one side", "a filter behind it"
            )
        return self._stages

    def _step(self, sign: str) -> None:
        if not self._open:
            self._began = self._at
        if sign in BLANKS:
            self._end_word()
            self._at += 1
        elif sign == "#" and not self._open:
            end = self._line.find("\n", self._at)
            self._at = len(self._line) if end < 0 else end
        elif sign == "'":
            self._single()
        elif sign == '"':
            self._double()
        elif sign == "\\":
            self._escape()
        elif sign == "|" and self._line[self._at : self._at + 2] not in ("||", "|&"):
            if self._magic == "%%on":
                raise self._refused(sign, "a pipe", _SCRIPT)
            self._end_word()
            self._stages.append([])
            self._at += 1
        elif sign.isspace() or unicodedata.category(sign) == "Cf":
            raise self._refused(f"U+{ord(sign):04X}", *_ODD_BLANK)
        else:
            self._refuse_shell(quoted=False)
            self._take(sign, bare=True)
            self._at += 1

    def _single(self) -> None:
        end = self._line.find("'", self._at + 1)
        if end < 0:
            raise self._unclosed()
        for sign in self._line[self._at + 1 : end]:
            self._take(sign, bare=False)
        self._open = self._quoted = True
        self._at = end + 1

    def _double(self) -> None:
        self._open = self._quoted = True
        self._at += 1
        while self._at < len(self._line):
            sign = self._line[self._at]
            if sign == '"':
                self._at += 1
                return
            following = self._line[self._at + 1 : self._at + 2]
            if sign == "\\" and following and following in '$`"\\\n':
                if following != "\n":
                    self._take(following, bare=False)
                self._at += 2
                continue
            self._refuse_shell(quoted=True)
            self._take(sign, bare=False)
            self._at += 1
        raise self._unclosed()

    def _escape(self) -> None:
        following = self._line[self._at + 1 : self._at + 2]
        if following.isalnum() and self._refuses:
            raise self._refused(f"\\{following}", *_DROPPED)
        if following and following != "\n":
            self._take(following, bare=False)
            self._quoted = True
        self.goes_on = not following
        self._at += 2

    def _refuse_shell(self, *, quoted: bool) -> None:
        """Refuse what a shell would not have passed on as it stands here."""
        rest = self._line[self._at :]
        templates = self._templates
        if not self._refuses or any(at <= self._at < end for at, end in templates):
            return
        if rest.startswith("$(") or rest[0] == "`":
            raise self._refused("$(…)" if rest[0] == "$" else "`…`", *_INNER)
        before = self._line[self._at - 1 : self._at]
        variable = re.match(r"\$(\{[^}\s]*\}?|[A-Za-z_]\w*|[0-9?@!])", rest)
        if variable and before != "$":
            raise self._refused(variable[0], *_VARIABLE)
        if quoted:
            return
        if rest[:2] in ("$'", '$"') and before != "$":
            raise self._refused(rest[:2], *_ANSI)
        called = rest[0] == "(" and _CALLED.search(self._line[: self._at])
        if called and not self._passed_on():
            raise self._refused("(", *_CALL)
        begins = rest[0] in _DASHES + _HASH
        if rest[0] in _PROSE and (not begins or not self._open):
            raise self._refused(rest[0], *_PROSE[rest[0]])
        for operator, reasons in _OPERATORS.items():
            if rest.startswith(operator):
                raise self._refused(operator, *reasons)

    def _passed_on(self) -> bool:
        """Return whether it goes to a program on a machine, or behind --, as awk."""
        before = [word.text for word in self._stages[0]]
        return self._magic == "%%on" or "--" in before

    def _take(self, sign: str, *, bare: bool) -> None:
        self._open = True
        self._signs.append((sign, bare))

    def _end_word(self) -> None:
        if not self._open:
            return
        typed = self._line[self._began : self._at]
        text = "".join(sign for sign, _ in self._signs)
        bare = tuple(bare for _, bare in self._signs)
        tilde = re.match(r"~[\w.-]*(?=/|$)", text)
        if tilde and all(bare[: tilde.end()]):
            home = os.path.expanduser(tilde[0])
            text = home + text[tilde.end() :]
            bare = (False,) * len(home) + bare[tilde.end() :]
        self._stages[-1].append(Word(text, bare, self._quoted, typed))
        self._signs, self._open, self._quoted = [], False, False

    def _refused(self, sign: str, what: str, wanted: str) -> BadInput:
        way = "if it belongs to a word, put that word in single quotes"
        if self._magic != "%%on" and self._passed_on():
            way += f"; {IN_POD}"
        if (what, wanted) in (_STREAMS, _CALL):
            way = ""
        if self._magic == "%%on" and (sign == "|" or (what, wanted) in _COMMANDS):
            wanted, way = _SCRIPT, ""
        return BadInput(
            f"a cell has no shell that could read {sign}: {what}",
            wanted=wanted,
            seen=f"{self._magic} {self._line.strip()}",
            next=way,
        )

    def _unclosed(self) -> BadInput:
        self.goes_on = True
        return BadInput(
            "this line cannot be read as a command",
            wanted="quotes that are closed",
            seen=f"{self._magic} {self._line.strip()}",
        )


def lines(text: str) -> list[str]:
    r"""Return the lines of a text: only ``\n`` and ``\r\n`` end one."""
    found = text.replace("\r\n", "\n").split("\n")
    return found if found[-1] else found[:-1]


def commands(cell: str) -> Iterator[tuple[int, str]]:
    """Yield the commands of a cell, each with the number of its first line.

    Comments and blank lines are none. A command goes on behind a backslash at the end
    of a line, and in quotes that are still open.

    Args:
        cell: What stands below ``%%kubectl``; its first line is number 2 of the cell.
    """
    gathered, first = "", 0
    for number, line in enumerate(lines(cell), start=2):
        if not gathered and (not line.strip() or line.lstrip().startswith("#")):
            continue
        first = first if gathered else number
        gathered = f"{gathered}\n{line}" if gathered else line
        if _goes_on(gathered):
            continue
        yield first, gathered
        gathered = ""
    if gathered:
        yield first, gathered


def _goes_on(text: str) -> bool:
    """Return whether a command is not at its end: a backslash, or an open quote."""
    splitter = _Splitter(text, "%%kubectl", refuses=False)
    with suppress(BadInput):
        splitter.split()
    return splitter.goes_on
