"""A second kernel begins a chapter that is in use, or whose kernel was killed."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from labs import Lab

from k8slab.errors import InUse
from k8slab.kube.cluster import Cluster

OTHER = Path(__file__).parents[1] / "other_kernel.py"


@contextmanager
def other(lab: Lab, namespace: str) -> Iterator[int]:
    """Give the id of another process that works in a namespace."""
    with subprocess.Popen(
        [sys.executable, str(OTHER), lab.name, namespace],
        env={**os.environ, "K8SLAB_HOME": str(lab.home.folder)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert any(line.startswith("holds") for line in process.stdout)
        yield process.pid
        process.kill()


def test_a_second_kernel_is_told_and_takes_nothing(main: Lab) -> None:
    """Who, since when; its cells reach nothing; the next step works as printed."""
    with main.cluster() as cluster, other(main, "held") as holder:
        before = main.kubectl("get", "namespace", "held", "-o", "jsonpath={.metadata}")
        with pytest.raises(InUse) as caught:
            cluster.scratch("held")
        with pytest.raises(InUse):
            cluster.kubectl(["create", "configmap", "mine"])
        after = main.kubectl("get", "namespace", "held", "-o", "jsonpath={.metadata}")

        assert f"process {holder} on " in caught.value.seen
        assert re.search(r"since \d\d:\d\d:\d\d on ", caught.value.seen)
        assert before.stdout == after.stdout
        take_over(cluster, caught.value.next)
        cluster.scratch("held").remove()


def take_over(cluster: Cluster, next_step: str) -> None:
    """Type the printed line, in a session whose lab this one is."""

    class Here:
        connect = staticmethod(lambda: cluster)

    exec(next_step.splitlines()[-1], {"lab": Here})  # noqa: S102


def test_a_killed_kernel_holds_nothing(main: Lab) -> None:
    """The next one begins and is not asked anything."""
    with main.cluster() as cluster:
        with other(main, "held"):
            pass
        cluster.scratch("held").remove()
