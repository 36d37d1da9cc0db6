"""Call an engine of this computer, wherever the reader's variables lead."""

from __future__ import annotations

from collections.abc import Sequence

from k8slab.core.hints import command
from k8slab.core.process import Completed
from k8slab.errors import HostProblem

_NOT_FOUND = 127


def local(*client: str, without: Sequence[str]) -> tuple[str, ...]:
    """Return a client's first words, which do not hear what the environment says.

    They are also what a lab's folder keeps to switch a machine's power: whoever runs
    it has variables of their own.

    Args:
        client: The command with the options that stand before every subcommand.
        without: The variables by which it would work on another computer.
    """
    return ("env", *(f"--unset={name}" for name in without), *client)


def answered(done: Completed, name: str) -> Completed:
    """Return what a client answered, or say that this computer has none.

    Args:
        done: How the call ended that began with the words of `local`.
        name: The client's command.

    Raises:
        HostProblem: There is no such command.
    """
    if done.returncode == _NOT_FOUND and done.stderr.startswith("env: "):
        raise HostProblem(
            f"the command {name!r} is not on this machine",
            where=done.where,
            next=f"see what this computer lacks: {command('doctor')}",
        )
    return done
