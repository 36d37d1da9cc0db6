"""Real labs that the tests of this folder share, and proof that nothing is left."""

from collections.abc import Callable, Iterator

import labs
import pytest
from labs import Home, Lab, own_home

from booktools.lint import secrets
from k8slab.core.env import Environment
from k8slab.errors import BundleError
from labmaker.bundle import opened


@pytest.fixture(scope="session")
def home() -> Iterator[Home]:
    """Return a folder of labs; at the end nothing of them is on this computer."""
    try:
        opened()
    except BundleError as error:
        give_up = pytest.fail if Environment.read().required else pytest.skip
        give_up(f"no lab without the bundle: {error}")
    with own_home() as made:
        yield made
        print()
        for name, seconds in made.times.items():
            print(f"{name}: {', '.join(f'{each:.1f}' for each in seconds)} s")


@pytest.fixture(scope="session")
def main(home: Home) -> Iterator[Lab]:
    """Return a lab of three machines; a test that hurts it heals it again.

    At the end, what commands said in all tests is searched for the lab's secrets.
    """
    made = home.up("main", measure="up")
    yield made
    made.run("status")
    made.kubectl("config", "view")
    assert secrets.leaks("\n".join(home.said), canaries=made.secrets) == []


@pytest.fixture
def allowance(
    record_property: Callable[[str, object], None],
) -> Iterator[labs.Allowance]:
    """Return how much longer than on an idle computer a command may take now."""
    found = labs.Allowance()
    yield found
    record_property("allowance", round(found.factor, 2))
