"""A machine's shell that answers without a machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from k8slab.core.process import Completed


class FakeShell:
    """A machine that answers from a table and remembers what it was asked."""

    def __init__(self, name: str, address: str) -> None:
        self.where = name
        self.lab = "default"
        self.address = address
        self.asked: list[str] = []
        self.answer: Callable[[str], tuple[int, str, str]] = lambda text: (0, "", "")

    def run(
        self,
        argv: Sequence[str],
        *,
        input: str | None = None,
        check: bool = True,
        timeout: float = 60,
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        """Answer a command."""
        return self._completed(argv, " ".join(argv), check, on_line)

    def script(
        self,
        text: str,
        *,
        shell: str = "bash",
        check: bool = True,
        timeout: float = 60,
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        """Answer a script."""
        return self._completed([shell, "(script)"], text, check, on_line)

    def put(self, path: str, data: str | bytes, *, mode: int = 0o644) -> bool:
        """Take a file and forget it."""
        return True

    def read(self, path: str) -> str:
        """Return an empty file."""
        return ""

    def is_up(self) -> bool:
        """Answer always."""
        return True

    def by_hand(self) -> str:
        """Return how to log in."""
        return f"ssh root@{self.address}"

    def end(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""

    def _completed(
        self,
        argv: Sequence[str],
        text: str,
        check: bool,
        on_line: Callable[[str], None] | None,
    ) -> Completed:
        self.asked.append(text)
        code, out, err = self.answer(text)
        for line in (out + err).splitlines():
            if on_line is not None:
                on_line(line)
        completed = Completed(tuple(argv), self.where, code, out, err, 0.01)
        return completed.check() if check else completed


def complaining(name: str, *complaints: str) -> FakeShell:
    """Return a machine whose first commands fail, each with a complaint."""
    left = list(complaints)

    def complain(text: str) -> tuple[int, str, str]:
        complaint = left.pop(0) if left else ""
        return int(bool(complaint)), "", complaint

    shell = FakeShell(name, "172.30.1.11")
    shell.answer = complain
    return shell
