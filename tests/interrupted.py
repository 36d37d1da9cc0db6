"""Be ``k8slab``, and press Ctrl-C when a phase begins: PHASE [PHASE ...] -- ARGS.

A phase ``SIGHUP:NAME`` closes the terminal when it begins.
"""

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
        super().started(phase)
        for way in (signal.SIGINT, signal.SIGHUP):
            word = phase.name if way == signal.SIGINT else f"{way.name}:{phase.name}"
            if word in PHASES:
                PHASES.remove(word)
                os.kill(os.getpid(), way)


signal.signal(signal.SIGINT, signal.default_int_handler)  # a script's job ignores it
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # and nohup this one
vars(cli)["reporter_for"] = Interrupting
sys.argv = ["k8slab", *sys.argv[at + 1 :]]
cli.main()
