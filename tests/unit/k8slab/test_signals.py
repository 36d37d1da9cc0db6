"""What Ctrl-C means while something must not be cut in two."""

import signal

import pytest

from k8slab.core.signals import deferred


@pytest.mark.parametrize("fails", [False, True])
def test_an_interrupt_waits_for_the_end_of_the_block(fails: bool) -> None:
    """It comes when the block is over, also where that ends with an error."""
    ended = []

    def block() -> None:
        with deferred():
            signal.raise_signal(signal.SIGINT)
            ended.append(True)
            if fails:
                raise ValueError

    with pytest.raises(KeyboardInterrupt):
        block()
    assert ended == [True]
