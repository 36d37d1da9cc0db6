"""Say what has become of the engine that made a lab, where it cannot be asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from k8slab.core.hints import command
from k8slab.errors import CommandFailed, HostProblem

from ..providers import Provider


@contextmanager
def asked(provider: Provider, lab: str) -> Iterator[None]:
    """Let a block ask what made a lab, and say why that does not answer any more.

    Args:
        provider: What made the lab.
        lab: The lab's name.

    Raises:
        HostProblem: It does not work; says why, and how it would.
        LabError: As the block raised it, of one that works.
    """
    try:
        yield
    except (CommandFailed, HostProblem) as error:
        why = _why(provider)
        if why is None:
            raise
        cure = why.next
        if provider.is_gone():
            rest = f"remove what else there is of the lab: {command('down', lab)}"
            cure = f"install it again: {cure}; or {rest}"
        raise HostProblem(
            f"the lab {lab!r} was made by {provider.name}, which does not work now",
            where=why.where,
            wanted=why.wanted,
            seen=why.seen,
            next=cure,
        ) from error


def left(provider: Provider, lab: str) -> str:
    """Say that machines stay whose engine is gone, and what would remove them.

    Args:
        provider: What made the lab.
        lab: The lab's name.
    """
    why = _why(provider)
    cure = f"{why.next}, then " if why else ""
    return (
        f"{provider.name} is gone, so what it has of the lab stays; to remove that, "
        f"too: {cure}{command('down', lab)}"
    )


def _why(provider: Provider) -> HostProblem | None:
    """Return why a provider does not work, if it does not; that takes some seconds."""
    try:
        provider.about()
    except HostProblem as why:
        return why
    return None
