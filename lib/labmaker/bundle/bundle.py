"""Open, build, check and hand over the bundle: everything that a lab is made of."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path

from k8slab.core.files import usual_modes, write
from k8slab.core.phases import Ledger
from k8slab.core.process import LocalRunner
from k8slab.errors import BundleError

from . import graph, images, prune, transfer, versions
from .cache import MANIFEST, READABLE, SHORT_KEY, Artefact, Cache, compare
from .components import MACHINE_IMAGES, find, on_demand
from .recipes import manifests_of, recipes, registry_of

_NEXT = "run 'k8slab bundle build'"
_SHARE = "'export K8SLAB_CACHE=/var/cache/k8slab'"
"""What names a folder of the bundle that is not one user's."""


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
        required = {recipe.name for recipe in recipes(known) if recipe.kit}
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
                    next=_build(),
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
    ) -> Bundle:
        """Build what is missing or out of date; what is finished stays.

        Args:
            cache: The cache's folder.
            source: The repository's `bundle/` folder.
            ledger: Shows the phases.
            also: Components that are built on demand only, by name; those that were
                built before stay.

        Raises:
            BundleError: A part cannot be built, or there is no such component.
            InUse: Another build is running.
        """
        for name in also:
            find(name)
        known = versions.read(source)
        store = Cache(cache)
        asked_for = {recipe.name for recipe in recipes(known, also)}
        with usual_modes(), store.lock():
            every = recipes(known, on_demand())
            keys = graph.keys(every, source)
            wanted = [
                recipe
                for recipe in every
                if recipe.name in asked_for or store.has(recipe.name, keys[recipe.name])
            ]
            builder = graph.Builder(store, source, known, LocalRunner(), ledger)
            if builder.missing(wanted, keys):
                builder.build(wanted)
                there = _there(store, keys)
                with ledger.phase("keep the cache small", "bundle") as phase:
                    phase.changed(prune.prune(store, there).text)
            else:
                there = _there(store, keys)
                with ledger.phase("look for changes", "bundle") as phase:
                    phase.unchanged(f"{len(there)} artefacts are up to date")
            _write_manifest(store, there)
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
        with usual_modes(), store.lock():
            keys = graph.keys(recipes(known, on_demand()), source)
            required = [recipe.name for recipe in recipes(known) if recipe.kit]
            artefacts = transfer.import_(store, file, keys, required, LocalRunner())
            _write_manifest(store, artefacts)
        return cls.open(cache, source)

    def export(self, file: Path) -> None:
        """Write what labs are made of into one file, with its checksums inside.

        Args:
            file: The file to write; it appears when it is complete.

        Raises:
            BundleError: The file cannot be there, a file of the bundle is broken, or
                the disk is full.
        """
        transfer.refuse_place(file)
        kit = self.kit
        self.verify([artefact.name for artefact in kit])
        transfer.export(self._cache, kit, file, LocalRunner())

    def prune(self, *, kit_only: bool = False) -> prune.Pruned:
        """Drop what no lab needs and a build can make again.

        Args:
            kit_only: Drop also what the kit was made of; a change of the recipes is
                then fetched and compiled from nothing.

        Raises:
            InUse: A build is running.
        """
        with self._cache.lock():
            kept = self.kit if kit_only else self.artefacts
            done = prune.prune(self._cache, kept, 0 if kit_only else prune.LIMIT_BYTES)
            _write_manifest(self._cache, kept)
        return done

    def verify(self, only: Collection[str] = ()) -> list[str]:
        """Read every file again and compare its hash.

        Args:
            only: The artefacts to read, by name; all of them without.

        Returns:
            The names of the artefacts.

        Raises:
            BundleError: It names the file, and the hash wanted and seen.
        """
        read = [a for a in self.artefacts if not only or a.name in only]
        for artefact in read:
            files = self._cache.files(artefact)
            compare(self.path(artefact.name), files, hashes=True)
        return [artefact.name for artefact in read]

    @property
    def kit(self) -> list[Artefact]:
        """The artefacts that labs are made of, in the order they were built."""
        names = _kit(self.versions)
        return [artefact for artefact in self.artefacts if artefact.name in names]

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
                next="what is built on demand: 'k8slab bundle build COMPONENT'",
            )
        return self._cache.folder(name, self._artefacts[name].key)

    def has_images_of(self, component: str) -> bool:
        """Say whether the images of a component that is built on demand are there."""
        return registry_of(component) in self._artefacts

    def has_manifests_of(self, component: str) -> bool:
        """Say whether the manifests that a component's module brings are there."""
        return manifests_of(component) in self._artefacts

    def registry_of(self, component: str) -> Path:
        """Return the registry of a component that is built on demand.

        Raises:
            BundleError: It was not built.
        """
        return self.path(registry_of(component))

    def manifests_of(self, component: str) -> Path:
        """Return the folder of the manifests that a component's module brings.

        Raises:
            BundleError: They were not taken.
        """
        return self.path(manifests_of(component))

    def image_ref(self, name: str) -> str:
        """Return an image's full name.

        Args:
            name: ``bare``, ``ready`` or ``depot`` for a machine's image, as the
                container engine knows it; else an image of the cluster.
        """
        if name in MACHINE_IMAGES:
            key = self._artefacts[f"image-{name}"].key[:SHORT_KEY]
            return images.machine_reference(name, key)
        return self.versions.images[name]

    def image_tar(self, name: str) -> Path:
        """Return the tar of a machine's or of the cluster's image."""
        return self.path(f"image-{name}") / "image.tar"

    @property
    def kubectl(self) -> Path:
        """The kubectl for this computer."""
        return self.path("kubectl") / "kubectl"


def _kit(known: versions.Versions) -> set[str]:
    return {recipe.name for recipe in recipes(known, on_demand()) if recipe.kit}


def _there(cache: Cache, keys: Mapping[str, str]) -> list[Artefact]:
    """Return the artefacts that are finished."""
    return [cache.artefact(n, k) for n, k in keys.items() if cache.has(n, k)]


def _build() -> str:
    """Return what to do about a bundle that cannot be used; only root builds one."""
    if os.geteuid() == 0:
        return _NEXT
    return (
        f"have root build it for all: {_SHARE}, then 'k8slab bundle build'; "
        f"then {_SHARE} here, and repeat the command"
    )


def _read_manifest(cache: Cache) -> dict[str, Artefact]:
    file = cache.root / MANIFEST
    try:
        entries = json.loads(file.read_text("utf-8"))["artefacts"]
        return {entry["name"]: Artefact(**entry) for entry in entries}
    except FileNotFoundError as error:
        raise BundleError(
            "the bundle is not built", where=str(file), next=_build()
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise BundleError(
            "the bundle's manifest cannot be read",
            where=str(file),
            seen=str(error),
            next=_build(),
        ) from error


def _write_manifest(cache: Cache, artefacts: list[Artefact]) -> None:
    write(cache.root / MANIFEST, transfer.manifest(artefacts), mode=READABLE)
