"""Two installations are compared step by step, whatever their labs' addresses are."""

from collections.abc import Callable
from pathlib import Path

import pytest
from fakes.shell import FakeShell

from k8slab.core.process import LocalRunner
from k8slab.lab_record import MachineRecord
from labmaker.install import facts
from labmaker.plan import AddressPlan

Answers = Callable[[AddressPlan, MachineRecord], str]


def told(name: str, answer: str) -> FakeShell:
    """Return a machine that gives each question of a script the same answer."""

    def each(text: str) -> tuple[int, str, str]:
        marks = [line.split(";")[0].split("'") for line in text.splitlines()]
        return 0, "".join(f"{m[1]}{m[2]}\n{answer}\n" for m in marks), ""

    shell = FakeShell(name, "192.0.2.1")
    shell.answer = each
    return shell


def read(slot: int, answers: Answers) -> facts.Facts:
    """Read a lab of that slot whose machines answer in these words."""
    plan = AddressPlan(slot)
    machines = plan.machines(2, "bare")
    shells = {
        machine.name: told(machine.name, answers(plan, machine))
        for machine in machines
        if machine.pods is not None
    }
    return facts.read(shells, plan, *machines)


def routes(plan: AddressPlan, machine: MachineRecord) -> str:
    """Return what a machine could say that has all kinds of address in it."""
    own = plan.machines(2, "bare")
    return (
        f"{own[1].pods} via {own[1].address}, {plan.services}, {plan.dns}, {plan.pods}"
    )


def test_addresses_are_read_as_what_they_stand_for() -> None:
    """A Pods' range is not taken for the range of all Pods, nor the master's."""
    seen = read(3, routes)["Pod network"]["master"]

    assert seen == "NODE1_PODS via NODE1, SERVICES, DNS, PODS"


def test_labs_at_other_addresses_are_the_same() -> None:
    """The slot makes no difference."""
    compared = facts.compare(read(0, routes), read(5, routes))

    assert [each.step for each in compared] == [*facts.ON_EACH, *facts.ON_MASTER]
    assert all(each.same for each in compared)


@pytest.mark.parametrize("step", ["hosts file", "routes to other Pods"])
def test_the_order_of_lines_does_not_hang_on_addresses(
    step: str, tmp_path: Path
) -> None:
    """10.96 comes after 10.244 as a word, and 10.100 before 10.248."""
    file = tmp_path / "lines"
    command = facts.ON_EACH[step].replace("/etc/hosts", str(file))

    def told(plan: AddressPlan, machine: MachineRecord) -> str:
        lines = [f"{plan.services} dev eth0", f"unreachable {plan.pods}"]
        lines += [f"{machine.pods} via {machine.address}", f"{machine.address} here"]
        file.write_text("\n".join([*lines, "127.0.0.1 localhost", ""]))
        script = f"ip() {{ cat {file}; }}; {command}"
        return LocalRunner().run(["bash", "-c", script]).stdout.strip()

    assert all(row.same for row in facts.compare(read(3, told), read(4, told)))


def test_a_step_that_differs_on_one_machine_is_seen() -> None:
    """Its row says no; the others are the same."""

    def other(plan: AddressPlan, machine: MachineRecord) -> str:
        return "0" if machine.name == "node2" else routes(plan, machine)

    compared = facts.compare(read(0, routes), read(0, other))
    same = {each.step for each in compared if each.same}

    assert same == set(facts.ON_MASTER)


def test_a_step_that_was_not_taken_is_seen() -> None:
    """What is missing is called nothing."""
    first = read(0, routes)
    second = {step: value for step, value in first.items() if step != "packages"}
    row = next(r for r in facts.compare(first, second) if r.step == "packages")

    assert (row.same, row.by_library) == (False, "nothing")


def test_no_secret_is_asked_for() -> None:
    """Keys, tokens and kubeconfigs stay where they are."""
    commands = " ".join([*facts.ON_EACH.values(), *facts.ON_MASTER.values()])

    for word in ("secret", "token", ".key", "cat /etc/kubernetes/admin"):
        assert word not in commands
