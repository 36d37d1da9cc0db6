"""The engines of containers that provide machines, each in a module, by one protocol.

Nobody outside this package names an engine or one of its options. The package stands
below those that ask it, the host's doctor too, so it knows neither them nor the bundle.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network

from k8slab.core.process import LocalRunner, Runner
from k8slab.errors import BadInput, HostProblem

from ..computer import Computer, ThisComputer
from .base import About, Mount, Provider
from .builder import PACKAGES, build_image, ensure_image
from .containers import Containers
from .docker import Docker
from .podman import Podman

__all__ = [
    "NAMES",
    "About",
    "Mount",
    "Provider",
    "build_image",
    "ensure_image",
    "networks",
    "packages",
    "provider_of",
    "working",
]

_KNOWN: Mapping[str, type[Containers]] = {each.name: each for each in (Podman, Docker)}
NAMES = tuple(_KNOWN)
"""All providers, the preferred one first."""


def provider_of(
    name: str,
    lab: str,
    runner: Runner | None = None,
    *,
    host: Computer | None = None,
    where: str = "K8SLAB_PROVIDER",
    advice: str = "unset K8SLAB_PROVIDER",
) -> Provider:
    """Return the provider of a lab's machines.

    Args:
        name: One of `NAMES`; empty for the first that works, of those whose commands
            this computer has, or for the preferred one where none does.
        lab: The lab's name.
        runner: Runs the provider's commands on this computer.
        host: The computer; this one by default.
        where: Where the name was given.
        advice: What to do when there is no such provider.

    Raises:
        BadInput: There is no such provider.
    """
    host, runner = host or ThisComputer(), runner or LocalRunner()
    if not name:
        there = [each for each in NAMES if not _KNOWN[each].lacking(host)]
        name = next(iter(there), NAMES[0])
        if len(there) > 1:  # only then is it worth the time that asking takes
            name = next((each.name for each in working(runner, host=host)), name)
    if name not in _KNOWN:
        raise BadInput(
            f"there is no provider named {name!r}",
            where=where,
            wanted="one of " + ", ".join(NAMES),
            seen=name,
            next=advice,
        )
    return _KNOWN[name](lab, runner, host)


def working(
    runner: Runner | None = None, *, host: Computer | None = None
) -> Iterator[Provider]:
    """Yield all providers that work here, to be asked for what any lab has.

    Args:
        runner: Runs the providers' commands on this computer.
        host: The computer; this one by default.
    """
    host, runner = host or ThisComputer(), runner or LocalRunner()
    for each in _KNOWN.values():
        provider = each("", runner, host)
        try:
            provider.about()
        except HostProblem:  # one that does not work has nothing
            continue
        yield provider


def networks(
    runner: Runner | None = None, *, host: Computer | None = None
) -> frozenset[IPv4Network]:
    """Return the ranges of all networks that `working` providers keep."""
    every = [provider.networks() for provider in working(runner, host=host)]
    return frozenset[IPv4Network]().union(*every)


def packages(*names: str, host: Computer | None = None) -> tuple[str, ...]:
    """Return the Debian packages that building images and these providers need.

    Not one whose command is there from elsewhere: Debian's ``runc`` would remove
    docker's own ``containerd.io``, and docker with it.

    Args:
        names: Names of providers, as in `provider_of`.
        host: The computer; this one by default.

    Raises:
        BadInput: There is no such provider.
    """
    needed = set(PACKAGES)
    for name in names:
        needed |= set(provider_of(name, "", host=host).packages())
    found = host or ThisComputer()
    there = {name for name in PACKAGES if found.has(name)}
    return tuple(sorted(needed - there))
