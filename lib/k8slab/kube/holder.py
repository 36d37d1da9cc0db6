"""Know which process works in a scratch namespace, and whether it is still there."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from ..core.env import Environment
from .objects import Object

ANNOTATION = "k8slab.dev/holder"


@dataclass(frozen=True)
class Holder:
    """A process that works in a namespace.

    Attributes:
        host: The name of its computer.
        process: Its id there.
        born: When it was started, in clock ticks since the computer was, for an id
            is given again.
        since: When it took the namespace, as UTC in ISO 8601.
        notebook: The notebook it runs, as JupyterLab calls it; or empty.
    """

    host: str
    process: int
    born: int
    since: str
    notebook: str = ""

    @classmethod
    def this(cls) -> Holder:
        """Return this process, as of now."""
        process = os.getpid()
        return cls(
            host=socket.gethostname(),
            process=process,
            born=_born(process) or 0,
            since=datetime.now(UTC).isoformat(timespec="seconds"),
            notebook=Path(Environment.read().notebook).name,
        )

    @classmethod
    def of(cls, namespace: Object) -> Holder | None:
        """Return who holds a namespace; None when nobody that can be read does."""
        told = (namespace["metadata"].get("annotations") or {}).get(ANNOTATION)
        try:
            return cls(**json.loads(told)) if told else None
        except (ValueError, TypeError):
            return None

    @property
    def annotations(self) -> dict[str, str]:
        """What a namespace that it holds carries."""
        return {ANNOTATION: json.dumps(asdict(self))}

    @property
    def is_other(self) -> bool:
        """Whether it is another process, which lives as far as can be known here.

        Of another computer's processes nothing can be known.
        """
        if self.host != socket.gethostname():
            return True
        return self.process != os.getpid() and _born(self.process) == self.born

    def __str__(self) -> str:
        what = f"the kernel of {self.notebook}" if self.notebook else "a program"
        at = datetime.fromisoformat(self.since).astimezone()
        return (
            f"{what}, process {self.process} on {self.host}, "
            f"since {at:%H:%M:%S on %d %B %Y}"
        )


def _born(process: int) -> int | None:
    """Return when a process was started, in clock ticks; None when it has ended."""
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name before the last ")" may hold anything; see proc_pid_stat(5).
    state, *fields = text.rpartition(")")[2].split()
    return None if state in "ZX" else int(fields[18])
