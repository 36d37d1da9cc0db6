"""Enable and disable add-ons of a lab, and finish what an ended command began."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

from k8slab import lab, wait
from k8slab.core import files
from k8slab.core.env import Environment
from k8slab.core.hints import command
from k8slab.core.phases import Ledger, Reporter, Silent
from k8slab.core.process import LocalRunner, Runner
from k8slab.core.signals import terminable, undisturbed
from k8slab.errors import InUse, LabError, NotReady
from k8slab.folder import LabFolder
from k8slab.kube.cluster import Cluster
from k8slab.kube.objects import Object
from k8slab.lab_record import HALF_DONE, LabRecord

from ..bundle import Bundle, opened, source
from ..bundle.components import find as component
from ..computer import require_root
from ..settings import Settings
from . import images
from .base import LABEL, AddOn, labelled, read
from .catalogue import ADDONS, find, with_needs

_APPLY = ("apply", "--server-side", "--force-conflicts", "--field-manager=k8slab")
_DELETE = ("delete", "--ignore-not-found", "--wait=false")
_KIND = "CustomResourceDefinition"
_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Listed:
    """One add-on of a lab as it is now.

    Attributes:
        name: Its name.
        state: ``enabled``, ``not enabled`` or ``half done``.
        health: What of it does not work; empty when all does, or it is not enabled.
        what: What it is for.
    """

    name: str
    state: str
    health: str
    what: str


def enable(
    name: str, lab_name: str | None = None, *, reporter: Reporter | None = None
) -> Ledger:
    """Enable an add-on and those that it needs; what works already stays as it is.

    Its images are built first where they never were, which can take minutes. What a
    chapter has enabled is noted as the chapter's; what a reader has enabled is not.

    Args:
        name: The add-on.
        lab_name: The lab; ``K8SLAB_LAB`` or ``default`` when None.
        reporter: Shows the phases; none by default.

    Raises:
        BadInput: There is no such add-on.
        LabMissing: There is no such lab.
        BundleError: Its images cannot be built; nothing was changed.
        LabError: The lab was not made here.
        PhaseFailed: It does not come to work; what was made is removed again, unless
            readers have objects of it.
    """
    wanted = with_needs(find(name))
    folder = _own(lab_name)
    ledger = Ledger(reporter or Silent())
    with ledger.shown():
        bundle = cache(partial(_bundle, wanted, ledger))
        if not {each.name for each in wanted} <= set(_record(folder).addons):
            bundle()  # building takes long, so nobody is kept from the lab meanwhile
        with _work(folder, ledger) as work:
            work.tidy(meant={each.name for each in wanted})
            if Environment.read().for_chapter:
                _require(folder, name, [each.name for each in wanted])
            else:
                _keep(folder, {each.name for each in wanted})
            for each in wanted:
                work.enable(each, bundle)
    return ledger


def disable(
    name: str, lab_name: str | None = None, *, reporter: Reporter | None = None
) -> Ledger:
    """Remove an add-on with all that is left of it anywhere.

    Args:
        name: The add-on.
        lab_name: The lab; ``K8SLAB_LAB`` or ``default`` when None.
        reporter: Shows the phases; none by default.

    Raises:
        BadInput: There is no such add-on.
        InUse: Another add-on needs it, or there are objects that would be lost;
            nothing was changed.
        LabError: The lab was not made here.
        LabMissing: There is no such lab.
    """
    addon = find(name)
    folder = _own(lab_name)
    ledger = Ledger(reporter or Silent())
    with ledger.shown(), _work(folder, ledger) as work:
        work.tidy(meant={name})
        work.disable(addon)
        _keep(folder, {name})  # not before: a chapter may have to try again
    return ledger


def resume(folder: LabFolder, ledger: Ledger) -> None:
    """Remove what an ended command left half done, and see the others work.

    Args:
        folder: The lab, which is up; the caller holds it.
        ledger: Shows the phases.

    Raises:
        NotReady: An enabled add-on does not work within the deadline.
    """
    with closing(lab.connect(folder.name)) as cluster:
        work = Work(folder, cluster, ledger)
        work.tidy()
        for name in work.record.addons:
            with ledger.phase("see it work", name) as phase:
                if not find(name).health(cluster):
                    phase.unchanged()
                    continue
                try:
                    find(name).ready(cluster)
                except NotReady as error:
                    error.next = command("addon enable", cluster.lab, name)
                    raise


def listing(lab_name: str | None = None) -> list[Listed]:
    """Return all add-ons, and how they are in a lab.

    Raises:
        LabMissing: There is no such lab.
    """
    folder = _folder(lab_name)
    record = _record(folder)
    found = []
    for addon in ADDONS:
        state, health = "not enabled", ""
        if addon.name == record.half_done:
            state = "half done"
        elif addon.name in record.addons:
            state, health = "enabled", _health(folder, addon)
        found.append(Listed(addon.name, state, health, addon.what))
    return found


class Work:
    """Change the add-ons of one lab, which nobody else does meanwhile.

    Before it changes anything it notes in the lab's folder which add-on that is, and
    strikes the note when it is done: a command that finds one removes what is there of
    the add-on, or enables it to the end.

    Args:
        folder: The lab.
        cluster: Its cluster.
        ledger: Shows the phases.
        runner: Runs commands on this computer.
    """

    def __init__(
        self,
        folder: LabFolder,
        cluster: Cluster,
        ledger: Ledger,
        runner: Runner | None = None,
    ) -> None:
        self._folder = folder
        self._cluster = cluster
        self._ledger = ledger
        self._runner = runner or LocalRunner()
        depot = next(m for m in cluster.record.machines if not m.is_node)
        self._depot = folder.machine(depot.name) / "registry"

    @property
    def record(self) -> LabRecord:
        """What the lab's folder says now."""
        return _record(self._folder)

    def tidy(self, meant: frozenset[str] | set[str] = frozenset()) -> None:
        """Remove what an ended command left half done, unless it is meant now."""
        name = self.record.half_done
        if name and name not in meant:
            self._clear(find(name))

    def enable(self, addon: AddOn, bundle: Callable[[], Bundle]) -> None:
        """Enable an add-on; what fails at first is removed again.

        Args:
            addon: The add-on; those that it needs are enabled.
            bundle: Opens the bundle with its images.
        """
        had = addon.name in self.record.addons
        if had and not addon.health(self._cluster):
            with self._ledger.phase("look at it", addon.name) as phase:
                phase.unchanged("it is enabled")
            return
        addon.objects(self._cluster)  # what this lab cannot have is not begun
        if had:  # readers may have objects of it: it is not removed when this fails
            self._install(addon, bundle)
            return
        self._note(addon, enabled=False, half=True)
        try:
            self._install(addon, bundle)
        except BaseException:
            with undisturbed(), suppress(LabError):  # the next command tries again
                self._clear(addon)
            raise
        self._note(addon, enabled=True)

    def disable(self, addon: AddOn) -> None:
        """Remove an add-on that is enabled, or half of one.

        Raises:
            InUse: Something needs it; nothing was changed.
        """
        record = self.record
        if addon.name not in record.addons and record.half_done != addon.name:
            with self._ledger.phase("look for it", addon.name) as phase:
                phase.unchanged("it is not enabled")
            return
        needed_by = [n for n in record.addons if addon.name in find(n).needs]
        if needed_by:
            raise InUse(
                f"the add-on {addon.name} is needed",
                where=self._cluster.where,
                wanted="no add-on that needs it",
                seen=", ".join(needed_by),
                next=command("addon disable", self._cluster.lab, needed_by[0]),
            )
        self.remove(addon)

    def remove(self, addon: AddOn) -> None:
        """Remove an add-on, whatever of it is there; it may be half of one.

        Raises:
            InUse: There are objects that would be lost; nothing was changed.
        """
        cluster, ledger, name = self._cluster, self._ledger, addon.name
        with ledger.phase("look for what uses it", name) as phase:
            phase.unchanged()
            used = addon.in_use(cluster)
        if used:
            raise InUse(
                f"the add-on {name} is in use",
                where=cluster.where,
                wanted="nothing that would be lost with it",
                seen="\n".join(used),
                next="delete what uses these, then: "
                + command("addon disable", cluster.lab, name),
            )
        self._note(addon, enabled=False, half=True)
        with ledger.phase("remove its objects", name):
            self._delete(addon)
        with ledger.phase("remove what it left on the machines", name):
            addon.remove(cluster)
            names = [i.name for c in addon.components for i in component(c).images]
            images.forget(cluster, names)
            images.withdraw(self._depot, names)
        self._note(addon, enabled=False)

    def _clear(self, addon: AddOn) -> None:
        """Remove half of an add-on; one that readers have objects of stays as enabled.

        To enable it again makes it whole, and to disable it says what would be lost.
        """
        try:
            self.remove(addon)
        except InUse:
            self._note(addon, enabled=True)

    def _install(self, addon: AddOn, bundle: Callable[[], Bundle]) -> None:
        cluster, ledger, name = self._cluster, self._ledger, addon.name
        with ledger.phase("put its images into the depot", name) as phase:
            added = [
                images.offer(bundle().registry_of(each), self._depot, self._runner)
                for each in addon.components
            ]
            if not any(added):
                phase.unchanged()
        with ledger.phase("prepare the machines", name) as phase:
            if not addon.prepare(cluster):
                phase.unchanged()
        with ledger.phase("make its objects", name):
            self._apply(addon, [bundle().manifests_of(each) for each in addon.kinds])
        with ledger.phase("see it work", name):
            addon.ready(cluster)

    def _apply(self, addon: AddOn, brought: Sequence[Path]) -> None:
        """Make an add-on's objects, after the kinds of its own.

        Args:
            addon: The add-on.
            brought: Folders of kinds, beside those that are among its objects.
        """
        objects = addon.objects(self._cluster)
        kinds = [each for each in objects if each["kind"] == _KIND]
        for folder in brought:
            kinds += labelled(addon.name, read(folder))
        apply = [*_APPLY, "--filename=-"]
        if kinds:
            self._cluster.kubectl(apply, input=_listed(kinds))
            known = ["wait", "--for=condition=Established", "crd"]
            which = f"--selector={LABEL}={addon.name}"
            self._cluster.kubectl([*known, which, f"--timeout={_TIMEOUT_S:.0f}s"])
        rest = [each for each in objects if each not in kinds]
        self._cluster.kubectl(apply, input=_listed(rest))

    def _delete(self, addon: AddOn) -> None:
        """Delete an add-on's objects, what asks others first, and wait for the end.

        Objects of its own kinds go with these, and are unknown where the kinds are not
        there yet. The kinds are found by their label: the bundle may be another by now.
        """
        cluster, selector = self._cluster, f"{LABEL}={addon.name}"
        kinds = cluster.find(_KIND, selector=selector)
        own = {each["spec"]["names"]["kind"] for each in kinds}
        known = {each.kind for each in cluster.catalogue.resources()} - own
        objects = [
            each
            for each in addon.objects(cluster)[::-1]
            if each["kind"] in known - {_KIND}
        ]
        cluster.kubectl([*_DELETE, "--filename=-"], input=_listed(objects))
        if kinds:
            cluster.kubectl([*_DELETE, "crd", f"--selector={selector}"])
        for kind in dict.fromkeys([*(o["kind"] for o in objects), _KIND, "Pod"]):
            wait.gone(cluster, kind, selector, timeout=_TIMEOUT_S)

    def _note(self, addon: AddOn, *, enabled: bool, half: bool = False) -> None:
        """Write into the lab's folder how an add-on is."""
        record = self.record
        others = tuple(name for name in record.addons if name != addon.name)
        maker = {key: value for key, value in record.maker.items() if key != HALF_DONE}
        self._folder.save(
            replace(
                record,
                addons=(*others, addon.name) if enabled else others,
                maker={**maker, HALF_DONE: addon.name} if half else maker,
            )
        )


