"""Derive ``environment.yml`` from ``pyproject.toml``."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement

# Conda-forge calls this one "python-kubernetes", had only 36.0.2 when it was looked
# up, and ships a kubectl as "kubernetes-client": it comes from pip.
FROM_PIP = frozenset({"kubernetes"})
_HEAD = "# Written by 'make environment' from pyproject.toml; a test fails on drift.\n"


@dataclass(frozen=True)
class Wanted:
    """What ``pyproject.toml`` asks for.

    Attributes:
        python: The range of Python versions.
        requirements: The package's own and every group's, sorted by name.
    """

    python: str
    requirements: tuple[Requirement, ...]


def wanted(pyproject: Path) -> Wanted:
    """Read what ``pyproject.toml`` asks for."""
    content = tomllib.loads(pyproject.read_text(encoding="utf-8"))
    project = content["project"]
    texts = list(project.get("dependencies", []))
    for group in content.get("dependency-groups", {}).values():
        texts += [text for text in group if isinstance(text, str)]
    requirements = sorted(map(Requirement, texts), key=lambda r: r.name.lower())
    return Wanted(project["requires-python"], tuple(requirements))


def environment(pyproject: Path) -> str:
    """Return the text of ``environment.yml``."""
    want = wanted(pyproject)
    conda = [r for r in want.requirements if r.name not in FROM_PIP]
    pip = [r for r in want.requirements if r.name in FROM_PIP]
    lines = ["name: k8slab", "channels:", "  - conda-forge", "dependencies:"]
    lines.append(f'  - "python{want.python}"')
    lines += [f'  - "{r.name}{_range(r)}"' for r in conda]
    lines += ["  - pip", "  - pip:"]
    lines += [f'      - "{r.name}{_range(r)}"' for r in pip]
    lines.append("      - --editable=.")
    return _HEAD + "\n".join(lines) + "\n"


def _range(requirement: Requirement) -> str:
    """Return a requirement's versions, the lower limit first."""
    parts = sorted(requirement.specifier, key=lambda s: (s.operator[0] == "<", str(s)))
    return ",".join(str(part) for part in parts)


def main(root: Path) -> None:
    """Write ``environment.yml`` beside ``pyproject.toml``."""
    text = environment(root / "pyproject.toml")
    (root / "environment.yml").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path.cwd())
