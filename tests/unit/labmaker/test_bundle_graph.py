"""Which artefacts are built anew, in which order, and what an ended build leaves."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from paths import BUNDLE

from k8slab.core.phases import Ledger
from k8slab.core.process import Completed
from k8slab.errors import BundleError, CommandFailed
from labmaker.bundle import versions
from labmaker.bundle.cache import Cache
from labmaker.bundle.graph import BuildContext, Builder, Recipe, keys

KNOWN = versions.read(BUNDLE)


class FakeRunner:
    """Runs nothing, and counts how often it was told to end."""

    where = "this machine"

    def __init__(self) -> None:
        self.ended = 0

    def run(self, argv: Sequence[str], **_: object) -> Completed:
        """Answer without running anything."""
        return Completed(tuple(argv), self.where, 0, "", "", 0.0)

    def end(self) -> None:
        """Count the call."""
        self.ended += 1


def chain(log: list[str]) -> list[Recipe]:
    """Return a -> b -> c, and d alone; each writes its name."""

    def make(name: str) -> Callable[[BuildContext], None]:
        def build(context: BuildContext) -> None:
            log.append(name)
            (context.out / "file").write_text(name, "utf-8")

        return build

    return [
        Recipe("a", make("a"), "make a", inputs=("a.txt",), compiles=True),
        Recipe("b", make("b"), "make b", needs=("a",), inputs=("b",)),
        Recipe(
            "c", make("c"), "make c", needs=("b",), facts={"version": "1"}, kit=True
        ),
        Recipe("d", make("d"), "make d", inputs=("d.txt",), kit=True),
    ]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    source = tmp_path / "source"
    (source / "b").mkdir(parents=True)
    for name in ("a.txt", "b/one", "d.txt"):
        (source / name).write_text(name, "utf-8")
    return source


def build(tmp_path: Path, source: Path, recipes: list[Recipe]) -> FakeRunner:
    run = FakeRunner()
    Builder(Cache(tmp_path / "cache"), source, KNOWN, run, Ledger()).build(recipes)
    return run


def test_everything_is_built_once_and_in_order(tmp_path: Path, source: Path) -> None:
    """An artefact comes after those it is made of."""
    log: list[str] = []
    build(tmp_path, source, chain(log))

    assert [name for name in log if name != "d"] == ["a", "b", "c"]
    assert sorted(log) == ["a", "b", "c", "d"]


def test_nothing_is_built_twice(tmp_path: Path, source: Path) -> None:
    """A second build finds everything there."""
    log: list[str] = []
    build(tmp_path, source, chain([]))
    build(tmp_path, source, chain(log))

    assert log == []


def test_what_only_builds_the_kit_may_be_gone(tmp_path: Path, source: Path) -> None:
    """Without a and b, c is whole; when c goes too, all three are made again."""
    log: list[str] = []
    recipes = chain(log)
    build(tmp_path, source, recipes)
    cache, known = Cache(tmp_path / "cache"), keys(recipes, source)
    for name in ("a", "b"):
        shutil.rmtree(cache.folder(name, known[name]))
    log.clear()
    build(tmp_path, source, recipes)
    untouched = list(log)
    shutil.rmtree(cache.folder("c", known["c"]))
    build(tmp_path, source, recipes)

    assert untouched == []
    assert log == ["a", "b", "c"]


def test_a_recipe_says_how_far_it_is(tmp_path: Path, source: Path) -> None:
    """The remark stands behind its phase."""

    def slow(context: BuildContext) -> None:
        context.tell("3 of 7 packages")

    ledger = Ledger()
    builder = Builder(Cache(tmp_path), source, KNOWN, FakeRunner(), ledger)
    builder.build([Recipe("a", slow, "make a", kit=True)])

    assert [phase.detail for phase in ledger.phases] == ["3 of 7 packages"]


def test_a_change_rebuilds_what_depends_on_it_only(
    tmp_path: Path, source: Path
) -> None:
    """After a change of b's folder a and d stay."""
    log: list[str] = []
    build(tmp_path, source, chain([]))
    (source / "b" / "two").write_text("new", "utf-8")
    build(tmp_path, source, chain(log))

    assert log == ["b", "c"]


def test_a_key_depends_on_version_revision_and_mode(source: Path) -> None:
    """Each of them gives another key."""
    facts = [{"version": "1"}, {"version": "2"}]
    recipes = [Recipe("c", lambda context: None, "make c", facts=f) for f in facts]
    recipes.append(
        Recipe("c", lambda context: None, "make c", facts=facts[0], revision=2),
    )
    seen = {keys([recipe], source)["c"] for recipe in recipes}
    with_file = Recipe("a", lambda context: None, "make a", inputs=("a.txt",))
    before = keys([with_file], source)["a"]
    (source / "a.txt").chmod(0o755)

    assert len(seen) == 3
    assert keys([with_file], source)["a"] != before


def test_a_failed_build_keeps_what_is_finished(tmp_path: Path, source: Path) -> None:
    """After b failed, a needs no second build, and nothing half-made is left."""
    log: list[str] = []
    broken = chain([])

    def fail(context: BuildContext) -> None:
        (context.out / "half").write_text("half", "utf-8")
        raise CommandFailed(["podman"], where="this machine", returncode=125)

    broken[1] = Recipe("b", fail, "make b", needs=("a",), inputs=("b",))
    with pytest.raises(BundleError, match="b cannot be built: 'podman' ended"):
        build(tmp_path, source, broken)
    left = list((tmp_path / "cache" / "artefacts").glob(".tmp-*"))
    build(tmp_path, source, chain(log))

    assert left == []
    assert "a" not in log
    assert log[-2:] == ["b", "c"] or sorted(log) == ["b", "c", "d"]


def test_an_interrupt_ends_running_commands(tmp_path: Path, source: Path) -> None:
    """Ctrl-C ends the compiler that still runs."""

    def interrupted(context: BuildContext) -> None:
        raise KeyboardInterrupt

    run = FakeRunner()
    builder = Builder(Cache(tmp_path / "cache"), source, KNOWN, run, Ledger())
    with pytest.raises(KeyboardInterrupt):
        builder.build([Recipe("a", interrupted, "make a", kit=True)])

    assert run.ended == 1


def test_an_input_that_changes_meanwhile_is_no_artefact(
    tmp_path: Path, source: Path
) -> None:
    """A result is not filed under a key that its inputs no longer have."""

    def edited(context: BuildContext) -> None:
        (context.source / "a.txt").write_text("edited", "utf-8")

    recipe = Recipe("a", edited, "make a", inputs=("a.txt",), kit=True)
    with pytest.raises(BundleError, match="changed while it was built"):
        build(tmp_path, source, [recipe])

    assert list((tmp_path / "cache" / "artefacts").glob("a-*")) == []
