"""Open, build, check and hand over the bundle: everything that a lab is made of."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

from k8slab.core.files import write
from k8slab.core.phases import Ledger
from k8slab.core.process import LocalRunner
from k8slab.errors import BundleError

from . import graph, images, transfer, versions
from .cache import MANIFEST, READABLE, SHORT_KEY, Artefact, Cache, compare
from .components import find, on_demand
from .recipes import recipes

_NEXT = "run 'k8slab bundle build'"
_MACHINES = ("bare", "ready", "depot")


class Bundle:
    """A complete bundle; `Bundle.open`, `Bundle.build` and `Bundle.import_` give one.

    Attributes:
        versions: The versions of its parts.
    """

    def __init__(
        self, cache: Cache, known: versions.Versions, artefacts: dict[str, Artefact]
    ) -> None:
        self.versions = known
        self._cache = cache
        self._artefacts = artefacts

    @classmethod
    def open(cls, cache: Path, source: Path) -> Bundle:
        """Open the finished bundle after a quick look at its files' sizes.

        Args:
            cache: The cache's folder.
            source: The repository's `bundle/` folder.

        Raises:
            BundleError: It is not built, out of date, or a file is missing or cut off.
        """
        known = versions.read(source)
        store = Cache(cache)
        artefacts = _read_manifest(store)
        required = {recipe.name for recipe in recipes(known)}
        keys = graph.keys(recipes(known, on_demand()), source)
        for name, key in list(keys.items()):
            if name not in artefacts or artefacts[name].key != key:
                if name not in required:
                    del keys[name]
                    continue
                raise BundleError(
                    f"the bundle is out of date: {name} was made of something else",
                    where=str(source),
                    wanted=f"{name} {key[:SHORT_KEY]}",
                    seen=artefacts[name].key[:SHORT_KEY]
                    if name in artefacts
                    else "none",
                    next=_NEXT,
                )
        bundle = cls(store, known, {name: artefacts[name] for name in keys})
        for artefact in bundle.artefacts:
            compare(bundle.path(artefact.name), store.files(artefact), hashes=False)
        return bundle

    @classmethod
    def build(
        cls,
        cache: Path,
        source: Path,
        ledger: Ledger,
        *,
        also: Collection[str] = (),
        run: graph.BuildRunner | None = None,
    ) -> Bundle:
        """Build what is missing or out of date; what is finished stays.

        Args:
            cache: The cache's folder.
            source: The repository's `bundle/` folder.
            ledger: Shows the phases.
            also: Components that are built on demand only, by name; those that were
                built before stay.
            run: Runs commands on this computer.

        Raises:
            BundleError: A part cannot be built, or there is no such component.
            InUse: Another build is running.
        """
        for name in also:
            find(name)
        known = versions.read(source)
        store = Cache(cache)
        asked_for = {recipe.name for recipe in recipes(known, also)}
        with store.lock():
            every = recipes(known, on_demand())
            keys = {
                name: key
                for name, key in graph.keys(every, source).items()
                if name in asked_for or store.has(name, key)
            }
            wanted = [recipe for recipe in every if recipe.name in keys]
            if not all(store.has(name, key) for name, key in keys.items()):
                builder = graph.Builder(
                    store, source, known, run or LocalRunner(), ledger
                )
                builder.build(wanted)
            else:
                with ledger.phase("look for changes", "bundle") as phase:
                    phase.unchanged(f"{len(keys)} artefacts are up to date")
            _write_manifest(store, [store.artefact(n, k) for n, k in keys.items()])
        return cls.open(cache, source)

    @classmethod
    def import_(cls, cache: Path, source: Path, file: Path) -> Bundle:
        """Take over a bundle that `export` wrote, after checking every file of it.

        Args:
            cache: The cache's folder.
            source: The repository's `bundle/` folder.
            file: The exported file.

        Raises:
            BundleError: The file is broken, or was made of other versions; nothing of
                it stays.
        """
        known = versions.read(source)
        store = Cache(cache)
        with store.lock():
            keys = graph.keys(recipes(known), source)
            artefacts = transfer.import_(store, file, keys, LocalRunner())
            _write_manifest(store, artefacts)
        return cls.open(cache, source)

    def export(self, file: Path) -> None:
        """Write the whole bundle into one file, with its checksums inside.

        Args:
            file: The file to write; it appears when it is complete.

        Raises:
            BundleError: A file of the bundle is broken, or the disk is full.
        """
        self.verify()
        transfer.export(self._cache, self.artefacts, file, LocalRunner())

    def verify(self) -> list[str]:
        """Read every file again and compare its hash.

        Returns:
            The names of the artefacts.

        Raises:
            BundleError: It names the file, and the hash wanted and seen.
        """
        for artefact in self.artefacts:
            files = self._cache.files(artefact)
            compare(self.path(artefact.name), files, hashes=True)
        return [artefact.name for artefact in self.artefacts]

    @property
    def artefacts(self) -> list[Artefact]:
        """The artefacts in the order they were built."""
        return list(self._artefacts.values())

    def path(self, name: str) -> Path:
        """Return the folder of an artefact.

        Raises:
            BundleError: There is no artefact of that name.
        """
        if name not in self._artefacts:
            raise BundleError(
                f"the bundle has no artefact named {name!r}",
                wanted="one of " + ", ".join(self._artefacts),
                seen=name,
                next="what is built on demand: k8slab bundle build COMPONENT",
            )
        return self._cache.folder(name, self._artefacts[name].key)

    def image_ref(self, name: str) -> str:
        """Return an image's full name.

        Args:
            name: ``bare``, ``ready`` or ``depot`` for a machine's image, as the
                container engine knows it; else an image of the cluster.
        """
        if name in _MACHINES:
            key = self._artefacts[f"image-{name}"].key[:SHORT_KEY]
            return images.machine_reference(name, key)
        return self.versions.images[name]

    def image_tar(self, name: str) -> Path:
        """Return the tar of a machine's or of the cluster's image."""
        return self.path(f"image-{name}") / "image.tar"

    @property
    def kubectl(self) -> Path:
        """The kubectl for this computer."""
        return self.path("go-kubernetes") / "bin" / "kubectl"


def _read_manifest(cache: Cache) -> dict[str, Artefact]:
    file = cache.root / MANIFEST
    try:
        entries = json.loads(file.read_text("utf-8"))["artefacts"]
        return {entry["name"]: Artefact(**entry) for entry in entries}
    except FileNotFoundError as error:
        raise BundleError(
            "the bundle is not built", where=str(file), next=_NEXT
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise BundleError(
            "the bundle's manifest cannot be read",
            where=str(file),
            seen=str(error),
            next=_NEXT,
        ) from error


def _write_manifest(cache: Cache, artefacts: list[Artefact]) -> None:
    write(cache.root / MANIFEST, transfer.manifest(artefacts), mode=READABLE)
