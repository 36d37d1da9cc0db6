"""A machine's power is cut and given back, however often that is asked."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fakes.lab import RECORD
from fakes.shell import FakeShell

from k8slab.errors import CommandFailed, LabError
from k8slab.machine import Machine

SWITCHED = replace(
    RECORD.nodes[2], power_off=("engine", "off"), power_on=("engine", "on")
)


class Engine(FakeShell):
    """An engine that refuses what is already so, as podman's ``kill`` does."""

    def __init__(self) -> None:
        super().__init__("this computer", "")
        self.on, self.broken = True, False
        self.answer = self.switch

    def switch(self, text: str) -> tuple[int, str, str]:
        """Switch it."""
        wanted = text.endswith("on")
        if self.broken or self.on is wanted:
            return 125, "", "container state improper"
        self.on = wanted
        return 0, "", ""


class Switched(FakeShell):
    """A machine that answers while its engine has it on."""

    def __init__(self, engine: Engine) -> None:
        super().__init__("node2", "")
        self._engine = engine

    def is_up(self) -> bool:
        """Answer while it has power."""
        return self._engine.on


@pytest.fixture
def engine() -> Engine:
    """Return an engine whose machine is on."""
    return Engine()


@pytest.fixture
def machine(engine: Engine) -> Machine:
    """Return its machine."""
    return Machine(SWITCHED, Switched(engine), engine)


def test_power_may_be_cut_and_given_twice(machine: Machine) -> None:
    """As by a cell that is run again."""
    machine.power_off()
    machine.power_off()
    off = machine.is_on()
    machine.power_on()
    machine.power_on()

    assert (off, machine.is_on()) == (False, True)


def test_an_engine_that_fails_is_not_taken_for_a_switch(
    machine: Machine, engine: Engine
) -> None:
    """The machine is still on, and the engine's error is told."""
    engine.broken = True

    with pytest.raises(CommandFailed):
        machine.power_off()


def test_a_machine_without_a_switch_says_so(engine: Engine) -> None:
    """This computer cannot switch every machine."""
    machine = Machine(RECORD.nodes[2], Switched(engine), engine)

    with pytest.raises(LabError, match="switch the power of node2"):
        machine.power_off()
