"""Name this computer's kind of processor as Go and Debian do."""

from __future__ import annotations

import platform

from k8slab.errors import BundleError

# The kernel's name, and the one that Go and Debian share.
_NAMES = {"x86_64": "amd64", "aarch64": "arm64"}


def architecture(machine: str | None = None) -> str:
    """Return ``amd64`` or ``arm64``: what the bundle is compiled and installed for.

    Args:
        machine: The processor as the kernel names it; this computer's when None.

    Raises:
        BundleError: Nothing is built for such a processor.
    """
    machine = machine or platform.machine()
    if machine not in _NAMES:
        raise BundleError(
            "the bundle cannot be built for this computer's processor",
            where="uname -m",
            wanted=" or ".join(_NAMES),
            seen=machine,
            next="use a computer with one of these processors",
        )
    return _NAMES[machine]
