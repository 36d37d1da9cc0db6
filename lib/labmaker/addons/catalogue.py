"""List the add-ons that a lab can have."""

from __future__ import annotations

from k8slab.errors import BadInput

from .base import AddOn
from .local_path_provisioner import LocalPathProvisioner
from .metallb import MetalLB
from .metrics_server import MetricsServer
from .traefik import Traefik

ADDONS: tuple[AddOn, ...] = (
    LocalPathProvisioner(),
    MetalLB(),
    MetricsServer(),
    Traefik(),
)


def find(name: str) -> AddOn:
    """Return an add-on.

    Raises:
        BadInput: There is none of that name.
    """
    known = {each.name: each for each in ADDONS}
    if name not in known:
        raise BadInput(
            f"there is no add-on named {name!r}",
            wanted="one of " + ", ".join(known),
            seen=name,
            next="name one of these",
        )
    return known[name]


def with_needs(addon: AddOn) -> list[AddOn]:
    """Return an add-on after all that it needs."""
    found: list[AddOn] = []
    for name in addon.needs:
        found += [each for each in with_needs(find(name)) if each not in found]
    return [*found, addon]
