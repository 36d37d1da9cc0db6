"""Each add-on comes and goes twice, with a stop between; its commands are killed."""

from __future__ import annotations

import addons
import pytest
from addons import BUILD_S, NAMES, come_and_gone, killed_and_made_whole, remains
from labs import Lab


@pytest.mark.timeout(BUILD_S)
@pytest.mark.parametrize("name", NAMES)
def test_it_comes_and_goes_twice(main: Lab, name: str) -> None:
    """It is used, outlives a stop, and nothing of it stays."""
    addons.build()
    clean = remains(main)

    assert come_and_gone(main, name) == []
    assert come_and_gone(main, name, stopped=True) == []
    assert remains(main) == clean


@pytest.mark.timeout(BUILD_S)
@pytest.mark.parametrize("name", NAMES)
def test_what_a_killed_command_left_is_made_whole_or_removed(
    main: Lab, name: str
) -> None:
    """Of each add-on: kinds, webhooks, addresses and files on machines."""
    addons.build()
    killed_and_made_whole(main, name)
