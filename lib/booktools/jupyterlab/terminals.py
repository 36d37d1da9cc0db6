"""Let JupyterLab's terminals reach the lab's cluster, and no other by mistake."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

from jupyter_core.paths import jupyter_config_dir

from k8slab.core import files

_NO_CLUSTER = "apiVersion: v1\nkind: Config\n"
_SERVER_OF_THEIR_OWN = (
    *("JUPYTER_TOKEN", "JUPYTER_TOKEN_FILE"),
    *("JUPYTER_CONFIG_PATH", "JUPYTER_NO_CONFIG"),
)
"""Variables of a server of the reader's own: with its token or its password, Jupyter
tells nobody the address of this one."""


def environment() -> dict[str, str]:
    """Return the variables of JupyterLab, its kernels and its terminals.

    The PATH of these, and of nothing else, begins with a folder in which ``k8slab``
    is this one, and ``kubectl`` reaches the lab's cluster only. Another kubectl, which
    a shell's own files put before it, finds no cluster, so not the reader's at work.

    What a reader has set for Jupyter servers of their own is not this one's, but for
    how JupyterLab looks; and a kernel that they have installed runs no chapter.
    """
    prefix = Path(sys.prefix)
    command = shlex.quote(str(prefix / "bin" / "k8slab"))
    _commands().mkdir(parents=True, exist_ok=True)
    for name, words in (("k8slab", command), ("kubectl", f"{command} kubectl")):
        files.write(_commands() / name, f'#!/bin/sh\nexec {words} "$@"\n', mode=0o755)
    nothing = _own("no-cluster.yaml", _NO_CLUSTER)
    path = os.environ.get("PATH", os.defpath)
    share, given = _commands().parent.parent, os.environ.get("JUPYTER_PATH")
    looks = str(Path(jupyter_config_dir()) / "lab" / "user-settings")
    own = {k: v for k, v in os.environ.items() if k not in _SERVER_OF_THEIR_OWN}
    return {
        **own,
        "PATH": f"{_commands()}{os.pathsep}{path}",
        "KUBECONFIG": str(nothing),
        "JUPYTER_CONFIG_DIR": str(share / "k8slab" / "jupyter"),
        "JUPYTERLAB_SETTINGS_DIR": os.environ.get("JUPYTERLAB_SETTINGS_DIR") or looks,
        "JUPYTER_PATH": os.pathsep.join(
            [str(share / "jupyter"), *([given] if given else [])]
        ),
    }


def shell() -> list[str]:
    """Return the command of the reader's shell for terminals.

    Named, JupyterLab does not start it as a login shell, which sets another PATH. What
    the reader's own file for bash puts before that PATH comes behind it. One that is
    not on this computer is another one's, from which the variable came here.
    """
    own = shutil.which(os.environ.get("SHELL", ""))
    name = own or shutil.which("bash") or "/bin/sh"
    if Path(name).name != "bash":
        return [name]
    first = shlex.quote(f"{_commands()}{os.pathsep}")
    file = _own("bashrc", f"[ ! -f ~/.bashrc ] || . ~/.bashrc\nPATH={first}$PATH\n")
    return [name, "--rcfile", str(file)]


def _commands() -> Path:
    return Path(sys.prefix) / "share" / "k8slab" / "bin"


def _own(name: str, text: str) -> Path:
    path = _commands().with_name(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write(path, text)
    return path
