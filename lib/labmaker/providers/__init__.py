"""Who provides machines: one module an engine, behind one protocol.

Nobody outside this package names an engine or one of its options. The package stands
below those that ask it, the host's doctor too, so it knows neither them nor the bundle.
"""

from __future__ import annotations

from collections.abc import Mapping

from k8slab.core.process import LocalRunner, Runner
from k8slab.errors import BadInput

from ..computer import Host, ThisComputer
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
    "packages",
    "provider_of",
]

_KNOWN: Mapping[str, type[Containers]] = {each.name: each for each in (Podman, Docker)}
NAMES = tuple(_KNOWN)
"""All providers, the preferred one first."""


def provider_of(
    name: str, lab: str, runner: Runner | None = None, *, host: Host | None = None
) -> Provider:
    """Return the provider of a lab's machines.

    Args:
        name: One of `NAMES`; empty for the first whose commands this computer has, or
            for the preferred one where it has none.
        lab: The lab's name.
        runner: Runs the provider's commands on this computer.
        host: The computer; this one by default.

    Raises:
        BadInput: There is no such provider.
    """
    host = host or ThisComputer()
    if not name:
        found = (each for each in NAMES if not _KNOWN[each].lacking(host))
        name = next(found, NAMES[0])
    if name not in _KNOWN:
        raise BadInput(
            f"there is no provider named {name!r}",
            where="K8SLAB_PROVIDER",
            wanted="one of " + ", ".join(NAMES),
            seen=name,
            next="unset K8SLAB_PROVIDER",
        )
    return _KNOWN[name](lab, runner or LocalRunner(), host)


def packages(*names: str, host: Host | None = None) -> tuple[str, ...]:
    """Return the Debian packages that building images and these providers need.

    Args:
        names: Names of providers, as in `provider_of`.
        host: The computer; this one by default.

    Raises:
        BadInput: There is no such provider.
    """
    needed = set(PACKAGES)
    for name in names:
        needed |= set(provider_of(name, "", host=host).packages())
    return tuple(sorted(needed))
