"""Be a kernel that is killed while faults are injected: LAB NAME=WHERE ..."""

import os
import signal
import sys
from contextlib import ExitStack

from k8slab import fault, lab

cluster = lab.connect(sys.argv[1])
with ExitStack() as faults:
    for argument in sys.argv[2:]:
        name, _, where = argument.partition("=")
        if fault.find(name).needs == fault.NAMESPACE:
            cluster.scratch(where)
        faults.enter_context(fault.inject(name, where, awaited=False))
    os.kill(os.getpid(), signal.SIGKILL)
