"""Keep on which computers the whole way was gone, and make the README's table of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import yaml
from paths import ROOT

from k8slab.core.files import write

FILE = ROOT / "tests" / "hosts" / "proven.yaml"
README = ROOT / "README.md"
_HEAD = "# Written by 'make hosts', which also renews the table in README.md.\n"
_BEGIN = "<!-- Written by 'make hosts' from tests/hosts/proven.yaml. -->\n"
_END = "<!-- Until here. -->\n"
_MODE = 0o644


@dataclass(frozen=True)
class Row:
    """What came out on one computer.

    Attributes:
        system: What it calls itself.
        kernel: Its kernel's version.
        cgroup: The version of cgroups that it has.
        engine: What provided the machines, and its version.
        runs: How it runs: ``itself``, as a guest by ``kvm`` or ``tcg``, or only its
            ``programs`` on another kernel.
        processors: How many it has.
        memory: How much it has.
        date: When it was.
        result: ``passed``, or the step that failed.
        seconds: What each step took.
    """

    system: str
    kernel: str
    cgroup: str
    engine: str
    runs: str
    processors: str
    memory: str
    date: str
    result: str
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def kind(self) -> tuple[str, ...]:
        """What makes it another computer than those of other rows."""
        return self.system, self.cgroup, self.engine.split()[0], self.runs


def read(file: Path = FILE) -> list[Row]:
    """Return all rows."""
    found: list[dict[str, Any]] = yaml.safe_load(file.read_text("utf-8")) or []
    return [Row(**row) for row in found]


def keep(row: Row, file: Path = FILE, readme: Path = README) -> None:
    """Write a row in the place of an earlier one of that kind, and renew the table."""
    rows = {old.kind: old for old in (read(file) if file.exists() else [])}
    rows[row.kind] = row
    plain = [asdict(rows[kind]) for kind in sorted(rows)]
    text = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)
    write(file, _HEAD + text, mode=_MODE)
    before, _, rest = readme.read_text("utf-8").partition(_BEGIN)
    after = rest.partition(_END)[2]
    made = table([rows[kind] for kind in sorted(rows)])
    write(readme, f"{before}{_BEGIN}{made}{_END}{after}", mode=_MODE)


def shown(readme: Path = README) -> str:
    """Return the table as the README has it."""
    return readme.read_text("utf-8").partition(_BEGIN)[2].partition(_END)[0]


def table(rows: list[Row]) -> str:
    """Return what was proven where, in Markdown."""
    heads = ("computer", "kernel", "cgroups", "engine", "`up`", "all", "on", "result")
    lines: list[tuple[str, ...]] = [heads, ("---",) * len(heads)]
    for row in rows:
        size = f"{row.processors} processors, {row.memory}"
        lines.append(
            (
                f"{row.system}, {_HOW[row.runs]}; {size}",
                row.kernel,
                f"version {row.cgroup}",
                row.engine,
                _duration(row.seconds.get("up")),
                _duration(sum(row.seconds.values())),
                row.date,
                row.result,
            )
        )
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


_HOW = {
    "itself": "the computer itself",
    "kvm": "a guest of qemu",
    "tcg": "a guest of qemu, emulated",
    "programs": "its programs only, on another kernel",
}


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "not reached"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
