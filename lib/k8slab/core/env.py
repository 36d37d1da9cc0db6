"""Read the variables ``K8SLAB_…``, which say where labs are and which is meant."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from ..errors import BadInput
from .names import lab_name

DEFAULT_LAB = "default"
"""The lab that is meant when nobody names one."""
FOR_CHAPTER = "K8SLAB_FOR_CHAPTER"
"""The variable by which a chapter's session tells a command that it runs it."""
_MOST_PATIENCE = 1000


@dataclass(frozen=True)
class Environment:
    """What the variables ``K8SLAB_…`` say; they are read here and nowhere else.

    Attributes:
        home: ``K8SLAB_HOME``: the folder of all labs.
        cache: ``K8SLAB_CACHE``: the folder of the bundle.
        lab: ``K8SLAB_LAB``: the lab that commands and chapters mean.
        provider: ``K8SLAB_PROVIDER``: what provides a new lab's machines; or empty,
            for what is found on this computer.
        required: ``K8SLAB_REQUIRED=1``: a chapter's missing need is a failure.
        notebook: ``JPY_SESSION_NAME``: the notebook that JupyterLab runs; or empty.
        recorded: Whether the reader's progress is kept; ``K8SLAB_RECORD=0`` says no.
        for_chapter: ``K8SLAB_FOR_CHAPTER=1``: a chapter's session runs this command.
    """

    home: Path
    cache: Path
    lab: str
    provider: str
    required: bool
    notebook: str = ""
    recorded: bool = False
    for_chapter: bool = False

    @classmethod
    def read(cls) -> Environment:
        """Read the environment as it is now.

        Raises:
            BadInput: A variable is set to what cannot be meant; an empty one too, or
                a script whose own variable is empty would mean another lab.
        """
        get = os.environ.get
        return cls(
            home=_folder("K8SLAB_HOME", platformdirs.user_state_path),
            cache=_folder("K8SLAB_CACHE", platformdirs.user_cache_path),
            lab=lab_name(
                get("K8SLAB_LAB", DEFAULT_LAB),
                where="K8SLAB_LAB",
                next="unset K8SLAB_LAB, or give it the name of a lab",
            ),
            provider=get("K8SLAB_PROVIDER") or "",
            required=get("K8SLAB_REQUIRED") == "1",
            notebook=get("JPY_SESSION_NAME") or "",
            recorded=get("K8SLAB_RECORD") != "0",
            for_chapter=get(FOR_CHAPTER) == "1",
        )


def settle() -> None:
    """Make folders absolute that variables name, for what this process starts.

    A kernel runs in its chapter's folder, and has to mean the same labs.
    """
    for name in ("K8SLAB_HOME", "K8SLAB_CACHE", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        if value := os.environ.get(name):
            with suppress(RuntimeError):  # "~" where there is no home: told when read
                os.environ[name] = str(Path(value).expanduser().absolute())


def lab_meant() -> str:
    """Return the lab that the environment means, for messages: nothing is refused."""
    return os.environ.get("K8SLAB_LAB") or DEFAULT_LAB


def _folder(variable: str, usual: Callable[[str], Path]) -> Path:
    """Return the folder that a variable names, from any working directory.

    A colon separates the parts of a KUBECONFIG and of an engine's volume.
    """
    given = os.environ.get(variable)
    try:
        found = usual("k8slab") if given is None else Path(given).expanduser()
    except RuntimeError as error:  # of this user, without HOME, or of another one
        raise BadInput(
            "there is no such home directory",
            where=variable,
            wanted="a folder",
            seen=given or str(error),
            next=f"name one: export {variable}=/var/lib/k8slab",
        ) from error
    text = str(found)
    two = ":" in text or "${" in text  # ssh reads a variable in it
    if given == "" or two or not text.isprintable():
        raise BadInput(
            "that cannot be the folder of labs or of the bundle",
            where=variable if given is not None else "HOME, or a variable of XDG",
            wanted="a folder without a colon, ${ or a control character in its path",
            seen=repr(text if given != "" else ""),
            next=f"unset {variable}, or give it another folder"
            if given is not None
            else f"name another one: export {variable}=/var/lib/k8slab",
        )
    return found.absolute()


def patience() -> float:
    """Return by what all deadlines are multiplied: ``K8SLAB_PATIENCE``, 1 by default.

    Raises:
        BadInput: It is no number, or would make deadlines shorter.
    """
    given = os.environ.get("K8SLAB_PATIENCE")
    if given is None:
        return 1.0
    try:
        factor = float(given)
    except ValueError:
        factor = 0.0
    if 1 <= factor <= _MOST_PATIENCE:
        return factor
    raise BadInput(
        "deadlines cannot be multiplied by that",
        where="K8SLAB_PATIENCE",
        wanted=f"a number from 1 to {_MOST_PATIENCE}",
        seen=repr(given),
        next="unset K8SLAB_PATIENCE, or on a slow machine: export K8SLAB_PATIENCE=20",
    )
