"""Complete what is typed behind ``%kubectl`` and ``%%on``, and behind ``check.``."""

from __future__ import annotations

import inspect
import re
import shlex
from pathlib import Path
from types import ModuleType
from typing import Any

from IPython.core.completer import (
    CompletionContext,
    SimpleCompletion,
    context_matcher,
)

from ..errors import LabError
from ..kube import current

LIMIT_S = 2.0
"""Seconds that kubectl may think; nobody waits longer for a Tab."""
_NAMES = "k8slab_names"
_ANY_FILE = ("--from-file", "--from-env-file")
_FILES = ("-f", "--filename", "-k", "--kustomize", "--patch-file", *_ANY_FILE)
# An option in one word with its path, before which a key of a ConfigMap may stand.
_LONG = "|".join(each for each in _FILES if each.startswith("--"))
_GLUED = re.compile(
    rf"(?P<flag>(?:{_LONG})=(?:(?<=--from-file=)[^=]*=)?|-[fk](?=.))(?P<path>.*)"
)
_LINE = re.compile(
    r"(?:[\w.,\[\]'\" ]+=\s*)?(?P<magic>%kubectl|%%on) (?P<typed>.*)$", re.DOTALL
)
_CELL = re.compile(r"\s*%%kubectl\b")
_EVERYDAY = frozenset(
    (
        *("pods", "services", "nodes", "namespaces", "events", "configmaps", "secrets"),
        *("deployments", "deployments.apps", "replicationcontrollers", "replicasets"),
        *("replicasets.apps", "jobs.batch", "endpointslices.discovery.k8s.io"),
        *("persistentvolumes", "persistentvolumeclaims", "statefulsets.apps"),
        *("daemonsets.apps", "horizontalpodautoscalers.autoscaling"),
        *("get", "apply", "delete", "describe", "logs", "exec", "expose", "scale"),
    )
)


def offer(shell: Any) -> None:
    """Let a notebook's shell complete the magics, and our modules for readers."""
    known = shell.Completer.custom_matchers
    if _match not in known:
        known[:] = [each for each in known if each.__name__ != _NAMES]
        known += [_names_of(shell), _match]


def candidates(line: str) -> list[str]:
    """Return what the last word of a kubectl command line may become.

    kubectl itself knows: its verbs, the kinds of the cluster, the names of objects.
    Kinds that are used every day come first. Paths of files stand behind ``-f``.

    Args:
        line: What is typed behind ``kubectl``, up to the cursor.
    """
    try:
        words = shlex.split(line)
        if not line or line[-1].isspace():
            words.append("")
        known = _path_of(words)
        if known is not None:
            flag, path = known
            return _paths(path, every=flag.startswith(_ANY_FILE))
        done = current.current().kubectl(
            ["__complete", *words], check=False, timeout=LIMIT_S
        )
    except (LabError, ValueError):  # no lab, too late, or an open quote: no answer
        return []
    lines = [each.partition("\t")[0] for each in done.stdout.splitlines()]
    found = [each for each in lines if each and not each.startswith((":", "_"))]
    return sorted(found, key=_rank)


def _rank(word: str) -> int:
    """Return 0 for what is typed every day; the rest stays in kubectl's order."""
    return 0 if word.rpartition(",")[2] in _EVERYDAY else 1


def _path_of(words: list[str]) -> tuple[str, str] | None:
    """Return an option as ``-f``, and the path behind it; None when no path is."""
    verb, *rest = words
    if not rest or verb == "logs":
        return None
    if glued := _GLUED.fullmatch(rest[-1]):
        return glued["flag"], glued["path"]
    flag = rest[-2] if len(rest) > 1 else ""
    return (flag, rest[-1]) if flag in _FILES else None


def _paths(begin: str, *, every: bool) -> list[str]:
    """Return the folders and manifests, or every file, whose path begins as typed."""
    folder, _, name = begin.rpartition("/")
    base = f"{folder}/" if "/" in begin else ""
    try:
        there = sorted(Path(base or ".").iterdir())
    except OSError:
        return []
    fits = [p for p in there if p.name.startswith(name) and p.name[0] not in "._"]
    return [
        f"{base}{path.name}{'/' if path.is_dir() else ''}"
        for path in fits
        if every or path.is_dir() or path.suffix in (".yaml", ".yml", ".json")
    ]


@context_matcher(priority=1000)  # type: ignore[untyped-decorator]
def _match(context: CompletionContext) -> dict[str, Any]:
    """Answer for the magics; Python's own names would be noise there."""
    line = context.line_with_cursor[: context.cursor_position].lstrip()
    known = _LINE.match(line)
    typed = known["typed"] if known else ""
    kubectl = known is not None and known["magic"] == "%kubectl"
    if not known and _CELL.match(context.full_text) and context.cursor_line:
        kubectl, typed = True, line
    if (not known and not kubectl) or "|" in typed:
        return {"completions": [], "suppress": False}
    word = "" if typed[-1:].isspace() else typed.split(" ")[-1]
    if glued := _GLUED.match(word):
        word = glued["path"]
    elif kubectl and word.startswith("-"):
        # kubectl answers with the values of --output=, without the option.
        word = word.rpartition("=")[2]
    found = candidates(typed) if kubectl else _machines()
    return {
        "completions": [
            SimpleCompletion(each, type="value")
            for each in found
            if each.startswith(word)
        ],
        "matched_fragment": word,
        "suppress": True,
        "ordered": True,
    }


def readers_names(module: ModuleType) -> list[str]:
    """Return the names of one of our modules that are meant for readers."""
    listed = getattr(module, "__all__", None)
    if listed is not None:
        return list(listed)
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (inspect.isfunction(value) or inspect.isclass(value))
        and value.__module__.startswith(module.__name__)
    ]


def _names_of(shell: Any) -> Any:
    """Return a matcher for ``check.`` and the other modules of the library."""

    @context_matcher(priority=1000)  # type: ignore[untyped-decorator]
    def match(context: CompletionContext) -> dict[str, Any]:
        line = context.line_with_cursor[: context.cursor_position]
        dotted = re.search(r"(?<![\w.])(\w+)\.(\w*)$", line)
        module = shell.user_ns.get(dotted[1]) if dotted else None
        nothing = {"completions": [], "suppress": False}
        if not dotted or not isinstance(module, ModuleType):
            return nothing
        if not module.__name__.startswith("k8slab.") or line.lstrip().startswith("%"):
            return nothing
        return {
            "completions": [
                SimpleCompletion(f".{each}", type="function")
                for each in sorted(readers_names(module))
                if each.startswith(dotted[2])
            ],
            "matched_fragment": f".{dotted[2]}",
            "suppress": True,
            "ordered": True,
        }

    match.__name__ = _NAMES
    return match


def _machines() -> list[str]:
    try:
        machines: Any = current.machines()
        return list(getattr(machines, "machines", ()))
    except LabError:  # no lab, or one without machines
        return []
