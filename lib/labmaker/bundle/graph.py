"""Work out which artefacts have to be built anew, and build them in order."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

from k8slab.core import outside
from k8slab.core.phases import Ledger
from k8slab.core.process import Runner
from k8slab.errors import BundleError, LabError

from ..schedule import Schedule
from .architecture import architecture
from .cache import SHORT_KEY, Cache, sha256
from .versions import Versions

# Two at a time beside the compiler: they wait for the disk and the network.
_COMPILER, _BESIDE = "compiler", "beside the compiler"
_LANES = {_COMPILER: 1, _BESIDE: 2}


class BuildRunner(Runner, Protocol):
    """A runner whose commands can be ended from another thread."""

    def end(self) -> None:
        """End every command that still runs."""
        ...


@dataclass(frozen=True)
class BuildContext:
    """Where one artefact is built, and what with.

    Attributes:
        out: The folder to fill.
        key: The artefact's short key.
        source: The repository's `bundle/` folder.
        cache: The cache's folder, for what compilers keep.
        architecture: What is built for, as Go and Debian name it.
        versions: The versions to build.
        run: Runs commands on this computer.
        needs: The folders of the artefacts it depends on, by name.
        tell: Shows how far it is.
    """

    out: Path
    key: str
    source: Path
    cache: Path
    architecture: str
    versions: Versions
    run: Runner
    needs: Mapping[str, Path]
    tell: Callable[[str], None] = lambda remark: None


@dataclass(frozen=True)
class Recipe:
    """How one artefact is made.

    Attributes:
        name: The artefact's name.
        build: Fills its folder.
        what: The phase's name, as progress shows it.
        needs: The artefacts it is made of.
        inputs: Files and folders it is made of, relative to the source.
        facts: Versions and settings it depends on.
        revision: Raise it when ``build`` does something else than before.
        compiles: It takes all cores, so only one such recipe runs at a time.
        kit: Labs are made of it; the others are needed only to build it.
    """

    name: str
    build: Callable[[BuildContext], None]
    what: str
    needs: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    revision: int = 1
    compiles: bool = False
    kit: bool = False


def keys(recipes: Sequence[Recipe], source: Path) -> dict[str, str]:
    """Return each artefact's key: the hash of all it is made of.

    Args:
        recipes: The recipes, each after those it needs.
        source: The repository's `bundle/` folder.
    """
    known: dict[str, str] = {}
    for recipe in recipes:
        made_of = {
            "name": recipe.name,
            "revision": recipe.revision,
            "facts": dict(recipe.facts),
            "inputs": _inputs(recipe.inputs, source),
            "needs": {name: known[name] for name in recipe.needs},
        }
        text = json.dumps(made_of, sort_keys=True)
        known[recipe.name] = hashlib.sha256(text.encode()).hexdigest()
    return known


def _inputs(names: Iterable[str], source: Path) -> dict[str, str]:
    """Return the hash and the mode of each input file."""
    found = {}
    for name in names:
        top = source / name
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if path.is_file() and "__pycache__" not in path.parts:
                executable = "x" if path.stat().st_mode & 0o100 else "-"
                found[str(path.relative_to(source))] = executable + sha256(path)
    return found


class Builder:
    """Build the artefacts that are not there yet.

    Args:
        cache: Where they are kept.
        source: The repository's `bundle/` folder.
        versions: The versions to build.
        run: Runs commands on this computer.
        ledger: Shows the phases.
    """

    def __init__(
        self,
        cache: Cache,
        source: Path,
        versions: Versions,
        run: BuildRunner,
        ledger: Ledger,
    ) -> None:
        self._cache = cache
        self._source = source
        self._versions = versions
        self._run = run
        self._ledger = ledger
        self._inputs: dict[str, dict[str, str]] = {}

    def build(self, recipes: Sequence[Recipe]) -> dict[str, str]:
        """Build what the kit lacks, and return every artefact's key.

        Args:
            recipes: The recipes, each after those it needs. What only others are made
                of is built when one of these is missing.

        Raises:
            BundleError: An artefact cannot be built; those finished stay.
        """
        self._inputs = {r.name: _inputs(r.inputs, self._source) for r in recipes}
        known = keys(recipes, self._source)
        missing = {recipe.name: recipe for recipe in self.missing(recipes, known)}
        schedule = Schedule(self._ledger, abort=self._run.end, lanes=_LANES)
        for recipe in missing.values():
            schedule.add(
                recipe.name,
                partial(self._one, recipe, known),
                needs=[name for name in recipe.needs if name in missing],
                what=recipe.what,
                where=recipe.name,
                lane=_COMPILER if recipe.compiles else _BESIDE,
            )
        schedule.run()
        return known

    def missing(
        self, recipes: Sequence[Recipe], known: Mapping[str, str]
    ) -> list[Recipe]:
        """Return the recipes to build, each after those it needs.

        Args:
            recipes: All recipes, each after those it needs.
            known: Every artefact's key.
        """
        wanted: set[str] = set()
        for recipe in reversed(recipes):
            if (recipe.kit or recipe.name in wanted) and not self._cache.has(
                recipe.name, known[recipe.name]
            ):
                wanted |= {recipe.name, *recipe.needs}
        return [
            recipe
            for recipe in recipes
            if recipe.name in wanted
            and not self._cache.has(recipe.name, known[recipe.name])
        ]

    def _one(self, recipe: Recipe, known: Mapping[str, str]) -> None:
        key = known[recipe.name]
        needs = {name: self._cache.folder(name, known[name]) for name in recipe.needs}
        try:
            with self._cache.making(recipe.name, key) as out:
                recipe.build(
                    BuildContext(
                        out,
                        key[:SHORT_KEY],
                        self._source,
                        self._cache.root,
                        architecture(),
                        self._versions,
                        self._run,
                        needs,
                        partial(self._ledger.tell, recipe.name),
                    )
                )
                self._still_asked_for(recipe)
        except (LabError, OSError) as error:
            raise _cannot(recipe, error) from error

    def _still_asked_for(self, recipe: Recipe) -> None:
        """Refuse a result whose inputs were edited meanwhile: its key would lie."""
        if _inputs(recipe.inputs, self._source) != self._inputs[recipe.name]:
            raise BundleError(
                "its files changed while it was built",
                where=", ".join(recipe.inputs),
                next="run 'k8slab bundle build' again",
            )


def _cannot(recipe: Recipe, error: LabError | OSError) -> BundleError:
    """Say which artefact failed, beside what the failing step said."""
    if not isinstance(error, LabError):
        error = outside.ours(error)
    return BundleError(
        f"{recipe.name} cannot be built: {error.what}",
        where=error.where,
        wanted=error.wanted,
        seen=error.seen,
        next=error.next
        or "mend what the last lines say, then run 'k8slab bundle build' again; "
        "what is finished stays",
    )
