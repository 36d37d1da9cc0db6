"""The variables by which kubectl knows one cluster and nothing of its user's."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..core import files
from ..core.process import search_path
from ..errors import HostProblem
from .kubeconfig import Kubeconfig

_EMPTY = (
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "KUBECTL_EXTERNAL_DIFF",
    "KUBECTL_COMMAND_HEADERS",
    "KUBECACHEDIR",
    "KUBERNETES_SERVICE_HOST",
    "KUBERNETES_SERVICE_PORT",
)


def environment(
    access: Kubeconfig, kubeconfig: Path, folder: Path, namespace: str
) -> dict[str, str]:
    """Return the variables kubectl gets, and make the folders they name.

    It has a home of its own, so neither ``~/.kube/config`` nor its ``kuberc`` or
    cache is touched, no proxy, and a PATH without plugins. Its editor alone has the
    reader's own PATH and home. The default namespace comes from a small second
    kubeconfig that holds no credentials.

    Args:
        access: What the kubeconfig says.
        kubeconfig: The lab's kubeconfig.
        folder: Where home, PATH and the small kubeconfigs are made.
        namespace: The default namespace.
    """
    home, tools = folder / "home", folder / "bin"
    for each in (home, tools, folder / "namespaces"):
        each.mkdir(mode=0o700, parents=True, exist_ok=True)
    diff, link = shutil.which("diff", path=search_path()), tools / "diff"
    if diff and not link.exists():
        link.unlink(missing_ok=True)
        link.symlink_to(diff)
    first = folder / "namespaces" / f"{namespace}.json"
    if not first.exists():
        files.write(first, _default_namespace(access, namespace))
    return {
        **dict.fromkeys(_EMPTY, ""),
        "KUBECONFIG": f"{first}:{kubeconfig}",
        "HOME": str(home),
        "PATH": str(tools),
        "KUBERC": "off",
        "KUBECTL_KUBERC": "false",
        **_editor(),
    }


def _editor() -> dict[str, str]:
    """Return the editor for ``kubectl edit``: the reader's, or one that is there.

    The first that is found of KUBE_EDITOR, VISUAL, EDITOR, nano, vim and vi.
    """
    path = search_path()
    named = (os.environ.get(name, "") for name in ("KUBE_EDITOR", "VISUAL", "EDITOR"))
    for each in (*named, "nano", "vim", "vi"):
        try:
            words = shlex.split(each)
        except ValueError:  # an open quote
            continue
        found = shutil.which(words[0], path=path) if words else None
        env = shutil.which("env", path=path)
        if found and env:
            own = [f"PATH={path}", f"HOME={_home()}"]
            command = shlex.join([env, *own, found, *words[1:]])
            # kubectl leaves the quotes to the reader's shell, which may know others.
            return {"KUBE_EDITOR": command, "SHELL": "/bin/sh"}
    return {}


def check_editor(own: Sequence[str], variables: Mapping[str, str]) -> None:
    """Refuse a command that opens an editor where there is none.

    Args:
        own: kubectl's own arguments.
        variables: What `environment` returned.

    Raises:
        HostProblem: There is none; kubectl would only say that it cannot start vi.
    """
    edits = {"edit", "edit-last-applied", "--edit", "--edit=true"}
    if "KUBE_EDITOR" in variables or not edits & set(own):
        return
    raise HostProblem(
        "there is no editor on this computer that kubectl could open",
        where="KUBE_EDITOR, VISUAL, EDITOR and the PATH",
        wanted="an editor of your choice, or nano, vim or vi",
        seen=os.environ.get("KUBE_EDITOR") or os.environ.get("EDITOR") or "none",
        next="apt-get install --yes nano",
    )


def _home() -> Path:
    """Return the reader's home; the root where this user has none."""
    try:
        return Path.home()
    except RuntimeError:
        return Path("/")


def _default_namespace(access: Kubeconfig, namespace: str) -> str:
    context = {
        "cluster": access.cluster,
        "user": access.user,
        "namespace": namespace,
    }
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "k8slab",
        "contexts": [{"name": "k8slab", "context": context}],
    }
    return json.dumps(config)
