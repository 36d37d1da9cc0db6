"""Say that a certificate is not valid at this time: by its age, or by the clock."""

from __future__ import annotations

from datetime import UTC, datetime

from ..core.env import Environment
from ..core.hints import command
from ..errors import CertificateExpired
from ..folder import LabFolder

_RENEW = "kubeadm certs renew all"


def not_valid(lab: str, what: str, why: str, where: str) -> CertificateExpired:
    """Return the error that names the clock or the expiry, and the cure.

    Args:
        lab: The lab's name.
        what: Whose certificate it is.
        why: What the certificate, or whoever looked at it, says.
        where: The address of the API server.
    """
    step = f"compare the clock with another one: date; it says {_now():%F %H:%M} UTC"
    if "not yet" not in why:
        step += f"\nif it is right, renew: {_renewal(lab)}"
    return CertificateExpired(
        f"{what} is not valid at this computer's time",
        where=where,
        wanted="a time between its first and its last day",
        seen=f"{why}\nthis computer's clock: {_now():%F %H:%M} UTC",
        next=step,
    )


def _renewal(lab: str) -> str:
    """Return the commands that renew a lab's certificates, and have them used."""
    record = LabFolder(Environment.read().home, lab).readable()
    master = record.nodes[0].name if record and record.nodes else "master"
    steps = f"{command('ssh', lab, f'{master} {_RENEW}')}, then "
    if record is not None and record.is_inventory:
        boot = command("ssh", lab, f"{master} systemctl reboot")
        return f"{steps}{boot} and, when it is back, {command('up', lab)}"
    return (
        f"{steps}{command('stop', lab)} and {command('up', lab)}"
        f"\nor make the lab anew: {command('reset', lab)}"
    )


def says_not_valid(text: str) -> str:
    """Return the line of a complaint that says so, or nothing.

    Go says *certificate has expired or is not yet valid* of both, and then the time.
    """
    lines = [line for line in text.splitlines() if "certificate has expired" in line]
    late = next(iter(lines), "")
    _, _, reason = late.partition("not yet valid: ")
    first = "not yet valid: " if " is before " in reason else ""
    return f"{first}{reason}" if reason else late


def _now() -> datetime:
    return datetime.now(UTC)
