"""Stop and start one machine of a lab, as its power button does."""

from __future__ import annotations

from .core.hints import command
from .core.poll import until
from .core.process import LocalRunner, Runner
from .errors import CommandFailed, LabError
from .lab_record import MachineRecord
from .ssh.shell import Shell

OFF_S, ON_S = 30.0, 60.0


class Machine:
    """One machine of a lab; `Cluster.machine` returns one.

    Args:
        record: What the lab's folder says of it.
        shell: It, over SSH.
        runner: Runs the commands of its power on this computer.

    Attributes:
        record: What the lab's folder says of it.
        shell: It, over SSH.
    """

    def __init__(
        self, record: MachineRecord, shell: Shell, runner: Runner | None = None
    ) -> None:
        self.record = record
        self.shell = shell
        self._runner = runner or LocalRunner()

    def __repr__(self) -> str:
        return f"Machine({self.name!r}, {self.record.role})"

    @property
    def name(self) -> str:
        """Its name."""
        return self.record.name

    @property
    def has_power(self) -> bool:
        """Whether this computer can cut its power and give it back."""
        return bool(self.record.power_off and self.record.power_on)

    def is_on(self) -> bool:
        """Tell at once whether its SSH server answers."""
        return self.shell.is_up()

    def power_off(self, *, timeout: float = OFF_S) -> None:
        """Cut its power; nothing on it can say goodbye.

        Where it has none any more, nothing is done.

        Args:
            timeout: Seconds until its SSH server must be silent.

        Raises:
            LabError: Nothing on this computer can cut its power, or what should have
                done it failed.
            NotReady: It still answers when the deadline passes.
        """
        self._switch(self.record.power_off, timeout, on=False)
        self.shell.close()
        until(
            lambda: not self.is_on(),
            what=f"{self.name} is not off",
            want="no answer on SSH",
            timeout=timeout,
            where=self.name,
        )

    def power_on(self, *, timeout: float = ON_S) -> None:
        """Give its power back, and wait until it answers on SSH.

        Args:
            timeout: Seconds until it must answer.

        Raises:
            LabError: Nothing on this computer can give it power, or what should have
                done it failed.
            NotReady: It does not answer when the deadline passes.
        """
        self._switch(self.record.power_on, timeout, on=True)
        until(
            self.is_on,
            what=f"{self.name} does not answer on SSH",
            want="a login over SSH",
            timeout=timeout,
            where=self.name,
            next=f"make the lab whole: {command('up', self.shell.lab)}",
        )

    def _switch(self, command: tuple[str, ...], timeout: float, *, on: bool) -> None:
        if not command:
            raise LabError(
                f"nothing on this computer can switch the power of {self.name}",
                where=self.name,
                wanted="power_off and power_on in the lab's lab.json",
                seen="none",
                next="switch the machine by hand",
            )
        try:
            self._runner.run(command, timeout=timeout)
        except CommandFailed:
            # Engines differ in whether this is a mistake for them.
            if self.is_on() is not on:
                raise
