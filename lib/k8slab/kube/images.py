"""Have an adopted cluster pull the chapters' images from where its owner put them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from ..core import files
from ..lab_record import REGISTRY
from .kubectl_arguments import own_arguments

# Only what names an image: a manifest may speak of the registry elsewhere.
_FIELD = re.compile(rf"""(\bimage["']?\s*:\s*["']?){re.escape(REGISTRY)}/""")
_FILE = re.compile(r"(--filename=|-f=?)(.+)", re.S)


def in_manifest(text: str, prefix: str) -> str:
    """Return a manifest, YAML or JSON, whose images come from a prefix.

    Args:
        text: The manifest.
        prefix: A registry with a path, as in ``registry.example/book``.

    Example:
        >>> in_manifest("image: registry.lab/echo:1", "registry.example/book")
        'image: registry.example/book/echo:1'
    """
    return _FIELD.sub(rf"\g<1>{prefix}/", text)


def in_arguments(argv: Sequence[str], prefix: str, folder: Path) -> list[str]:
    """Return kubectl's arguments with that prefix, in them and in the files they name.

    A manifest that names the chapters' registry is read from a copy; folders and
    patterns of file names are left to kubectl as they are.

    Args:
        argv: The arguments.
        prefix: A registry with a path.
        folder: Where copies of manifests may lie.
    """
    own = len(own_arguments(argv))
    found = []
    reads = "logs" not in argv[:own]
    before = ""
    for word in argv[:own]:
        if reads and before in ("-f", "--filename"):
            found.append(_copies(word, prefix, folder))
        elif reads and (match := _FILE.fullmatch(word)):
            found.append(match[1] + _copies(match[2], prefix, folder))
        else:
            found.append(word.replace(f"{REGISTRY}/", f"{prefix}/"))
        before = word
    return [*found, *argv[own:]]


def _copies(names: str, prefix: str, folder: Path) -> str:
    """Return the names of manifests, of copies where they name the registry."""
    return ",".join(_copy(name, prefix, folder) for name in names.split(","))


def _copy(name: str, prefix: str, folder: Path) -> str:
    path = Path(name)
    if not path.is_file():
        return name
    text = path.read_text(encoding="utf-8")
    changed = in_manifest(text, prefix)
    if changed == text:
        return name
    mark = hashlib.sha256(changed.encode()).hexdigest()[:16]
    copy = folder / f"{path.stem}.{mark}{path.suffix}"
    if not copy.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        files.write(copy, changed)
    return str(copy)
