"""Say how this computer reaches its package registries, so that a guest does likewise.

What is found goes into a guest's disk and nowhere else.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from k8slab.core.process import Runner
from labmaker.bundle.debian import sources

KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
_AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
_APT = Path("/etc/apt/apt.conf.d")
_PIP = (Path("/etc/pip.conf"), Path("~/.config/pip/pip.conf"), Path("~/.pip/pip.conf"))
_PREFIXES = ("PIP_", "GOPROXY", "GOSUMDB", "GONOSUMDB")
_SUFFIXES = ("_CERT", "_CERT_FILE", "_CA_BUNDLE", "_CAINFO")


@dataclass(frozen=True)
class Origin:
    """What makes a computer reach the registries.

    Attributes:
        sources: The lines of apt's list of sources.
        files: Files by their path: settings and certificates.
        variables: Variables of the environment.
    """

    sources: tuple[str, ...]
    files: Mapping[str, bytes]
    variables: Mapping[str, str]


def read(release: str, run: Runner) -> Origin:
    """Read what this computer has for a release of Debian.

    Args:
        release: Its code name.
        run: Runs commands on this computer.

    Raises:
        BundleError: There is no source of Debian's.
    """
    variables = dict(_variables(os.environ))
    named = [Path(value) for value in variables.values() if value.startswith("/")]
    paths = [_AUTHORITIES, *(path.expanduser() for path in _PIP), *named, *_settings()]
    files = {str(path): path.read_bytes() for path in paths if path.is_file()}
    return Origin(tuple(_sources(release, run)), files, variables)


def _sources(release: str, run: Runner) -> Iterator[str]:
    for line in sources(run, release):
        *_, address, name, part = line.split()
        yield f"deb [signed-by={KEYS}] {address} {name} {part}"


def _variables(all_: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Choose what clients of registries read, unless it names a folder of here."""
    for name, value in all_.items():
        fits = name.startswith(_PREFIXES) or name.endswith(_SUFFIXES)
        if fits and not (value.startswith("/") and not Path(value).is_file()):
            yield name, value


def _settings() -> Iterator[Path]:
    """Choose the files by which apt is told how to fetch."""
    for path in sorted(_APT.glob("*")):
        if path.is_file() and "Acquire::" in path.read_text("utf-8", errors="replace"):
            yield path
