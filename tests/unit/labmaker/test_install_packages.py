"""Which Debian packages count as installed, and what apt is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import pytest

from k8slab.core.process import Completed
from k8slab.ssh.shell import Shell
from labmaker.install.context import install_packages


class Machine:
    """A machine with one package; apt's commands are only noted."""

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
