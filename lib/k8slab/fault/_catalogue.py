"""Know all faults by their names."""

from __future__ import annotations

from ..errors import BadInput
from . import _addons, _control_plane, _disk, _machines, _surrounding, _workloads
from ._kind import Fault

_ALL: tuple[type[Fault], ...] = (
    _workloads.ImagePull,
    _workloads.CrashLoop,
    _workloads.OutOfMemory,
    _workloads.PendingResources,
    _surrounding.PendingTaints,
    _workloads.MissingSecretKey,
    _workloads.EagerLiveness,
    _workloads.SelectorMismatch,
    _workloads.WrongPort,
    _workloads.DiskFull,
    _surrounding.ClaimWithoutClass,
    _surrounding.StuckNamespace,
    _surrounding.WebhookSilent,
    _machines.KubeletStopped,
    _machines.KubeletMisconfigured,
    _machines.ContainerdStopped,
    _machines.ConflistAway,
    _machines.RouteAway,
    _machines.PoweredOff,
    _disk.DiskPressure,
    _control_plane.BrokenDns,
    _control_plane.BadStaticManifest,
    _control_plane.ExpiredCertificate,
    _addons.MetricsServerAway,
)
_BY_NAME: dict[str, Fault] = {each.name: each() for each in _ALL}


def every() -> tuple[Fault, ...]:
    """Return all faults, those of workloads first."""
    return tuple(_BY_NAME.values())


def find(name: str) -> Fault:
    """Return a fault by its name.

    Raises:
        BadInput: There is none of that name.
    """
    if not isinstance(name, str) or name not in _BY_NAME:
        raise BadInput(
            f"there is no fault named {name!r}",
            wanted="one of " + ", ".join(_BY_NAME),
            seen=name,
        )
    return _BY_NAME[name]
