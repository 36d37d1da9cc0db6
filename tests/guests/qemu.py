"""Start a qemu that ends with this process, and end it before."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

# It gives way to everything else that runs here.
_COMMAND = ("setpriv", "--pdeathsig=TERM", "nice", "-n", "10", "qemu-system-x86_64")
_BARE = ("-machine", "q35", "-no-reboot", "-monitor", "none", "-display", "none")
_END_S = 10.0


class Qemu:
    """One qemu.

    Args:
        options: What makes the machine, beside its kind.
        said: The file that keeps what qemu itself says.
    """

    def __init__(self, options: Sequence[str], said: Path) -> None:
        self._said = said
        with said.open("w") as out:
            self._process = subprocess.Popen(
                [*_COMMAND, *_BARE, *options],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )

    def ended(self) -> str | None:
        """Return why it ended; None while it runs."""
        code = self._process.poll()
        if code is None:
            return None
        lines = self._said.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"qemu ended with exit code {code}"

    def end(self) -> None:
        """End it, by its own process."""
        self._process.terminate()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