def _require(folder: LabFolder, asked: str, names: Sequence[str]) -> None:
    """Note that a chapter has add-ons enabled, before they are.

    Args:
        folder: The lab.
        asked: The add-on that the chapter requires.
        names: That one after those it needs; those that are enabled stay whose they
            are.
    """
    enabled = _record(folder).addons
    made = dict.fromkeys((n for n in names if n not in enabled), asked)
    others = {n: why for n, why in folder.required().items() if n not in made}
    folder.require(others | made)


def _keep(folder: LabFolder, names: Collection[str]) -> None:
    """Note that what becomes of add-ons is no chapter's matter from now on."""
    required = folder.required()
    if required.keys() & set(names):
        kept = {n: why for n, why in required.items() if n not in names}
        folder.require(kept)


def _listed(objects: Sequence[Object]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})


def _folder(name: str | None) -> LabFolder:
    folder = lab.folder(name)
    _record(folder)
    return folder


def _own(name: str | None) -> LabFolder:
    """Return a lab's folder; another maker's lab has no depot to put images into."""
    folder = _folder(name)
    Settings.of(_record(folder))
    return folder


def _record(folder: LabFolder) -> LabRecord:
    record = folder.record()
    if record is None or not record.complete:
        raise lab.missing(folder.name)
    return record


def _health(folder: LabFolder, addon: AddOn) -> str:
    try:
        with closing(lab.connect(folder.name)) as cluster:
            return addon.health(cluster)
    except LabError as error:
        return error.what


def _bundle(wanted: Sequence[AddOn], ledger: Ledger) -> Bundle:
    """Return the bundle with the images of add-ons, built where they are missing."""
    components = [name for each in wanted for name in each.components]
    kinds = [name for each in wanted for name in each.kinds]
    with ledger.phase("open", "bundle") as phase:
        phase.unchanged()
        bundle = opened()
    if all(map(bundle.has_images_of, components)) and all(
        map(bundle.has_manifests_of, kinds)
    ):
        return bundle
    require_root("building an add-on's images", mounts=True)
    folder = Environment.read().cache
    return Bundle.build(folder, source(), ledger, also=[*components, *kinds])


@contextmanager
def _work(folder: LabFolder, ledger: Ledger) -> Iterator[Work]:
    """Give what works on a lab, which nobody else may change meanwhile."""
    require_root("changing a lab")
    with (
        files.usual_modes(),
        folder.locked(),
        terminable(),
        closing(lab.connect(folder.name)) as cluster,
    ):
        yield Work(folder, cluster, ledger)
