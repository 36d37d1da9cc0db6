"""What a lab has on this computer is seen, and told apart from what others have."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from fakes.lab import RECORD

from k8slab.core.process import Completed
from labmaker import leftovers
from labmaker.providers import provider_of
from labmaker.providers.containers import LABEL


class Computer:
    """A runner on a computer with these labs, and with rules for these slots."""

    where = "this machine"

    def __init__(
        self,
        labs: Mapping[str, int],
        ruled: set[int],
        *,
        rules_fall_after: int | None = None,
    ) -> None:
        self.labs = labs
        self.ruled = ruled
        self.looks = 0
        self.fall_after = rules_fall_after

    def run(
        self,
        argv: Sequence[str],
        *,
        check: bool = True,
        timeout: float = 60,
        **rest: object,
    ) -> Completed:
        """Answer podman and ip."""
        words = " ".join(argv)
        if words.startswith("ip "):
            self.looks += 1
            gone = self.fall_after is not None and self.looks > self.fall_after
            routes = [] if gone else [f"10.{244 + n}.0.0/16" for n in self.ruled]
            out = json.dumps([{"dst": route} for route in routes])
        elif " ps " in words:
            out = json.dumps([{"Labels": {LABEL: name}} for name in self.labs])
        elif "network ls --quiet" in words:
            out = "\n".join(self.labs)
        elif "network ls" in words:
            out = json.dumps([{"labels": {LABEL: name}} for name in self.labs])
        else:
            nets = [{"subnet": f"172.30.{n + 1}.0/24"} for n in self.labs.values()]
            out = json.dumps([{"subnets": nets}])
        return Completed(tuple(argv), self.where, 0, out, "", 0.0)


class Engine(Computer):
    """A runner on a computer whose engine lists these machines."""

    def __init__(self, machines: str) -> None:
        super().__init__({}, set())
        self.machines = machines

    def run(
        self,
        argv: Sequence[str],
        *,
        check: bool = True,
        timeout: float = 60,
        **rest: object,
    ) -> Completed:
        """Answer podman's ps."""
        return Completed(tuple(argv), self.where, 0, self.machines, "", 0.0)


def seen(home: Path, computer: Computer) -> frozenset[str]:
    """Return the traces of the labs that belong to the lab ``test``."""
    provider = provider_of("podman", "test", computer)
    return leftovers.of_labs(home, "test-", [provider], computer)


@pytest.mark.slow
def test_a_lab_of_the_chapters_own_is_seen(tmp_path: Path) -> None:
    """Its machines and its files; not those of the lab beside it."""
    (tmp_path / "test-install").mkdir()
    (tmp_path / "test").mkdir()
    (tmp_path / ".test-install.lock").touch()
    (tmp_path / ".overlay.abcdef").mkdir()
    computer = Computer({"test": 0, "test-install": 1, "other-install": 2}, {0, 1, 2})

    assert seen(tmp_path, computer) == {
        "files of the lab test-install",
        "machines or network of the lab test-install",
    }
    everything = leftovers.of_labs(tmp_path, "", [], computer)
    assert {each for each in everything if "overlay" in each} == set()


def test_a_machine_that_the_labs_folder_does_not_know_is_seen() -> None:
    """As a chapter adds one, which it must take away again."""
    computer = Engine("k8slab-default-master Up\nk8slab-default-node3 Exited\n")
    provider = provider_of("podman", "default", computer)

    assert leftovers.strangers(RECORD, provider) == {
        "the machine node3 of the lab default"
    }


@pytest.mark.slow
def test_firewall_rules_that_no_lab_explains_are_seen(tmp_path: Path) -> None:
    """Refusing routes whose lab is gone would refuse the next one its range."""
    found = seen(tmp_path, Computer({"test": 0}, {0, 3}))

    assert found == {"routes for 172.30.4.0/24"}


def test_firewall_rules_that_are_being_taken_down_are_no_trace(
    tmp_path: Path,
) -> None:
    """Somebody else's lab may be removed at this moment."""
    computer = Computer({"test": 0}, {0, 3}, rules_fall_after=1)

    assert seen(tmp_path, computer) == set()
