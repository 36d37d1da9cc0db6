"""Commands of the Makefile as they run when SSH starts them."""

import os
import shutil
import socket
import subprocess
from pathlib import Path

from paths import ROOT


def test_make_reads_no_file_of_the_shell(tmp_path: Path) -> None:
    """Bash reads one where its input is a connection; Debian's fails a strict shell."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / ".bashrc").write_text("echo read by bash >&2\n")
    env = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    here, there = socket.socketpair()

    with here, there:
        done = subprocess.run(
            ["make", "help"],
            cwd=tmp_path,
            env=env,
            stdin=there.fileno(),
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )

    assert "make up" in done.stdout
    assert done.stderr == ""
