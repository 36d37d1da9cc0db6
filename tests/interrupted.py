"""Be ``k8slab``, and press Ctrl-C when a phase begins: PHASE [PHASE ...] -- ARGS."""

import os
import signal
import sys

from k8slab.core.phases import Phase, Plain
from labmaker import cli

at = sys.argv.index("--")
PHASES = sys.argv[1:at]


class Interrupting(Plain):
    """Prints lines as usual."""

    def started(self, phase: Phase) -> None:
        """Press Ctrl-C once for each phase that was named."""
        if phase.name in PHASES:
            PHASES.remove(phase.name)
            os.kill(os.getpid(), signal.SIGINT)


signal.signal(signal.SIGINT, signal.default_int_handler)  # a script's job ignores it
vars(cli)["reporter_for"] = Interrupting
sys.argv = ["k8slab", *sys.argv[at + 1 :]]
cli.main()
