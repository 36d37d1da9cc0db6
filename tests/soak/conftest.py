"""Real labs for the proofs that take long, and proof that nothing is left."""

from collections.abc import Iterator

import pytest
from labs import Home, Lab, own_home

from labmaker.bundle import opened


@pytest.fixture(scope="session")
def home() -> Iterator[Home]:
    """Return a folder of labs; at the end nothing of them is on this computer."""
    opened()
    with own_home() as made:
        yield made
        print()
        for name, seconds in made.times.items():
            print(f"{name}: {', '.join(f'{each:.1f}' for each in seconds)} s")


@pytest.fixture(scope="module")
def main(home: Home) -> Iterator[Lab]:
    """Return a lab of three machines."""
    made = home.up("main", measure="up")
    yield made
    made.run("down")
