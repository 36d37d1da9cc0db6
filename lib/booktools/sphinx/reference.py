"""Derive the library's reference from its docstrings."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.ext.napoleon.docstring import GoogleDocstring

PACKAGE = "k8slab"


@dataclass(frozen=True)
class Part:
    """A module of which the reference speaks.

    Attributes:
        module: Its name below the package.
        call: What a chapter writes before a name; the module's own name when empty.
        only: The names to describe; all public ones that have a docstring by default.
    """

    module: str
    call: str = ""
    only: tuple[str, ...] = ()


# In the order in which a reader meets them.
PARTS = (
    Part("lab", only=("connect", "find", "names")),
    Part("kube.cluster", "Cluster", only=("Cluster",)),
    Part("kube.namespace", "Namespace", only=("Namespace",)),
    Part("machine", "Machine", only=("Machine",)),
    Part("ssh.client", "Shell", only=("SSHShell",)),
    Part("check"),
    Part("wait"),
    Part("probe"),
    Part("rest"),
    Part("show"),
    Part("record"),
    Part(
        "fault",
        only=("names", "inject", "Injection", "heal", "draw", "Hidden", "judge"),
    ),
    Part("widgets"),
    Part("kube.objects", "Records", only=("Pod", "Node", "Endpoints")),
    Part("kube.scaler", "Scaler", only=("Scaler",)),
    Part("errors"),
)


def markdown() -> str:
    """Return the reference as Markdown, a section for each part."""
    sections = [_magics()]
    for part in PARTS:
        module = importlib.import_module(f"{PACKAGE}.{part.module}")
        sections.append(_section(part, module))
    return "\n\n".join(sections)


def shorten(app: Sphinx, doctree: nodes.document) -> None:
    """Show names as chapters write them: ``check.that``, not where it is defined."""
    for name in doctree.findall(addnodes.desc_addname):
        written = name.astext().removeprefix(f"{PACKAGE}.")
        written = "" if written.count(".") > 1 else written
        name.replace_self(addnodes.desc_addname(written, written))


def names(part: Part, module: ModuleType) -> Iterator[str]:
    """Yield what a part describes, in the order of its source."""
    if part.only:
        yield from part.only
        return
    shared = _shared(module)
    wanted = getattr(module, "__all__", None) or [
        name
        for name, value in vars(module).items()
        if (inspect.isfunction(value) or inspect.isclass(value))
        and (value.__module__ == module.__name__ or name in shared)
    ]
    for name in wanted:
        if not name.startswith("_") and inspect.getdoc(getattr(module, name)):
            yield name


def _shared(module: ModuleType) -> set[str]:
    """Return what a module imports for its users: ``from … import name as name``."""
    tree = ast.parse(inspect.getsource(module))
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    return {a.name for node in imports for a in node.names if a.asname == a.name}


def _section(part: Part, module: ModuleType) -> str:
    summary, _, _ = (inspect.getdoc(module) or "").partition("\n")
    lines = [f"## {part.call or part.module}", "", summary, "", "```{eval-rst}"]
    for name in names(part, module):
        value = getattr(module, name)
        kind = "autoclass" if inspect.isclass(value) else "autofunction"
        lines.append(f".. {kind}:: {module.__name__}.{name}")
        if inspect.isclass(value) and part.module != "errors":
            lines.append("   :members:")
        lines.append("")
    return "\n".join([*lines, "```"])


def _magics() -> str:
    """Return the section about what is typed with a per cent sign."""
    magics = importlib.import_module(f"{PACKAGE}.magics")
    found: list[tuple[str, Any]] = [("%kubectl", magics.kubectl), ("%%on", magics.on)]
    lines = [
        "## %kubectl and %%on",
        "",
        (inspect.getdoc(magics) or "").partition("\n")[0],
        "",
        "```{eval-rst}",
    ]
    for name, value in found:
        lines += [f".. py:function:: {name}", "   :noindex:", ""]
        lines += [f"   {line}" for line in _rst(value).splitlines()] + [""]
    return "\n".join([*lines, "```"])


def _rst(value: Any) -> str:
    return str(GoogleDocstring(inspect.getdoc(value) or "", what="function"))
