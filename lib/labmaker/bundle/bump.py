"""Give a component another version, in every place that names it."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from k8slab.core.files import write
from k8slab.core.process import Runner
from k8slab.errors import BundleError, CommandFailed, LabError
from k8slab.lab_record import REGISTRY

from . import components, go, graph, versions
from .architecture import architecture
from .components import Component, GoModule
from .recipes import recipes
from .versions import FILE, Versions

# Where versions are named beside the bundle; of notebooks their sources only.
_NAMING = (
    "*.md",
    "bench/*.py",
    "chapters/*.ipynb",
    "lib/**/*.py",
    "manifests/**/*.yaml",
    "tests/**/*.py",
    "tests/**/*.yaml",
)
_TIDY_TIMEOUT_S = 900.0
_Rewrite = Callable[[str], str]


@dataclass(frozen=True)
class Bump:
    """What a change of a version did, and what it asks for.

    Attributes:
        component: The component.
        old: Its version before.
        new: Its version now.
        changed: The files that were changed, relative to the repository.
        rebuilt: The artefacts that the next build makes anew.
        chapters: The chapters that show the old version until they are executed.
        doubtful: Files that name the old version, which another component has, too;
            they were left alone.
        commands: What is left to be run by hand.
    """

    component: str
    old: str
    new: str
    changed: tuple[str, ...] = ()
    rebuilt: tuple[str, ...] = ()
    chapters: tuple[str, ...] = ()
    doubtful: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()


def bump(root: Path, cache: Path, name: str, version: str, run: Runner) -> Bump:
    """Give a component another version; when that fails, nothing is changed.

    Args:
        root: The repository.
        cache: The folder of the bundle, which keeps what Go fetches.
        name: The component.
        version: Its new version, without a leading ``v``.
        run: Runs commands on this computer.

    Raises:
        BundleError: There is no such component, that is no version of it, or Go finds
            no such version of its module.
    """
    component = components.find(name)
    source = root / "bundle"
    known = versions.read(source)
    old = known.of(name)
    _refuse_malformed(name, old, version)
    if version == old:
        return Bump(name, old, version)
    before = graph.keys(recipes(known, components.on_demand()), source)

    texts = {source / FILE: _listed(source / FILE, name, old, version)}
    commands: tuple[str, ...] = ()
    if component.module is not None:
        folder = source / "go" / name
        module, commands = _module(
            folder, component.module, old, version, run, cache, known
        )
        texts.update(module)
    references = _references(component, old, version)
    plain = _plain(old, version)
    shared = list(known.components.values()).count(old) > 1
    doubtful = []
    for path in _naming(root):
        text = path.read_text("utf-8")
        new = _rewritten(path, text, references)
        if _rewritten(path, new, plain) != new:
            if shared:
                doubtful.append(path)
            else:
                new = _rewritten(path, new, plain)
        if new != text:
            texts[path] = new

    for path, text in texts.items():
        write(path, text, mode=path.stat().st_mode & 0o777)
    after = graph.keys(recipes(versions.read(source), components.on_demand()), source)
    return Bump(
        name,
        old,
        version,
        changed=tuple(str(path.relative_to(root)) for path in texts),
        rebuilt=tuple(n for n, key in after.items() if before.get(n) != key),
        chapters=tuple(_outdated(root, texts, references, plain)),
        doubtful=tuple(str(path.relative_to(root)) for path in doubtful),
        commands=commands,
    )


def _refuse_malformed(name: str, old: str, version: str) -> None:
    numbers = old.count(".") + 1
    if not re.fullmatch(r"\d+" + r"\.\d+" * (numbers - 1), version):
        raise BundleError(
            f"that is no version of {name}",
            wanted=f"{numbers} numbers with dots between them, as in {old}"
            if numbers > 1
            else f"a number, as in {old}",
            seen=version,
        )


def _listed(file: Path, name: str, old: str, new: str) -> str:
    """Return the list of versions with one of them changed; comments stay."""
    entry = re.compile(rf"^({re.escape(name)}: *\"?){re.escape(old)}(?=[\"\s])", re.M)
    text, found = entry.subn(rf"\g<1>{new}", file.read_text("utf-8"))
    if found != 1:
        raise BundleError(
            f"the version of {name} cannot be found",
            where=str(file),
            wanted=f"one line '{name}: {old}'",
            seen=f"{found} of them",
        )
    return text


def _module(
    folder: Path,
    module: GoModule,
    old: str,
    new: str,
    run: Runner,
    cache: Path,
    known: Versions,
) -> tuple[dict[Path, str], tuple[str, ...]]:
    """Return a Go module's files with the new version, and what is left to be run."""
    text = (folder / "go.mod").read_text("utf-8")
    of_family = rf"{re.escape(module.family)}\S+" if module.family else None
    path = of_family or re.escape(module.path)
    for before, after in ((old, new), _staging(module, old, new)):
        text = re.sub(rf"({path} v){re.escape(before)}(?=\s)", rf"\g<1>{after}", text)
    tidy = ["-C", f"bundle/go/{folder.name}", "mod", "tidy"]
    try:
        program = go.toolchain(run, cache, known)
    except LabError:
        return {folder / "go.mod": text}, (" ".join(["go", *tidy]),)
    with tempfile.TemporaryDirectory(prefix="k8slab-") as name:
        place = Path(name)
        (place / "go.mod").write_text(text, "utf-8")
        (place / "go.sum").write_bytes((folder / "go.sum").read_bytes())
        command = [
            *go.environment(cache, architecture()),
            *go.module_sources(run, program),
            program,
            "-C",
            name,
            "mod",
            "tidy",
        ]
        try:
            run.run(command, timeout=_TIDY_TIMEOUT_S)
        except CommandFailed as error:
            raise BundleError(
                f"Go cannot take {folder.name} {new}; nothing was changed",
                where=f"bundle/go/{folder.name}/go.mod",
                wanted=f"a released version of {module.path}, and all it needs",
                seen=error.seen,
                next="give a version that is released, or mend that go.mod by hand",
            ) from error
        files = {
            folder / file: (place / file).read_text("utf-8")
            for file in ("go.mod", "go.sum")
        }
    return files, ()


