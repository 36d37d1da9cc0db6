"""What the proofs on whole computers share."""

from collections.abc import Iterator

import pytest
from guests import place as places
from guests.place import Place

from k8slab.core.process import LocalRunner


@pytest.fixture(scope="session")
def place() -> Iterator[Place]:
    """Return a folder with the kit and this repository's history in it."""
    with places.opened(LocalRunner()) as made:
        yield made
