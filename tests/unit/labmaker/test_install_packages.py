"""Which Debian packages count as installed, what apt is asked for, and when."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import pytest
from fakes.clock import FakeClock
from fakes.shell import complaining
from paths import BUNDLE

from k8slab.core.process import Completed
from k8slab.errors import CommandFailed, NotReady
from k8slab.ssh.shell import Shell
from labmaker.apt import once_free
from labmaker.bundle import components, versions
from labmaker.install.context import install_packages
from labmaker.install.steps import packages

KNOWN = versions.read(BUNDLE)


class Machine:
    """A machine with one package; apt's commands are only noted."""

    where = "node1"

    def __init__(self, have: str) -> None:
        self.have = have
        self.asked: list[str] = []

    def run(self, argv: Sequence[str], **_: object) -> Completed:
        """Answer for dpkg; note everything else."""
        known = argv[0] == "dpkg-query"
        if not known:
            self.asked.append(" ".join(argv))
        return Completed(tuple(argv), "node1", 0, self.have if known else "", "", 0.0)


@pytest.mark.parametrize(
    ("have", "changed"),
    [
        ("kubelet 2.5.1-1.1 install ok installed\n", False),
        ("kubelet 2.5.1-2.0 install ok installed\n", False),
        ("kubelet 2.5.10-1.1 install ok installed\n", True),
        ("kubelet 2.5.0-1.1 install ok installed\n", True),
        ("kubelet 2.5.1-1.1 deinstall ok config-files\n", True),
        ("", True),
    ],
)
def test_a_package_is_there_in_its_version_whatever_its_revision(
    have: str, changed: bool
) -> None:
    """A longer number that begins alike is another version."""
    machine = Machine(have)

    assert install_packages(cast(Shell, machine), {"kubelet": "2.5.1"}) is changed
    assert bool(machine.asked) is changed


def test_apt_may_choose_the_revision_but_not_the_version() -> None:
    """It is asked for the version and a dash."""
    machine = Machine("")
    install_packages(cast(Shell, machine), {"kubelet": "2.5.1"})

    assert machine.asked[-1].endswith(" kubelet=2.5.1-*")


def test_all_packages_are_installed_that_the_bundle_has_but_the_runtimes() -> None:
    """Each in its component's version."""
    machine, context = Machine(""), SimpleNamespace(versions=KNOWN)
    packages.apply(cast(Any, context), cast(Any, None), cast(Shell, machine))

    asked = [word for word in machine.asked[-1].split() if "=" in word]
    names = {word.partition("=")[0] for word in asked}
    assert f"kubernetes-cni={KNOWN.of('cni')}-*" in asked
    assert names >= set(components.packages()) - {"containerd"}
    assert "containerd" not in names


UPDATE = ["apt-get", "update"]
LOCKED = [
    "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 7",
    "dpkg: error: dpkg frontend lock was locked by another process with pid 7",
]


def update(shell: Any, clock: FakeClock) -> Completed:
    """Have the machine read its package lists once that can be."""
    run = partial(shell.run, UPDATE, check=False)
    return once_free(run, shell.where, clock=clock)


@pytest.mark.parametrize("said", LOCKED)
def test_another_package_manager_is_waited_for(said: str) -> None:
    """A machine at its first boot upgrades itself; the command is repeated."""
    clock = FakeClock()
    shell = complaining("node1", said, said)

    assert update(shell, clock).ok
    assert shell.asked == ["apt-get update"] * 3
    assert clock.slept == [5, 5]


def test_another_failure_of_apt_is_told_at_once() -> None:
    """No wait will mend it."""
    clock = FakeClock()
    shell = complaining("node1", "E: Unable to locate package kubelet")
    with pytest.raises(CommandFailed, match="apt-get") as caught:
        update(shell, clock)

    assert "Unable to locate" in caught.value.stderr
    assert (len(shell.asked), clock.slept) == (1, [])


def test_a_package_manager_that_never_ends_is_named() -> None:
    """After ten minutes, with what apt said of the lock."""
    clock = FakeClock()
    shell = complaining("node1", *LOCKED[:1] * 200)
    with pytest.raises(NotReady, match="packages are locked") as caught:
        update(shell, clock)

    assert clock.time == 100 + 600
    assert "held by process 7" in caught.value.seen
    assert "unattended-upgrades" in caught.value.next