def _staging(module: GoModule, old: str, new: str) -> tuple[str, str]:
    """Return the old and the new version of the modules that are numbered apart."""
    if not module.staging:
        return old, new
    names = ("major", "minor", "patch")
    before, after = (
        module.staging.format(**dict(zip(names, each.split("."), strict=True)))
        for each in (old, new)
    )
    return before, after


def _references(component: Component, old: str, new: str) -> _Rewrite:
    """Return what puts the new tag into full names of the component's images."""
    pairs = [
        (
            f"{REGISTRY}/{image.name}:{image.tag.format(version=old)}",
            f"{REGISTRY}/{image.name}:{image.tag.format(version=new)}",
        )
        for image in component.images
    ]

    def rewrite(text: str) -> str:
        for before, after in pairs:
            if before in text:  # to find none is much quicker than to replace none
                text = re.sub(rf"{re.escape(before)}(?![\w.-])", after, text)
        return text

    return rewrite


def _plain(old: str, new: str) -> _Rewrite:
    """Return what replaces a version that stands alone; three numbers are distinct."""
    alone = re.compile(rf"(?<![\d.]){re.escape(old)}(?!\.?\d)")
    distinct = old.count(".") > 1
    return lambda text: alone.sub(new, text) if distinct and old in text else text


def _rewritten(path: Path, text: str, rewrite: _Rewrite) -> str:
    """Return a file's text rewritten; a notebook's outputs stay as they are."""
    everywhere = rewrite(text)
    if path.suffix != ".ipynb" or everywhere == text:
        return everywhere
    notebook = json.loads(text)
    for cell in notebook["cells"]:
        cell["source"] = [rewrite(line) for line in cell["source"]]
    if notebook == json.loads(text):
        return text
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def _outdated(root: Path, texts: dict[Path, str], *rewrites: _Rewrite) -> Iterator[str]:
    """Yield the chapters that show the old version, or a file that was changed."""
    for path in sorted(root.glob("chapters/*.ipynb")):
        text = path.read_text("utf-8")
        its_files = root / "manifests" / path.stem
        if (
            path in texts
            or any(its_files in changed.parents for changed in texts)
            or any(rewrite(text) != text for rewrite in rewrites)
        ):
            yield path.stem


def _naming(root: Path) -> list[Path]:
    found = {path for pattern in _NAMING for path in root.glob(pattern)}
    return sorted(found - {root / "CHANGELOG.md"})  # the past stays as it was
