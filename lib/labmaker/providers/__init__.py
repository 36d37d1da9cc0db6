"""Who provides machines: one module an engine, behind one protocol."""

from __future__ import annotations

from k8slab.core.process import LocalRunner, Runner

from .containers import Engine


def provider_of(name: str, lab: str, runner: Runner | None = None) -> Engine:
    """Return the provider of a lab's machines.

    Args:
        name: ``podman`` or ``docker``.
        lab: The lab's name.
        runner: Runs the engine's command on this computer.

    Raises:
        BadInput: There is no such provider.
    """
    return Engine(name, lab, runner or LocalRunner())
